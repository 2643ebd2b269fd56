"""A worker as `cryptoviz process` runs it, in which one agent stands still: run by test_liveness, not by pytest."""

from __future__ import annotations

import asyncio
import sys
import time

import processors.watch
from cryptoviz.logs import configure_logging
from cryptoviz.settings import load_settings
from processors.worker import run

processors.watch.LOOK_EVERY_S, processors.watch.STUCK_AFTER_S = 0.2, 3.0


async def waits(*_: object) -> None:
    """An agent that waits for something that never comes."""
    await asyncio.Event().wait()


async def blocks(*_: object) -> None:
    """An agent that holds up the whole event loop."""
    time.sleep(600)


if __name__ == "__main__":
    from processors.agents import Normalising

    settings = load_settings()
    configure_logging(settings.log_level)
    Normalising.batch = {"waits": waits, "blocks": blocks}[sys.argv[1]]  # type: ignore[method-assign]
    run(settings)
