"""Ctrl-C and SIGTERM end what is being done in order, once; asking again does not cut that short."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


async def until_interrupted(work: Coroutine[Any, Any, None]) -> bool:
    """Do `work`, cancelling it at the first signal to end; whether there was one."""
    task = asyncio.create_task(work)
    loop, interrupted = asyncio.get_running_loop(), False

    def end() -> None:
        nonlocal interrupted
        if not interrupted:
            interrupted = True
            task.cancel()

    for number in ENDING:
        loop.add_signal_handler(number, end)
    try:
        await task
    except asyncio.CancelledError:
        if not interrupted:
            raise
    finally:
        for number in ENDING:
            loop.remove_signal_handler(number)
    return interrupted
