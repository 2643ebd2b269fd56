"""The price of `all`: the median of what the fresh sources said last. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median

from processors.rules import FRESH_INTERVALS, MS, PREFERRED_AGE_MS


@dataclass(slots=True)
class Latest:
    """The last quote of one source for one asset."""

    price: float
    received_at: int
    event_at: int | None
    poll_interval_s: float


def median_price(latest: dict[str, Latest], at: int, stale_ms: int) -> float | None:
    """The median (mean of the two middle ones) over sources that are fresh at `at`, in ms; None if none is.

    Fresh: received within three of the source's intervals, and by its own stamp not older than `stale_ms`. While a
    source of at most 180 s of age exists, older ones do not count.
    """
    fresh = []
    for quote in latest.values():
        age = at - (quote.received_at if quote.event_at is None else quote.event_at)
        if at - quote.received_at <= FRESH_INTERVALS * MS * quote.poll_interval_s and age <= stale_ms:
            fresh.append((age, quote.price))
    young = [price for age, price in fresh if age <= PREFERRED_AGE_MS]
    prices = young or [price for _, price in fresh]
    return median(prices) if prices else None
