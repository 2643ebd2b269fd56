"""How far the history has come: a bar per source where someone watches a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import Progress as Bars
from rich.progress import TaskID


class Progress:
    """A context manager; `show` says how far a source is."""

    def __init__(self) -> None:
        self._bars = Bars(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty())
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bars.stop()

    def show(self, source: str, done: int, total: int) -> None:
        """So many of the source's assets have been fetched."""
        if source not in self._tasks:
            self._tasks[source] = self._bars.add_task(f"history of {source}", total=total)
        self._bars.update(self._tasks[source], completed=done)
