"""What a part of the stack is, what state it is in, and what there is to tell about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

Probe = Callable[[], Awaitable[bool]]


async def at_once() -> bool:
    """The probe of a part that is ready as soon as it runs."""
    return True


@dataclass(frozen=True)
class Part:
    """One process of the stack.

    `ready` is asked again and again until it says yes, at most for `ready_within_s` seconds; from then on `alive` (the
    same, where it is None) is asked now and then, and a part that keeps saying no is started anew. A part starts when
    all parts of `after` are ready; a `one_shot` part is ready when it has ended with exit code 0. When a part that is
    not `critical` does not start, the others go on without it. `address` is what to show people.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    after: tuple[str, ...] = ()
    ready: Probe = at_once
    ready_within_s: float = 120.0
    alive: Probe | None = None
    one_shot: bool = False
    critical: bool = True
    address: str = ""


class State(StrEnum):
    """Where a part is in its life."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    DONE = "done"  # a one-shot that succeeded
    RESTARTING = "restarting"  # it died and waits for its next start
    FAILED = "failed"  # it did not start and is left alone
    STOPPED = "stopped"


@dataclass
class Status:
    """A part as it is now; `since` is when it entered its state, in seconds since 1970."""

    part: Part
    state: State = State.WAITING
    since: float = 0.0
    pid: int | None = None
    restarts: int = 0
    ready_after_s: float = 0.0

    @property
    def is_up(self) -> bool:
        """Whether it does, or has done, its work."""
        return self.state in (State.READY, State.DONE)


@dataclass(frozen=True)
class Event:
    """Something worth a line: a part became ready, died, came back."""

    part: str
    state: State
    text: str
    seconds: float = 0.0
    address: str = ""
