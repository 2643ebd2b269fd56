"""The verdict of `make soak`: what counts as growing, as falling behind, as missing."""

from __future__ import annotations

import csv
from pathlib import Path

from rich.console import Console

from bench.figures import Figure, said, table_of
from bench.soak import Samples, failures, growth

AT_S = [10.0 * n for n in range(1, 361)]


def _memory(mb_an_hour: float, start_mb: float = 200.0) -> list[float]:
    """Warms up over twenty minutes, then goes on at this rate, with a spike that is let go again."""
    return [start_mb * min(1.0, 0.5 + at / 2400) + mb_an_hour * at / 3600 + (300 if at == 2500.0 else 0) for at in AT_S]


def test_memory_that_stays_after_its_warm_up_is_flat_and_a_spike_does_not_count() -> None:
    flat = growth(AT_S, _memory(0.0))
    assert abs(flat.mb_an_hour) < 1e-6
    assert flat.early_mb < flat.last_mb
    assert not flat.grows


def test_memory_grows_beyond_the_larger_of_both_limits() -> None:
    assert growth(AT_S, _memory(30.0)).grows
    assert not growth(AT_S, _memory(15.0)).grows
    assert not growth(AT_S, _memory(30.0, start_mb=1000.0)).grows
    assert growth(AT_S, _memory(80.0, start_mb=1000.0)).grows


def test_growth_lag_and_missing_quotes_each_fail() -> None:
    fine = Samples(AT_S, {"sink": _memory(0.0)}, {"group": [50] * 360})
    assert failures(fine, messages_per_s=10, missing=0) == []
    grown = Samples(AT_S, {"sink": _memory(60.0)}, {"group": list(range(360))})
    assert len(failures(grown, messages_per_s=10, missing=3)) == 3


def test_samples_go_to_a_file_with_a_row_per_look(tmp_path: Path) -> None:
    Samples([1.0, 2.0], {"sink": [5.0, 6.0]}, {"group": [7, 8]}).write(tmp_path / "samples.csv")
    with (tmp_path / "samples.csv").open() as file:
        assert list(csv.reader(file)) == [
            ["seconds", "sink MB", "group lag"], ["1.0", "5.0", "7.0"], ["2.0", "6.0", "8.0"],
        ]  # fmt: skip


def test_figures_show_their_spread() -> None:
    console = Console(width=120)
    with console.capture() as shown:
        console.print(table_of([Figure("rows", "rows/s", [30_000.0, 10_000.0, 20_000.0], "cores: 1")], "title"))
    assert all(text in shown.get() for text in ("20,000", "10,000", "30,000", "rows/s", "cores: 1"))
    assert [said(number) for number in (0.1234, 12.34, 1234.5)] == ["0.123", "12.3", "1,234"]
