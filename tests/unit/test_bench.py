"""The pure parts of `make bench`: spread, ratios, the file, the equality of results, and the table."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest
from rich.console import Console

from bench.engines.work import WINDOW, Rolling, good
from bench.measuring import warmed_up
from bench.quotes import Expected, differences, expected, quotes
from bench.results import ratios, spread, write
from bench.same_work import table


def test_a_spread_has_the_least_the_middle_and_the_most() -> None:
    said = spread([3.0, 1.0, 2.0])
    assert (said.min, said.median, said.max, said.rounds) == (1.0, 2.0, 3.0, 3)
    with pytest.raises(ValueError, match="no figures"):
        spread([])


def test_every_figure_is_compared_with_every_other() -> None:
    assert ratios({"a": 30.0, "b": 10.0, "none": 0.0})["a"] == {"b": 3.0}
    assert ratios({"a": 30.0, "b": 10.0})["b"] == {"a": 0.333}


def test_a_section_leaves_the_other_sections_figures_alone(tmp_path: Path) -> None:
    out = tmp_path / "results.json"
    write(out, "one", {"figure": spread([1.0])})
    write(out, "two", {"figure": 2})
    found = orjson.loads(out.read_bytes())
    assert found["one"]["figure"]["median"] == 1.0
    assert found["two"] == {"figure": 2}


def test_the_rolling_window_is_what_must_come_out() -> None:
    windows: dict[str, Rolling] = {}
    last = {}
    results = 0
    for quote in filter(good, quotes(60 * WINDOW * 2)):
        last[quote["asset"]] = windows.setdefault(quote["asset"], Rolling()).add(quote["price"])
        results += 1
    assert differences(expected(60 * WINDOW * 2), results, last) == []


def test_a_wrong_count_mean_or_deviation_and_a_missing_symbol_are_differences() -> None:
    wanted = Expected(2, {"S00": (10.0, 1.0), "S01": (10.0, 1.0)})
    assert differences(wanted, 2, dict(wanted.last)) == []
    assert differences(wanted, 3, dict(wanted.last)) == ["3 results, not 2"]
    assert len(differences(wanted, 2, {"S00": (10.0, 1.0 + 2e-8)})) == 2
    assert len(differences(wanted, 2, dict(wanted.last) | {"S01": (10.0 + 2e-8, 1.0)})) == 1


@pytest.mark.parametrize(("share", "begins"), [(0.0, 7), (0.1, 7), (0.2, 8), (0.5, 9), (1.0, 9)])
def test_the_clock_starts_when_a_share_of_the_results_is_stored(share: float, begins: int) -> None:
    assert warmed_up({9: 8, 7: 1, 8: 1}, share) == begins
    assert warmed_up({}, share) == 0


@pytest.mark.parametrize(
    "change", [{"price": -1.0}, {"price": "1"}, {"price": float("inf")}, {"asset": "?"}, {"at": 1.5}]
)
def test_what_is_not_a_quote_is_refused(change: dict[str, object]) -> None:
    quote = next(quotes(1))
    assert good(quote)
    assert not good(quote | change)


def test_the_table_says_who_does_not_count() -> None:
    figures = {"min": 1.0, "median": 2.0, "max": 3.0}
    right = {"wrong": "", "per_s": figures, "per_cpu_s": figures}
    ours = right | {"per_s_ratio_to": {"bare": 1.5}, "per_cpu_s_ratio_to": {"bare": 2.5}}
    console = Console(width=130, record=True, file=None, quiet=False)
    with console.capture() as said:
        console.print(table("batch", {"cryptoviz": ours, "bare": right, "quix": {"wrong": "1 results, not 2"}}))
    assert "1.50 x" in said.get()
    assert "2.50 x" in said.get()
    assert "does not count" in said.get()
