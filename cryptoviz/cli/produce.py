"""`cryptoviz produce [SOURCE...]`: poll the sources and publish their quotes until told to stop."""

from __future__ import annotations

import signal
from threading import Event
from types import FrameType

import click

from cryptoviz.assets import REGISTRY, AssetRegistry
from cryptoviz.errors import UserError
from cryptoviz.kafka import Writer, producer_config
from cryptoviz.logs import configure_logging
from cryptoviz.settings import load_settings, load_source_settings


@click.command(short_help="poll the sources and publish their quotes")
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
def produce(sources: tuple[str, ...]) -> None:
    """Poll SOURCE... (by default CRYPTOVIZ_SOURCES, else all) and publish their quotes to Kafka until SIGTERM."""
    from producers.runner import Runner, chosen_sources
    from producers.sources import SOURCES

    settings = load_settings()
    configure_logging(settings.log_level, settings.log_format)
    chosen = chosen_sources(SOURCES, sources or settings.sources)
    stop = Event()
    # The library would log each of several vain connections a second; the outbox says once that Kafka is away.
    writer = Writer(producer_config(settings, "cryptoviz-producer") | {"log_level": 2})
    runner = Runner(settings, AssetRegistry(REGISTRY).select(settings.assets), writer, stop)
    for source in chosen:
        runner.add(source, load_source_settings(source.name))
    if not runner.pollers:
        raise UserError("there is no source to poll; see above what each of them lacks")
    _stop_on_signals(stop)
    runner.run()


def _stop_on_signals(stop: Event) -> None:
    def handle(number: int, _: FrameType | None) -> None:
        stop.set()
        signal.signal(number, signal.SIG_DFL)  # a second one ends the process at once

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handle)
