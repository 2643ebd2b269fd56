"""The figures of a replay: every row accounted for, or said to be missing."""

from __future__ import annotations

import io

from rich.console import Console

from cryptoviz.local.replay_outcome import COUNTED, Outcome, Stored


def outcome(fed: int, quotes: int, rejected: dict[str, int], set_aside: dict[str, int] | None = None) -> Outcome:
    tables = dict.fromkeys(COUNTED, 7) | {"quotes": quotes}
    return Outcome(1, fed, rejected, Stored(tables, set_aside or {}), 2.0)


def shown(figures: Outcome) -> list[str]:
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(figures.table())
    return [" ".join(line.split()) for line in console.export_text().splitlines()]


def test_stored_and_rejected_make_up_what_was_fed() -> None:
    assert outcome(1_000, 990, {"duplicate": 4, "unknown_symbol": 6}).missing == 0
    assert outcome(1_000, 989, {"duplicate": 4, "unknown_symbol": 6}).missing == 1
    assert outcome(1_000, 991, {"duplicate": 4, "unknown_symbol": 6}).missing == -1


def test_what_the_worker_set_aside_counts_as_rejected() -> None:
    figures = outcome(1_000, 990, {"duplicate": 4}, {"duplicate": 1, "wrong_schema": 5})
    assert figures.missing == 0
    assert figures.all_rejected == {"duplicate": 5, "wrong_schema": 5}


def test_the_table_says_it_all() -> None:
    lines = shown(outcome(1_234, 1_230, {"bad_price": 4}))
    assert lines[0] == "fed 1,234 rows of 1 file"
    assert "stored 1,230 quotes" in lines
    assert "rejected 4 rows" in lines
    assert "4 bad_price" in lines
    assert "scores 7 rows" in lines
    assert "time 2.0 s, 615 quotes/s stored" in lines
    assert not any("missing" in line for line in lines)


def test_missing_rows_are_shown() -> None:
    assert "missing 3 rows: neither stored nor rejected" in shown(outcome(10, 7, {}))
