"""What people see of a stack: one line per part and per noteworthy event, with a moving one below on a terminal."""

from __future__ import annotations

import time
from datetime import datetime

from rich.console import Console
from rich.status import Status
from rich.text import Text

from cryptoviz.local.part import Event, State

MB = 1_000_000
QUIET_STEP = 0.25  # of a download, between two lines where there is no terminal


class StackConsole:
    """The audience of a stack that writes to a terminal, or plain lines to anything else."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(highlight=False, soft_wrap=True)
        self._unicode = "utf" in (self._console.encoding or "").lower()
        self._moving: Status | None = None
        self._starting: list[str] = []
        self._reported_share = -1.0
        self._began, self._is_complete = time.monotonic(), False

    def line(self, text: str = "", style: str = "") -> None:
        """Write one line above the moving one."""
        self._console.print(Text(text, style))

    def tell(self, event: Event) -> None:
        """A part changed its state; ends are only told when they were not asked for."""
        self._starting = [name for name in self._starting if name != event.part]
        if event.state == State.STARTING:
            self._starting.append(event.part)
        elif event.state in (State.READY, State.DONE):
            self._good(event)
        elif event.state in (State.RESTARTING, State.FAILED):
            self._bad(event)
        if event.state == State.STOPPED:
            self._move("ending the parts")
        elif not self._is_complete:
            self._move("starting " + ", ".join(self._starting) if self._starting else "")

    def downloading(self, what: str, received_bytes: int, total_bytes: int) -> None:
        """A download goes on."""
        text = f"fetching {what} (only this once): {received_bytes / MB:.0f} of {total_bytes / MB:.0f} MB"
        self._move(text)
        share = received_bytes / total_bytes
        if not self._console.is_terminal and share >= self._reported_share + QUIET_STEP:
            self._reported_share = share if self._reported_share >= 0 else 0.0
            self.line(f"  {text}")

    def note(self, text: str) -> None:
        """One line worth reading."""
        self.line(f"  {text}", "yellow")

    def complete(self) -> float:
        """Everything is ready: from here on lines carry the time; returns the seconds it took."""
        self._is_complete = True
        self._move("")
        return time.monotonic() - self._began

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._move("")

    def _good(self, event: Event) -> None:
        text = Text("  ")
        text.append("✓ " if self._unicode else "ok ", "green")
        if self._is_complete:
            text.append(f"{_now()}  {event.part} {event.text} after {event.seconds:.1f} s")
        else:
            text.append(f"{event.part:<13}{event.seconds:5.1f} s  ")
            text.append(event.address, "dim")
        self._console.print(text)

    def _bad(self, event: Event) -> None:
        text = Text("  ")
        text.append("! " if event.state == State.RESTARTING else ("✗ " if self._unicode else "x "), "bold red")
        text.append(f"{_now()}  {event.part} {event.text}")
        self._console.print(text)

    def _move(self, text: str) -> None:
        if not self._console.is_terminal:
            return
        if not text and self._moving:
            self._moving.stop()
            self._moving = None
        elif text and self._moving:
            self._moving.update(text)
        elif text:
            self._moving = self._console.status(text)
            self._moving.start()


def _now() -> str:
    return datetime.now().astimezone().strftime("%H:%M:%S")
