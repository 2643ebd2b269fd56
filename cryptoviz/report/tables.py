"""The scoreboard of a replay in a terminal: a summary of the models and a table of the assets per horizon."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from cryptoviz.report.figures import NONE, SUMMARY_COLUMNS, count, hours, ratio, share, summary_cells
from cryptoviz.report.scoreboard import NAIVE, Row, Scoreboard

WIDTH = 120  # where there is no terminal to ask
NARROWEST = 100  # a narrower terminal breaks lines rather than losing figures
CELL = 6  # "100.0" and "12,345"; a greater count makes all columns wider
FIRST_COLUMNS = 14  # asset and what the line is
LEGEND = "in 80 %: percent of outcomes inside the 80 % interval; n: forecasts scored; rMAE < 1 beats naive"


def console() -> Console:
    """The terminal, or what stands for it where output goes elsewhere."""
    usual = Console(highlight=False)
    return Console(highlight=False, width=max(NARROWEST, usual.width) if usual.is_terminal else WIDTH)


def tables(board: Scoreboard, width: int) -> Iterator[Group | Text]:
    """Everything in reading order, for a terminal so many characters wide."""
    for horizon_s in board.horizons_s:
        yield summary_table(board, horizon_s)
    for horizon_s in board.horizons_s:
        for models in blocks(board.models, _cell_width(board), width):
            yield asset_table(board, horizon_s, models)
    yield Text(LEGEND, style="dim")


def summary_table(board: Scoreboard, horizon_s: int) -> Group:
    """A row per model, means over the assets."""
    table = _table()
    for name in SUMMARY_COLUMNS:
        table.add_column(name, justify="left" if name == "model" else "right", no_wrap=True)
    for one in board.summaries(horizon_s):
        cells: list[str | Text] = list(summary_cells(one))
        cells[SUMMARY_COLUMNS.index("rMAE")] = _coloured(one.model, one.rmae)
        table.add_row(*cells, style="dim" if one.model == NAIVE else None)
    return _titled(f"Horizon {hours(horizon_s)}, source {board.source}: means over the assets", table)


def asset_table(board: Scoreboard, horizon_s: int, models: Sequence[str]) -> Group:
    """Three lines per asset, a column per model: rMAE, how often the 80 % interval held, and how many were scored."""
    table = _table()
    table.add_column("asset")
    table.add_column("")
    for model in models:
        table.add_column("\n".join(model.split("_")), justify="right", min_width=_cell_width(board), no_wrap=True)
    found = board.at(horizon_s)
    for asset in board.assets:
        table.add_row(asset, *_asset_cells(asset, models, found))
    return _titled(f"Horizon {hours(horizon_s)}, source {board.source}: each asset", table)


def blocks(models: Sequence[str], cell: int, width: int) -> Iterator[tuple[str, ...]]:
    """The models in as few groups as fit beside each other, in columns of at least `cell` characters."""
    block: list[str] = []
    room = width - FIRST_COLUMNS
    for model in models:
        needed = 1 + max(cell, *map(len, model.split("_")))
        if block and needed > room:
            yield tuple(block)
            block, room = [], width - FIRST_COLUMNS
        block.append(model)
        room -= needed
    if block:
        yield tuple(block)


def _cell_width(board: Scoreboard) -> int:
    return max([CELL, *(len(count(row["n"])) for row in board.rows)])


def _asset_cells(asset: str, models: Sequence[str], found: Mapping[tuple[str, str], Row]) -> Iterator[Text]:
    yield Text("rMAE\nin 80 %\nn")
    for model in models:
        row = found.get((asset, model))
        if row is None:
            yield Text(NONE)
            continue
        covered = share(row["coverage_80"]).removesuffix(" %")
        yield Text("\n").join([_coloured(model, row["rmae"]), Text(covered), Text(count(row["n"]))])


def _coloured(model: str, rmae: float | None) -> Text:
    return Text(ratio(rmae), style="bold green" if rmae is not None and rmae < 1 and model != NAIVE else "")


def _table() -> Table:
    return Table(box=None, padding=(0, 1, 0, 0), pad_edge=False)


def _titled(title: str, table: Table) -> Group:
    return Group(Text(title, style="bold"), table, Text())
