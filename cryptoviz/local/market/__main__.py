"""`python -m cryptoviz.local.market`: serve the demo market until told to stop."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import cast, get_args

import click
from aiohttp import web

from cryptoviz.local.market.faults import Level
from cryptoviz.local.market.server import Market
from cryptoviz.logs import FORMATTERS, configure_logging

logger = logging.getLogger(__name__)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8100, show_default=True, help="Port to listen on.")
@click.option("--seed", default=7, show_default=True, help="Another seed is another market.")
@click.option("--faults", "level", type=click.Choice(get_args(Level)), default="normal", show_default=True,
              help="How often the sources misbehave; never in the first three minutes.")  # fmt: skip
@click.option("--log-format", type=click.Choice(tuple(FORMATTERS)), default="text", show_default=True)
def market(host: str, port: int, seed: int, level: str, log_format: str) -> None:
    """Serve a simulated market in the language of CoinGecko, CoinMarketCap and Binance."""
    configure_logging("info", log_format)
    logger.info("serving on http://%s:%d", host, port)
    try:
        web.run_app(Market(seed, cast(Level, level)).app(), host=host, port=port, access_log=None,
                    loop=asyncio.new_event_loop(), print=None)  # fmt: skip
    except OSError as error:
        click.echo(
            f"demo market: cannot listen on {host}:{port} ({error.strerror}); set CRYPTOVIZ_MARKET_PORT", err=True
        )
        sys.exit(1)


if __name__ == "__main__":
    market()
