"""Ends the parts when their supervisor is gone without having done so; runs as a script of its own.

Its standard input is a pipe from the supervisor: `+PID` names a part (the leader of its process group), `-PID` says
that it has ended. When the pipe closes, whatever is still named is ended; the argument is how many seconds it gets
for that. Only the standard library is used here: it starts at once and needs few bytes.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterable

PATIENCE_S = 5.0  # between the polite signal and the other one
DYING_S = 1.0  # a killed process needs a moment to be gone; where nobody buries the dead it never is
LOOK_EVERY_S = 0.05


def read_groups(lines: Iterable[bytes]) -> set[int]:
    """Follow the supervisor's messages until the pipe closes; the groups that were left."""
    groups: set[int] = set()
    for line in lines:
        sign, number = line[:1], line[1:].strip()
        if number.isdigit():
            (groups.add if sign == b"+" else groups.discard)(int(number))
    return groups


def end_groups(groups: set[int], patience_s: float = PATIENCE_S) -> None:
    """Ask all groups to end, and end those that have not within `patience_s`; returns when they are gone."""
    alive = {group for group in groups if signal_group(group, signal.SIGTERM)}
    alive = _wait_for(alive, patience_s)
    for group in alive:
        signal_group(group, signal.SIGKILL)
    _wait_for(alive, DYING_S)


def _wait_for(alive: set[int], patience_s: float) -> set[int]:
    deadline = time.monotonic() + patience_s
    while alive and time.monotonic() < deadline:
        time.sleep(LOOK_EVERY_S)
        alive = {group for group in alive if signal_group(group, 0)}
    return alive


def signal_group(group: int, number: int) -> bool:
    """Send a signal to a process group; whether there was anybody to get it."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):  # macOS says the latter of a group of zombies
        return False
    return True


if __name__ == "__main__":
    for stop in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(stop, signal.SIG_IGN)
    end_groups(read_groups(sys.stdin.buffer), float(sys.argv[1]))
