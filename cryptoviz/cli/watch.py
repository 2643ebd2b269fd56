"""`cryptoviz watch`: show prices, forecasts and signals in the terminal as they arrive."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.live import Live

from cryptoviz.errors import UserError
from cryptoviz.messages import ALL
from cryptoviz.settings import load_settings

if TYPE_CHECKING:
    from cryptoviz.board import Board
    from cryptoviz.result_reader import ResultReader

PIPE_WIDTH = 160


@click.command()
@click.option("--source", default=ALL, show_default=True, help="A source's name, or `all` for the median over them.")
@click.option("--once", is_flag=True, help="Print one table as soon as every asset has shown itself, and end.")
@click.option("--wait", "wait_s", default=10.0, show_default=True, help="With --once: print what there is after this.")
def watch(source: str, once: bool, wait_s: float) -> None:
    """Show prices, forecasts and signals as they arrive; Ctrl-C ends it."""
    from cryptoviz.assets import AssetRegistry
    from cryptoviz.board import Board
    from cryptoviz.result_reader import result_reader
    from cryptoviz.running import settings_of, stack_health

    settings = load_settings()
    settings = settings_of(settings, stack_health(settings))
    registry = AssetRegistry().select(settings.assets)
    board = Board(registry.by_ticker, source, settings.bar_seconds, settings.horizons_s)
    console = Console()
    if not console.is_terminal:  # a pipe has no width, and a table squeezed into 80 columns cannot be read
        console = Console(width=PIPE_WIDTH)
    with result_reader(settings) as reader, suppress(KeyboardInterrupt):
        if once:
            _print_once(reader, board, console, wait_s, source)
        else:
            _show(reader, board, console)


def _print_once(reader: ResultReader, board: Board, console: Console, wait_s: float, source: str) -> None:
    deadline = time.monotonic() + wait_s
    while not (board.complete and reader.at_the_end) and time.monotonic() < deadline:
        reader.read_into(board)
    if board.empty:
        raise UserError(
            f"nothing about source {source!r} came within {wait_s:g} s: is the pipeline running (`cryptoviz status`), "
            "and is that the name of a source?"
        )
    console.print(board.table())


def _show(reader: ResultReader, board: Board, console: Console) -> None:
    with Live(board.table(), console=console, auto_refresh=False) as live:
        while True:
            if reader.read_into(board):
                live.update(board.table(), refresh=True)
