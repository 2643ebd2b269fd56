"""`cryptoviz scoreboard`: how good each model has been, beside "the price stays the same"."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click
import orjson

from cryptoviz.errors import Retryable, UserError
from cryptoviz.settings import load_settings

if TYPE_CHECKING:
    from cryptoviz.report.scoreboard import Row

PERIODS = ("24 h", "7 d", "30 d", "all")
KINDS = {
    "filed": "Filed in advance",
    "catch_up": "Filed too late: the pipeline was down when they were due, so nobody could have followed them",
    "back_test": "Back-test: made over history, which nobody filed in advance",
}
NOTHING_FILED = "No forecast filed in advance has come due yet: the first are judged an hour after they were made."
NOTHING = "Nothing was scored in this period: the first forecasts are judged an hour after they were made."


@click.command()
@click.option("--source", default="all", show_default=True, help="Forecasts of one source's prices, or of all.")
@click.option("--period", type=click.Choice(PERIODS), default="all", show_default=True, help="How far back to look.")
@click.option("--assets", "by_asset", is_flag=True, help="A table per horizon with every asset, too.")
@click.option("--json", "as_json", is_flag=True, help="For programs: every figure of every source.")
def scoreboard(source: str, period: str, by_asset: bool, as_json: bool) -> None:
    """Say how good each model has been: forecasts filed in advance first, back-tests apart from them."""
    from cryptoviz.report.read import read_scoreboard
    from cryptoviz.report.tables import console
    from cryptoviz.running import settings_of, stack_health

    settings = load_settings()
    try:
        rows = read_scoreboard(settings_of(settings, stack_health(settings)), period)
    except Retryable as error:
        raise UserError(f"{error}. Is the pipeline running (`cryptoviz status`)?") from error
    if as_json:
        click.echo(orjson.dumps(rows, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z))
        return
    out = console()
    for part in shown([row for row in rows if row["source"] == source], by_asset, out.width):
        out.print(part)


def shown(rows: Sequence[Row], by_asset: bool, width: int) -> Iterator[Any]:
    """What is printed of one source's rows, kind by kind."""
    from cryptoviz.report.scoreboard import Scoreboard
    from cryptoviz.report.tables import LEGEND, summary_table, tables

    if not rows:
        yield NOTHING
        return
    if all(row["kind"] != "filed" for row in rows):
        yield NOTHING_FILED + "\n"
    for kind, title in KINDS.items():
        own = tuple(row for row in rows if row["kind"] == kind)
        if own:
            board = Scoreboard(own[0]["source"], own)
            yield f"[bold underline]{title}[/], {span(own)}\n"
            yield from tables(board, width) if by_asset else (summary_table(board, h) for h in board.horizons_s)
    yield f"[dim]{LEGEND}. Not financial advice.[/]"


def span(rows: Sequence[Row]) -> str:
    """From when to when these rows count."""
    first: datetime = min(row["counts_from"] for row in rows)
    last: datetime = max(row["counts_until"] for row in rows)
    return f"counted from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC"
