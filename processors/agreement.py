"""The price of `all`: the median of what the fresh sources said last, without those far from the others. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from processors.rules import FRESH_INTERVALS, MS, PREFERRED_AGE_MS, Rules


@dataclass(slots=True)
class Latest:
    """The last quote of one source for one asset."""

    price: float
    received_at: int
    event_at: int | None
    poll_interval_s: float


def fresh_prices(latest: Mapping[str, Latest], at: int, stale_ms: int) -> dict[str, float]:
    """The prices, by source, of those that are fresh at `at`, in ms.

    Fresh: received within three of the source's intervals, and by its own stamp not older than `stale_ms`. While a
    source of at most 180 s of age exists, older ones do not count.
    """
    fresh, young = {}, {}
    for source, quote in latest.items():
        silent = at - quote.received_at
        age = silent if quote.event_at is None else at - quote.event_at
        if age <= stale_ms and silent <= FRESH_INTERVALS * MS * quote.poll_interval_s:
            fresh[source] = quote.price
            if age <= PREFERRED_AGE_MS:
                young[source] = quote.price
    return young or fresh


@dataclass(slots=True)
class Agreement:
    """What the sources of one asset agree on, and who is left out because it says something else."""

    price: float | None = None
    """The last price of `all`."""
    apart_since: int | None = None
    """Since when, in ms, two sources have been apart without a third that could tell who is right."""
    out: tuple[str, ...] = ()

    def settle(self, prices: Mapping[str, float], at: int, rules: Rules) -> float | None:
        """The price of `all` at `at`: the median (mean of the two middle ones) of those that count; None without any.

        Of three or more, those farther than `rules.divergence` from the median of all do not count, unless that were
        half of them. Of two that far apart, the one farther from the last price of `all` does not count, for as long
        as `rules.stale_ms`; then both count again, as nobody can tell.
        """
        ordered = sorted(prices.values())
        if not ordered:
            self.apart_since, self.out = None, ()
            return None
        middle = median(ordered)
        if not self._near(ordered, middle, rules.divergence):
            outliers = self._of_two(prices, at, rules) if len(ordered) == 2 else _far(prices, middle, rules.divergence)
            self.out = tuple(sorted(outliers))
            if outliers:
                middle = median(price for source, price in prices.items() if source not in outliers)
        self.price = middle
        return middle

    def _near(self, ordered: Sequence[float], middle: float, divergence: float) -> bool:
        """Whether nobody is far from the others, which is nearly always so."""
        low, high = ordered[0], ordered[-1]
        if len(ordered) == 2:
            near = high - low <= divergence * low
        else:
            near = high - middle <= divergence * middle and middle - low <= divergence * middle
        if near:
            self.out = ()
        if near or len(ordered) != 2:
            self.apart_since = None
        return near

    def _of_two(self, prices: Mapping[str, float], at: int, rules: Rules) -> set[str]:
        if self.apart_since is None:
            self.apart_since = at
        last = self.price
        if last is None or at - self.apart_since > rules.stale_ms:
            return set()
        return {max(sorted(prices), key=lambda source: abs(prices[source] - last))}


def _far(prices: Mapping[str, float], middle: float, divergence: float) -> set[str]:
    far = {source for source, price in prices.items() if abs(price - middle) > divergence * middle}
    return far if 2 * len(far) < len(prices) else set()
