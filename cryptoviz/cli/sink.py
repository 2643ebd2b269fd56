"""`cryptoviz sink`: copy the topics into ClickHouse until stopped."""

from __future__ import annotations

import click

from cryptoviz.logs import configure_logging
from cryptoviz.settings import load_settings


@click.command()
def sink() -> None:
    """Copy the topics into ClickHouse; SIGTERM stores and commits what was read and exits 0."""
    from processors.sink_process import run

    settings = load_settings()
    configure_logging(settings.log_level, settings.log_format)
    run(settings)
