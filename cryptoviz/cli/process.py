"""`cryptoviz process`: one Faust worker."""

from __future__ import annotations

import click

from cryptoviz.logs import configure_logging
from cryptoviz.settings import load_settings


@click.command(help="Run one Faust worker; start several with different CRYPTOVIZ_WORKER_ID to share the partitions.")
def process() -> None:
    """Run a worker until it is told to stop."""
    settings = load_settings()
    configure_logging(settings.log_level, settings.log_format)
    from processors.worker import run  # Faust is heavy and only this command needs it

    run(settings)
