"""The tables in the terminal hold the figures of the rows and fit beside each other."""

from __future__ import annotations

import io

import pytest
from rich.console import Console
from scoreboard_rows import row

from cryptoviz.report.scoreboard import scored
from cryptoviz.report.tables import asset_table, blocks, summary_table, tables

MODELS = ("ma_short", "ma_long", "trend", "momentum", "naive", "drift", "ewma", "holt", "online", "consensus",
          "consensus_adaptive")  # fmt: skip


def _printed(*renderables: object, width: int = 120, colours: bool = False) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=colours, highlight=False)
    for renderable in renderables:
        console.print(renderable)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_summary_has_a_line_per_model_with_its_figures() -> None:
    rows = [row(model="holt", rmae=0.987), row(model="naive", rmae=1.0, hit_rate=None, hit_low=None, hit_high=None)]
    lines = [line.split() for line in _printed(summary_table(scored(rows, "all"), 3600)).splitlines()]
    assert lines[2] == ["holt", "1", "2,000", "168", "0.987", "51.0", "%", "44-58", "%", "81.0", "%", "0.60", "%"]
    assert lines[3] == ["naive", "1", "2,000", "168", "1.000", "-", "-", "81.0", "%", "0.60", "%"]


def test_every_asset_has_error_coverage_and_count_of_every_model() -> None:
    rows = [row("BTC", "holt", rmae=0.9, coverage_80=0.75, n=12_345), row("BTC", "trend", rmae=1.25, coverage_80=None),
            row("ETH", "holt", rmae=1.5)]  # fmt: skip
    lines = [line.split() for line in _printed(asset_table(scored(rows, "all"), 3600, ("holt", "trend"))).splitlines()]
    assert lines[1] == ["asset", "holt", "trend"]
    assert lines[2:5] == [["BTC", "rMAE", "0.900", "1.250"], ["in", "80", "%", "75.0", "-"], ["n", "12,345", "2,000"]]
    assert lines[5] == ["ETH", "rMAE", "1.500", "-"]


def test_what_beats_naive_stands_out_and_naive_itself_does_not() -> None:
    rows = [row(model="holt", rmae=0.5), row(model="trend", rmae=1.5), row(model="naive", rmae=0.999)]
    printed = _printed(asset_table(scored(rows, "all"), 3600, ("holt", "trend", "naive")), colours=True)
    assert "\x1b[1;32m0.500" in printed
    assert "\x1b[1;32m1.500" not in printed
    assert "\x1b[1;32m0.999" not in printed


@pytest.mark.parametrize("width", [100, 120])
def test_tables_fit_the_terminal(width: int) -> None:
    rows = [row(asset, model, n=103_680) for asset in ("BTC", "USDT") for model in MODELS]
    printed = _printed(*tables(scored(rows, "all"), width), width=400)
    assert max(len(line.rstrip()) for line in printed.splitlines()) <= width
    assert [name for name in MODELS if name not in printed] == []


def test_blocks_hold_every_model_once_in_order() -> None:
    assert [name for block in blocks(MODELS, 6, 60) for name in block] == list(MODELS)
    assert list(blocks(MODELS, 6, 400)) == [MODELS]
    assert list(blocks(MODELS[:2], 6, 1)) == [("ma_short",), ("ma_long",)]
