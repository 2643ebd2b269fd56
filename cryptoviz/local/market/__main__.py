"""`python -m cryptoviz.local.market`: serve the demo market until told to stop."""

from __future__ import annotations

import asyncio
import sys
from typing import cast, get_args

import click
from aiohttp import web

from cryptoviz.local.market.faults import Level
from cryptoviz.local.market.server import Market
from cryptoviz.logs import configure_logging


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8100, show_default=True, help="Port to listen on.")
@click.option("--seed", default=7, show_default=True, help="Another seed is another market.")
@click.option("--faults", "level", type=click.Choice(get_args(Level)), default="normal", show_default=True,
              help="How often the sources misbehave; never in the first three minutes.")  # fmt: skip
def market(host: str, port: int, seed: int, level: str) -> None:
    """Serve a simulated market in the language of CoinGecko, CoinMarketCap and Binance."""
    configure_logging("info")
    try:
        web.run_app(Market(seed, cast(Level, level)).app(), host=host, port=port, access_log=None,
                    loop=asyncio.new_event_loop(), print=lambda text: click.echo(text, err=True))  # fmt: skip
    except OSError as error:
        click.echo(
            f"demo market: cannot listen on {host}:{port} ({error.strerror}); set CRYPTOVIZ_MARKET_PORT", err=True
        )
        sys.exit(1)


if __name__ == "__main__":
    market()
