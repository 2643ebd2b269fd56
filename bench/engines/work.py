"""The work every Python engine does, quote by quote: check, roll the window, say the result."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass, field
from typing import Any

import orjson

WINDOW = 50
SYMBOLS = frozenset(f"S{number:02}" for number in range(60))
SHAPES = ("single", "batch", "fan-out")
"""One quote a message in and out; batches in and out; batches in, one quote a message out."""


def arguments() -> tuple[str, str, str, str]:
    """What every engine is started with: broker, input topic, output topic, shape."""
    broker, source, target, shape = sys.argv[1:5]
    del sys.argv[1:]
    return broker, source, target, shape


def good(quote: dict[str, Any]) -> bool:
    """Whether the fields have their types, the price is finite and positive, and the symbol is known."""
    price = quote.get("price")
    return (
        type(price) in (float, int)
        and 0 < price < math.inf
        and type(quote.get("at")) is int
        and type(quote.get("received_at")) is int
        and type(quote.get("currency")) is str
        and quote.get("asset") in SYMBOLS
    )


@dataclass(slots=True)
class Rolling:
    """The last prices of one symbol with their running sums, taken from a base so that nothing cancels."""

    base: float = 0.0
    total: float = 0.0
    squares: float = 0.0
    next: int = 0
    prices: list[float] = field(default_factory=list)

    def add(self, price: float) -> tuple[float, float]:
        """Mean and population standard deviation with this price."""
        prices = self.prices
        if not prices:
            self.base = price
        moved = price - self.base
        if len(prices) < WINDOW:
            prices.append(moved)
        else:
            old, prices[self.next] = prices[self.next], moved
            self.next = (self.next + 1) % WINDOW
            self.total -= old
            self.squares -= old * old
        self.total += moved
        self.squares += moved * moved
        mean = self.total / len(prices)
        return self.base + mean, math.sqrt(max(self.squares / len(prices) - mean * mean, 0.0))


def result(quote: dict[str, Any], window: Rolling) -> dict[str, Any]:
    """What is said of one good quote."""
    mean, std = window.add(quote["price"])
    return {"symbol": quote["asset"], "at": quote["at"], "price": quote["price"], "mean": mean, "std": std}


def quotes_of(value: bytes, shape: str) -> list[dict[str, Any]]:
    """The good quotes of one message."""
    decoded = orjson.loads(value)
    return [quote for quote in ([decoded] if shape == "single" else decoded["quotes"]) if good(quote)]
