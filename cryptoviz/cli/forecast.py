"""`cryptoviz forecast`: fit the batch models on their own schedule until stopped."""

from __future__ import annotations

import click

from cryptoviz.logs import configure_logging
from cryptoviz.settings import load_settings


@click.command()
def forecast() -> None:
    """Fit AutoARIMA, AutoETS and Prophet now and then, file their forecasts and score them; needs an extra."""
    from processors.batch.process import run

    settings = load_settings()
    configure_logging(settings.log_level, settings.log_format)
    run(settings)
