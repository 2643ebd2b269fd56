"""The folder of an embedded stack: one running stack at a time, one kind of data, settings that cannot change."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

import psutil

from cryptoviz.errors import UserError

Kind = Literal["live", "demo", "replay"]
# After a supervisor was killed its reaper keeps the lock until the parts have ended.
WAIT_FOR_REAPER_S = 12.0


@dataclass(frozen=True)
class Home:
    """A locked home; `lock` is inherited by the reaper, so that the lock outlives a killed supervisor."""

    path: Path
    lock: int

    @property
    def logs(self) -> Path:
        """One log file per part."""
        return self.path / "logs"


@contextmanager
def locked_home(path: Path, kind: Kind, fixed: Mapping[str, int]) -> Iterator[Home]:
    """Make the folder if need be and hold it; `fixed` are settings that the data there depend on.

    Raises `UserError` when another stack runs on it, when it holds another kind of data, or when one of the fixed
    settings differs from what its data were made with.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        file = (path / "lock").open("a+")
    except OSError as error:
        raise UserError(f"cannot use {path} as CRYPTOVIZ_HOME: {error.strerror}") from error
    with file:
        _lock(file, path)
        check_made_for(path, kind, fixed)
        yield Home(path.resolve(), file.fileno())


def check_made_for(path: Path, kind: Kind, fixed: Mapping[str, int]) -> None:
    """Compare the home with what it was made for, or write that down where it is new."""
    record = path / "home.json"
    now = {"kind": kind, **fixed}
    if not record.exists():
        record.write_text(json.dumps(now, indent=2) + "\n", encoding="utf-8")
        return
    made = json.loads(record.read_text(encoding="utf-8"))
    if made.get("kind", kind) != kind:
        raise UserError(f"{path} holds {made['kind']} data, which must not mix with {kind} data: set CRYPTOVIZ_HOME")
    for name, value in fixed.items():
        if made.get(name, value) != value:
            raise UserError(
                f"CRYPTOVIZ_{name.upper()} is {value}, but the data in {path} were made with {made[name]}: "
                f"set it back, or choose another CRYPTOVIZ_HOME"
            )


def _lock(file: IO[str], path: Path) -> None:
    deadline = time.monotonic() + WAIT_FOR_REAPER_S
    while not _locks(file):
        holder = _holder(file)
        if holder is not None or time.monotonic() > deadline:
            who = f" (process {holder})" if holder else ""
            raise UserError(f"a stack is already running on {path}{who}: end it first, or set another CRYPTOVIZ_HOME")
        time.sleep(0.1)
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()


def _locks(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(file: IO[str]) -> int | None:
    file.seek(0)
    written = file.read().strip()
    return int(written) if written.isdigit() and psutil.pid_exists(int(written)) else None
