"""Tiny Python children and what tests need to supervise them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from cryptoviz.local.part import Event, Part, Probe, State
from cryptoviz.local.process import Reaper
from cryptoviz.local.supervisor import Supervisor

DEADLINE_S = 20.0
# Says that it runs by making a file, then does nothing until it is ended.
WAITS = "import sys, time, pathlib; pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"
STUBBORN = (
    "import signal, sys, time, pathlib; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"
)


def python(code: str, *arguments: object) -> tuple[str, ...]:
    """The command that runs `code` with as little else as possible."""
    return (sys.executable, "-I", "-S", "-c", code, *map(str, arguments))


def exists(path: Path) -> Probe:
    """A part is ready when it has made this file."""

    async def ask() -> bool:
        return path.exists()

    return ask


def waiting_part(name: str, folder: Path, code: str = WAITS, **more: Any) -> Part:
    """A part that is ready once it runs, and goes on until it is ended."""
    sign = folder / f"{name}.ready"
    return Part(name, python(code, sign), ready=exists(sign), **more)


@dataclass
class Watched:
    """A supervisor over some parts, and all it reported."""

    folder: Path
    parts: list[Part]
    events: list[Event] = field(default_factory=list)

    def run(self, scenario: Callable[[Supervisor], Coroutine[Any, Any, None]], starts: bool = True) -> None:
        """Start the parts, play the scenario, end the parts; nothing may be left of them."""
        asyncio.run(self._run(scenario, starts))

    async def _run(self, scenario: Callable[[Supervisor], Coroutine[Any, Any, None]], starts: bool) -> None:
        warden = Reaper()
        supervisor = Supervisor(
            self.parts,
            self.folder / "logs",
            warden,
            self.events.append,
            first_pause_s=0.05,
            stop_within_s=2,
            look_every_s=0.05,
        )
        try:
            async with asyncio.timeout(DEADLINE_S * 2):
                if starts:
                    await supervisor.start()
                await scenario(supervisor)
        finally:
            await supervisor.stop()
            warden.close()

    def states(self, name: str) -> list[State]:
        """The states a part went through."""
        return [event.state for event in self.events if event.part == name]


async def until(condition: Callable[[], object], what: str) -> None:
    """Let the supervisor work until the condition holds."""
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.02)  # the condition is asked again, not the time waited for
    assert condition(), what


def is_running(pid: int) -> bool:
    """Whether this process lives; one that only waits to be buried does not."""
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
