"""`cryptoviz status`: say how the running pipeline is doing, as tables or as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import orjson
from rich.console import Console
from rich.table import Table

from cryptoviz.settings import load_settings

if TYPE_CHECKING:
    from cryptoviz.status import Status

LATE_S = 600


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def status(as_json: bool) -> None:
    """Say how the running pipeline is doing; works when parts are down, and says which."""
    from cryptoviz.status import gather

    found = gather(load_settings())
    if as_json:
        click.echo(orjson.dumps(found.as_json(), option=orjson.OPT_INDENT_2))
        return
    console = Console()
    for table in (parts_table(found), rows_table(found), lag_table(found), ages_table(found)):
        if table.row_count:
            console.print(table)
    for line in summary(found):
        console.print(line, highlight=False)


def parts_table(found: Status) -> Table:
    """Every part, up or down."""
    table = Table("part", "state", "address", title="Parts", title_justify="left")
    for part in found.parts:
        table.add_row(part.name, f"[{'green' if part.up else 'red'}]{part.state}[/]", part.address)
    return table


def rows_table(found: Status) -> Table:
    """Rows per table, each id once."""
    table = Table("table", "rows", title="Stored", title_justify="left")
    table.columns[1].justify = "right"
    for name, number in found.rows.items():
        table.add_row(name, f"{number:,}")
    return table


def lag_table(found: Status) -> Table:
    """Messages each consumer group has not done yet; topics with none are left out unless all are."""
    table = Table("group", "topic", "messages behind", title="Lag", title_justify="left")
    table.columns[2].justify = "right"
    for group, topics in found.lag.items():
        behind = {topic: lag for topic, lag in topics.items() if lag}
        for topic, lag in behind.items():
            table.add_row(group, topic, f"{lag:,}")
        if not behind:
            table.add_row(group, f"all {len(topics)} topics", "0")
    return table


def ages_table(found: Status) -> Table:
    """Age of the last quote, an asset per row and a source per column."""
    sources = sorted({source for ages in found.quote_age_s.values() for source in ages})
    table = Table("asset", *sources, title="Age of the last quote", title_justify="left", min_width=24)
    for column in table.columns[1:]:
        column.justify = "right"
    for asset, ages in found.quote_age_s.items():
        table.add_row(asset, *(_age(ages.get(source)) for source in sources))
    return table


def _age(seconds: float | None) -> str:
    if seconds is None:
        return "-"
    text = duration(seconds)
    return f"[red]{text}[/]" if seconds > LATE_S else text


def duration(seconds: float) -> str:
    """Seconds as people say them: 4.2 s, 3 min, 5 h, 12 d."""
    for limit, unit, name in ((172_800, 86_400, "d"), (7_200, 3600, "h"), (120, 60, "min")):
        if seconds >= limit:
            return f"{seconds / unit:.0f} {name}"
    return f"{seconds:.1f} s"


def summary(found: Status) -> list[str]:
    """The figures that need no table, then what is wrong."""
    lines = []
    if found.bars_24h is not None:
        lines.append(f"{found.bars_24h:,} points (bars) in 24 h, {found.assets} assets, {found.sources} sources")
    if found.forecast_s is not None:
        lines.append(f"a computation with forecasts takes {found.forecast_s * 1000:.1f} ms on average")
    if found.filed_after_s is not None:
        lines.append(f"forecasts are filed {found.filed_after_s:.1f} s after their last bar ends (median)")
    return lines + ([f"[red]{problem}[/]" for problem in found.problems] or ["everything that was asked is up"])
