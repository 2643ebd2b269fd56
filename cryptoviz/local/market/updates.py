"""When an aggregator last computed a price: stamps are 30 to 270 s old, and answers repeat between two updates."""

from __future__ import annotations

from dataclasses import dataclass

from cryptoviz.local.market.walk import generator


@dataclass(frozen=True)
class Updates:
    """The updates of one source: one per asset and period at an irregular moment, seen some time after."""

    seed: int
    source: str
    period_ms: int
    jitter_ms: int
    delay_ms: tuple[int, int]
    whole_seconds: bool = False

    def visible(self, ticker: str, now_ms: int) -> int:
        """The time of the newest update of this asset that the source shows at `now_ms`."""
        number = now_ms // self.period_ms
        while True:
            at, delay = self._update(ticker, number)
            if at + delay <= now_ms:
                return at
            number -= 1

    def _update(self, ticker: str, number: int) -> tuple[int, int]:
        random = generator(self.seed, f"{self.source} {ticker} updates", number)
        at = number * self.period_ms + int(random.integers(0, self.jitter_ms))
        if self.whole_seconds:
            at -= at % 1000
        return at, int(random.integers(*self.delay_ms))
