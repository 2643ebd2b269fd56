"""When a source of the demo market misbehaves: seeded delays, rate limits, outages and odd answers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from cryptoviz.local.market.refusals import Refusal, can_ban
from cryptoviz.local.market.walk import generator

Level = Literal["none", "normal", "heavy"]
QUIET_S = 180.0  # the first minutes belong to the one who is looking for the first time
PATIENCE = 3  # requests within a rate limit before a ban


@dataclass(frozen=True)
class Pace:
    """Mean seconds between two faults of a kind, and the share and greatest length of delays."""

    rate_limit_s: float
    outage_s: float
    odd_s: float
    delay_share: float
    delay_s: float


PACES = {"normal": Pace(300, 1200, 900, 0.02, 3.0), "heavy": Pace(60, 240, 90, 0.15, 15.0)}


@dataclass(frozen=True)
class Fault:
    """What to do with one request: wait, then refuse (for `left_s` more seconds) or answer."""

    delay_s: float = 0.0
    refusal: Refusal | None = None
    left_s: float = 0.0


@dataclass
class Faults:
    """The faults of one source since the start of the market.

    Outages happen at fixed moments, noticed or not. Rate limits and odd answers wait for the next request after
    their moment: otherwise a source that is polled every five minutes would hardly ever show one.
    """

    seed: int
    source: str
    level: Level = "normal"
    _next: dict[str, int] = field(default_factory=dict)
    _forced: tuple[Refusal, float] | None = None
    _limited_until_s: float = 0.0
    _asked_while_limited: int = 0
    _requests: int = 0

    def force(self, refusal: Refusal, until_s: float) -> None:
        """Refuse every request until this time, whatever the level."""
        self._forced = (refusal, until_s)

    def next(self, elapsed_s: float) -> Fault:
        """The fault of the request that comes `elapsed_s` after the start."""
        if self._forced and elapsed_s < self._forced[1]:
            return Fault(refusal=self._forced[0], left_s=self._forced[1] - elapsed_s)
        if self.level == "none" or elapsed_s < QUIET_S:
            return Fault()
        pace = PACES[self.level]
        outage_left_s = self._outage_left_s(elapsed_s, pace.outage_s)
        if outage_left_s > 0:
            return Fault(refusal="outage", left_s=outage_left_s)
        return self._limited(elapsed_s, pace) or self._odd(elapsed_s, pace) or self._delayed(pace)

    def _moment(self, kind: str, number: int, every_s: float) -> float:
        return QUIET_S + every_s * (number + float(generator(self.seed, f"{self.source} {kind}", number).random()))

    def _outage_left_s(self, elapsed_s: float, every_s: float) -> float:
        slot = int((elapsed_s - QUIET_S) // every_s)
        for number in range(max(0, slot - 1), slot + 1):
            start = self._moment("outage", number, every_s)
            length = float(generator(self.seed, f"{self.source} outage length", number).uniform(60, 120))
            if start <= elapsed_s < start + length:
                return start + length - elapsed_s
        return 0.0

    def _due(self, kind: str, elapsed_s: float, every_s: float) -> int | None:
        """The number of the newest fault of this kind that waits for a request; those before it are let go."""
        number = int((elapsed_s - QUIET_S) // every_s)
        if self._moment(kind, number, every_s) > elapsed_s:
            number -= 1
        if number < self._next.get(kind, 0):
            return None
        self._next[kind] = number + 1
        return number

    def _limited(self, elapsed_s: float, pace: Pace) -> Fault | None:
        if elapsed_s >= self._limited_until_s:
            number = self._due("rate limit", elapsed_s, pace.rate_limit_s)
            if number is None:
                return None
            length = float(generator(self.seed, f"{self.source} rate limit length", number).uniform(10, 40))
            self._limited_until_s, self._asked_while_limited = elapsed_s + length, 0
        self._asked_while_limited += 1
        banned = can_ban(self.source) and self._asked_while_limited > PATIENCE
        return Fault(refusal="ban" if banned else "rate_limit", left_s=self._limited_until_s - elapsed_s)

    def _odd(self, elapsed_s: float, pace: Pace) -> Fault | None:
        number = self._due("odd", elapsed_s, pace.odd_s)
        return None if number is None else Fault(refusal="html" if number % 2 == 0 else "error_body")

    def _delayed(self, pace: Pace) -> Fault:
        self._requests += 1
        share, length = generator(self.seed, f"{self.source} delay", self._requests).random(2)
        return Fault(delay_s=float(length) * pace.delay_s if share < pace.delay_share else 0.0)
