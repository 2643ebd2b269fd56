"""`cryptoviz predict ASSET`: what the models say now, for parameters of one's own, as tables or as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click
import orjson
from rich.console import Console
from rich.table import Table

from cryptoviz.assets import AssetRegistry
from cryptoviz.board import COLOURS, price_text
from cryptoviz.clickhouse import connect
from cryptoviz.clock import utc
from cryptoviz.errors import Retryable, UserError
from cryptoviz.messages import ALL
from cryptoviz.settings import Settings, load_settings

if TYPE_CHECKING:
    from processors.models.base import Model
    from processors.on_demand import Question


class AssetName(click.ParamType):
    """A ticker of the registry, in any case."""

    name = "asset"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        known = AssetRegistry().by_ticker
        if value.upper() not in known:
            self.fail(f"unknown asset {value!r}; known are {', '.join(known)}", param, ctx)
        return value.upper()


class ModelNames(click.ParamType):
    """Names of models, comma separated."""

    name = "models"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[Model, ...]:
        from processors.models import MODELS

        wanted = {name.strip() for name in value.split(",") if name.strip()}
        known = [model.name for model in MODELS]
        if not wanted or wanted - set(known):
            unknown = ", ".join(sorted(wanted - set(known))) or "no model"
            self.fail(f"unknown model {unknown}; known are {', '.join(known)}", param, ctx)
        return tuple(model for model in MODELS if model.name in wanted)


@click.command()
@click.argument("asset", type=AssetName())
@click.option("--hours", type=click.IntRange(1, 24), default=4, show_default=True, help="How far ahead.")
@click.option("--history", type=click.IntRange(6, 72), default=24, show_default=True, help="Hours looked back.")
@click.option("--short", type=click.IntRange(5, 30), default=20, show_default=True, help="Bars of the short average.")
@click.option("--long", type=click.IntRange(20, 100), default=50, show_default=True, help="Bars of the long average.")
@click.option("--momentum", type=click.IntRange(5, 30), default=14, show_default=True, help="Bars momentum looks back.")
@click.option("--source", default=ALL, show_default=True, help="A source's name, or `all` for the median over them.")
@click.option("--models", type=ModelNames(), help="Only these, comma separated, also in the consensus; else as set.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def predict(
    *, asset: str, hours: int, history: int, short: int, long: int, momentum: int, source: str,
    models: tuple[Model, ...] | None, as_json: bool,
) -> None:  # fmt: skip
    """Say what the models make of ASSET's stored bars now; not financial advice."""
    from processors.on_demand import Question
    from processors.rules import Rules

    settings = load_settings()
    rules = Rules.of(settings)
    question = Question(asset, source, history, hours, short, long, momentum, models or rules.models, rules.thresholds)
    found = asked(settings, question)
    if as_json:
        click.echo(orjson.dumps(found, option=orjson.OPT_INDENT_2))
        return
    console = Console()
    for line in (*heading(found), forecasts_table(found), *verdict(found)):
        console.print(line, highlight=False)


def asked(settings: Settings, question: Question) -> dict[str, Any]:
    """The answer of the running stack, or of the ClickHouse the settings name; raises `UserError`."""
    from cryptoviz.running import settings_of, stack_health
    from processors.on_demand import ask

    try:
        client = connect(settings := settings_of(settings, stack_health(settings)), connect_timeout_s=3, timeout_s=30)
        try:
            return ask(client, settings, question)
        finally:
            client.close()
    except Retryable as error:
        raise UserError(f"{error}. Is the pipeline running (`cryptoviz status`)?") from error


def heading(found: Mapping[str, Any]) -> list[str]:
    """Whose price, how much, as of when, and from how many points."""
    points = f"{found['points']:,} points of {found['interval_s']} s in {found['parameters']['history_hours']} h"
    return [
        f"[bold]{found['asset']}[/] from {found['source']}, as of {_time(found['made_at'])}",
        f"price {price_text(found['price'])}, volatility {found['volatility']:.3f} %, {points}",
    ]


def forecasts_table(found: Mapping[str, Any]) -> Table:
    """A row per model, the consensus last; a model with too few points has dashes."""
    title = f"In {found['horizon_s'] // 3600} h, at {_time(found['target_at'])}"
    table = Table("model", "forecast", "variation", "confidence", title=title, title_justify="left")
    for column in table.columns[1:]:
        column.justify = "right"
    for row in found["forecasts"]:
        if row["forecast"] is None:
            table.add_row(row["model"], "-", "not enough points", "-")
            continue
        colour = "green" if row["variation"] > 0 else "red" if row["variation"] < 0 else "white"
        variation = f"[{colour}]{row['variation']:+.2f} %[/]"
        table.add_row(row["model"], price_text(row["forecast"]), variation, f"{row['confidence']:.1f} %")
    return table


def verdict(found: Mapping[str, Any]) -> list[str]:
    """The signal with the rule that decided, and what it is not."""
    signal = found["signal"]
    line = f"signal [{COLOURS[signal['signal']]}]{signal['signal']}[/]: {signal['reason'].replace('_', ' ')}"
    if signal["confidence"] is not None:
        line += f" (mean confidence {signal['confidence']:.1f} %)"
    if signal["ma_trend"] is not None:
        line += f", moving averages {signal['ma_trend']}"
    return [line, "Not financial advice."]


def _time(ms: int) -> str:
    return f"{utc(ms):%Y-%m-%d %H:%M:%S} UTC"
