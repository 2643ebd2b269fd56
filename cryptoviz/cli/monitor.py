"""`cryptoviz monitor`: sample how the pipeline is doing until stopped."""

from __future__ import annotations

import click

from cryptoviz.logs import configure_logging
from cryptoviz.settings import load_settings


@click.command()
def monitor() -> None:
    """Store every few seconds what the parts count, how far consumers are behind, and what the disk holds."""
    from cryptoviz.monitor.process import run

    settings = load_settings()
    configure_logging(settings.log_level, settings.log_format)
    run(settings)
