"""One running process of the stack: in a session of its own, its output in a file, known to the reaper."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from cryptoviz.local import reaper

MIB = 1024 * 1024
LOG_BYTES = 10 * MIB
OLD_LOGS = 3


class Reaper:
    """The other end of `reaper.py`: as long as this object lives, the parts do; if we are killed, they end."""

    def __init__(self, keep_open: Sequence[int] = (), patience_s: float = reaper.PATIENCE_S) -> None:
        self._keep_open, self._patience_s = tuple(keep_open), patience_s
        self._groups: set[int] = set()
        self._process = self._spawn()

    def watch(self, group: int) -> None:
        """End this process group if we disappear."""
        self._groups.add(group)
        self._tell(f"+{group}")

    def forget(self, group: int) -> None:
        """This process group has ended."""
        self._groups.discard(group)
        self._tell(f"-{group}")

    def close(self) -> None:
        """Let the reaper end; whatever is still being watched ends with it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(self._patience_s + reaper.DYING_S + 5)

    def _spawn(self) -> subprocess.Popen[bytes]:
        argv = [sys.executable, "-I", "-S", str(Path(reaper.__file__)), str(self._patience_s)]
        return subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, start_new_session=True, pass_fds=self._keep_open
        )

    def _tell(self, message: str) -> None:
        try:
            self._write(message)
        except BrokenPipeError:  # somebody killed the reaper: the parts must not go without one
            self._process.wait()
            self._process = self._spawn()
            for group in sorted(self._groups):
                self._write(f"+{group}")

    def _write(self, message: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{message}\n".encode())
        self._process.stdin.flush()


class Child:
    """A started process with its log file."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path, warden: Reaper) -> None:
        self._process, self._log, self._warden = process, log, warden
        self.pid = process.pid
        warden.watch(self.pid)

    @classmethod
    async def start(cls, argv: Sequence[str], env: Mapping[str, str], log: Path, warden: Reaper) -> Child:
        """Start it with `env` added to our own environment; raises `OSError` when there is no such program."""
        rotate(log)
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                *argv, env={**os.environ, **env}, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                start_new_session=True,
            )  # fmt: skip
        return cls(process, log, warden)

    async def wait(self) -> int:
        """Wait for its end; the exit code, negative for a signal. Nobody of its group is left behind."""
        code = await self._process.wait()
        reaper.signal_group(self.pid, signal.SIGKILL)
        self._warden.forget(self.pid)
        return code

    async def stop(self, within_s: float) -> None:
        """Ask it to end, and end it when it has not within `within_s` seconds."""
        if self._process.returncode is None:
            self._process.terminate()
            try:
                await asyncio.wait_for(self._process.wait(), within_s)
            except TimeoutError:
                reaper.signal_group(self.pid, signal.SIGKILL)
        await self.wait()

    async def kill(self) -> int:
        """End it and its group at once."""
        reaper.signal_group(self.pid, signal.SIGKILL)
        return await self.wait()

    def cut_log(self) -> None:
        """Put its log aside if it has grown too long."""
        cut(self._log)

    def last_lines(self, count: int = 5) -> str:
        """The end of its log."""
        return last_lines(self._log, count)


def rotate(log: Path, limit_bytes: int = LOG_BYTES) -> None:
    """Put a log that has grown too long aside, keeping `OLD_LOGS` of them; nobody may be writing to it."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if _is_long(log, limit_bytes):
        _make_older(log)
        log.replace(_aside(log, 1))


def cut(log: Path, limit_bytes: int = LOG_BYTES) -> None:
    """Put the lines of a log that has grown too long aside while a process goes on writing to it.

    It holds the file and appends to it, so the lines are copied and the file is emptied; what it writes in the moment
    between is lost.
    """
    if _is_long(log, limit_bytes):
        _make_older(log)
        shutil.copyfile(log, _aside(log, 1))
        os.truncate(log, 0)


def _is_long(log: Path, limit_bytes: int) -> bool:
    return log.exists() and log.stat().st_size >= limit_bytes


def _aside(log: Path, age: int) -> Path:
    return log.with_name(f"{log.name}.{age}")


def _make_older(log: Path) -> None:
    for age in range(OLD_LOGS - 1, 0, -1):
        if _aside(log, age).exists():
            _aside(log, age).replace(_aside(log, age + 1))


def last_lines(log: Path, count: int) -> str:
    """The last lines of a file that may be long."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 8192))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-count:])
