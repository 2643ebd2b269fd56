"""A replay's progress on a terminal: a bar while it feeds, then what each step of the pipeline has left."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cryptoviz.progress import Stage

QUIET_S = 2.0  # what takes no longer needs no bar


class ReplayScreen:
    """Shows itself after two seconds, and only on a terminal; `check` is called with every piece of news."""

    def __init__(self, rows: int, check: Callable[[], None], console: Console | None = None) -> None:
        self._check, self._began, self._shown = check, time.monotonic(), False
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        self._progress = Progress(*columns, console=console or Console(), transient=True)
        self._task = self._progress.add_task("feeding rows", total=rows)
        self._doing = ""

    def fed(self, rows: int) -> None:
        """So many rows have been handed over."""
        self._check()
        self._progress.update(self._task, completed=rows)
        self._show()

    def left(self, stage: Stage, messages: int) -> None:
        """A step of the pipeline has so many messages left."""
        self._check()
        if stage.doing != self._doing:
            self._doing = stage.doing
            self._progress.reset(self._task, description=f"{stage.doing} messages", total=messages)
        total = self._progress.tasks[0].total or 0
        self._progress.update(self._task, completed=max(0, total - messages))
        self._show()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            self._progress.stop()

    def _show(self) -> None:
        late = time.monotonic() - self._began > QUIET_S
        if late and not self._shown and self._progress.console.is_terminal:
            self._shown = True
            self._progress.start()
