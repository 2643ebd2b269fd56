"""The parts of the pipeline as processes that are killed, frozen and kept away, and start again when they end."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptoviz.local.process import Reaper

PAUSE_S = 0.5
"""Before a part that ended by itself is started again: the shortest pause of the product's supervisor."""
DONE = "exit 0"


@dataclass
class Part:
    """One process in a session of its own, its output in `log`; `keep` is to be called again and again.

    A `one_shot` part is not started again once it has ended with exit code 0, a part that is not `wanted` at all.
    """

    name: str
    argv: Sequence[str]
    log: Path
    warden: Reaper
    env: Mapping[str, str] = field(default_factory=dict)
    one_shot: bool = False
    wanted: bool = True
    process: subprocess.Popen[bytes] | None = None
    ends: Counter[str] = field(default_factory=Counter)
    """How often it has ended, by how: what was done to it, or its own exit code."""
    _away_until: float = 0.0
    _thaws_at: float | None = None
    _leaves_at: float | None = None

    @property
    def runs(self) -> bool:
        """Whether there is a process, frozen or not."""
        return self.process is not None and self.process.poll() is None

    @property
    def done(self) -> bool:
        """Whether a one-shot part has done its work."""
        return self.one_shot and self.ends[DONE] > 0

    def kill(self, away_s: float, what: str = "kill") -> None:
        """End it with -9; it stays away for so long."""
        self._signal(signal.SIGKILL)
        self._gone(what, away_s)

    def freeze(self, for_s: float) -> None:
        """Stop it where it is, as a machine does that hangs; it goes on after so long."""
        self._signal(signal.SIGSTOP)
        self._thaws_at = time.monotonic() + for_s

    def visit(self, for_s: float) -> None:
        """Start it, to end it politely after so long."""
        self.wanted, self._leaves_at = True, time.monotonic() + for_s

    def leave(self) -> None:
        """End it politely, and for good."""
        self.wanted, self._leaves_at = False, None
        if self.runs:
            self._signal(signal.SIGCONT)
            self._signal(signal.SIGTERM)

    def keep(self) -> None:
        """Do what is due: bury it, start it again, let it go on, let it leave."""
        now = time.monotonic()
        if self.process is not None and self.process.poll() is not None:
            self._gone(f"exit {self.process.returncode}", PAUSE_S)
        if self._thaws_at is not None and now >= self._thaws_at:
            self._thaws_at = None
            if self.runs:
                self._signal(signal.SIGCONT)
        if self._leaves_at is not None and now >= self._leaves_at:
            self.leave()
        if self.process is None and self.wanted and not self.done and now >= self._away_until:
            self._start()

    def end(self, patience_s: float) -> None:
        """End it for good, within so many seconds."""
        self.leave()
        if self.process is not None:
            try:
                self.process.wait(patience_s)
            except subprocess.TimeoutExpired:
                self.kill(0)
        self.keep()

    def _start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env={**os.environ, **self.env},
                start_new_session=True,
            )  # fmt: skip
        self.warden.watch(self.process.pid)

    def _signal(self, number: int) -> None:
        assert self.process is not None
        os.killpg(self.process.pid, number)

    def _gone(self, how: str, away_s: float) -> None:
        assert self.process is not None
        self.process.wait()
        self.warden.forget(self.process.pid)
        self.process = None
        self.ends[how] += 1
        self._away_until = time.monotonic() + away_s
