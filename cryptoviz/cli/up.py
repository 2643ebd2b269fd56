"""`cryptoviz up`: the whole pipeline on this machine, on the live sources or on the demo market."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cryptoviz.cli.models import check_models
from cryptoviz.running import reachable
from cryptoviz.settings import Settings, load_settings

if TYPE_CHECKING:
    from cryptoviz.local.console import StackConsole
    from cryptoviz.local.stack import Stack

LATEST = "SELECT symbol, source, price, timestamp FROM {database}.crypto_prices ORDER BY timestamp DESC LIMIT 12"


@click.command(short_help="start the whole pipeline, on the live sources or with --demo on a simulated market")
@click.option("--demo", is_flag=True, help="Poll a simulated market on this machine; needs no account.")
@click.option("--for", "seconds", type=click.FloatRange(min=0), help="End so many seconds after everything is ready.")
def up(demo: bool, seconds: float | None) -> None:
    """Start Kafka, ClickHouse, workers, producers and Grafana here, and keep them running until Ctrl-C.

    Data and logs are in CRYPTOVIZ_HOME; those of --demo are beside it, in a folder whose name ends in -demo.
    """
    from cryptoviz.local.console import StackConsole
    from cryptoviz.local.interrupts import until_interrupted

    settings = load_settings()
    check_models(settings)
    console = StackConsole()
    try:
        asyncio.run(until_interrupted(_run(settings, demo, seconds, console)))
    finally:
        console.close()
    console.line("Everything has ended; the data are kept.")


def demo_settings(settings: Settings) -> Settings:
    """The same settings on a home of the demo's own: simulated and real prices never share a table."""
    return settings.model_copy(update={"home": Path(f"{settings.home}-demo")})


async def _run(settings: Settings, demo: bool, seconds: float | None, console: StackConsole) -> None:
    from cryptoviz.local.stack import running_stack
    from cryptoviz.local.stack_parts import DEMO, FORECASTER, PIPELINE
    from processors.batch import available_models

    chosen = demo_settings(settings) if demo else settings
    console.line(f"CryptoViz{' on a simulated market' if demo else ''}; data and logs in {chosen.home}", "bold")
    names = (*(DEMO if demo else PIPELINE), *((FORECASTER,) if available_models() else ()))
    async with running_stack(chosen, names, console, "demo" if demo else "live") as stack:
        console.line(f"Ready after {console.complete():.1f} s. Ctrl-C ends everything.", "bold")
        for line in what_to_try(stack, settings):
            console.line(line)
        await stack.run(seconds)


def what_to_try(stack: Stack, caller: Settings) -> Iterator[str]:
    """Addresses, and commands ready to copy; `caller` are the settings that another terminal would have."""
    ours = stack.settings
    for name, status in stack.supervisor.statuses.items():
        if status.part.address and status.is_up:
            yield f"  {name:<12} {status.part.address}"
    yield f"  {'health':<12} http://{reachable(ours.host)}:{ours.health_port}/health"
    query = LATEST.format(database=ours.clickhouse_database)
    yield "In another terminal:"
    yield f"  curl '{ours.clickhouse_url}/?user=analyst&default_format=PrettyCompact' --data-binary '{query}'"
    command = "cryptoviz" if shutil.which("cryptoviz") else os.path.relpath(sys.argv[0])
    yield f"  {_with_kafka(ours, caller)}{command} watch"
    yield f"  {command} status"


def _with_kafka(ours: Settings, caller: Settings) -> str:
    return "" if ours.kafka == caller.kafka else f"CRYPTOVIZ_KAFKA={ours.kafka} "
