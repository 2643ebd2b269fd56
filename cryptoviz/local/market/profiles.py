"""What the demo market's assets are like: price level, restlessness, supply and turnover."""

from __future__ import annotations

import zlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Profile:
    """One asset; `beta` is its share of the market's moves, `own_volatility` a day's standard deviation beside it."""

    price: float
    beta: float
    own_volatility: float
    supply: float
    turnover_usd: float
    max_supply: float | None = None
    rank: int = 99

    @property
    def is_stable(self) -> bool:
        """Whether it is pinned to the dollar."""
        return self.beta == 0

    @property
    def decimals(self) -> int:
        """Decimals of an exchange's price: five to six significant digits, as exchanges choose their ticks."""
        steps = ((10_000, 2), (100, 2), (10, 3), (1, 4), (0.1, 5))
        return next((decimals for price, decimals in steps if self.price >= price), 6)


PROFILES = {
    "BTC": Profile(65_000, 1.0, 0.004, 19.9e6, 38e9, 21e6, 1),
    "ETH": Profile(1_920, 1.25, 0.012, 120.6e6, 19e9, None, 2),
    "USDT": Profile(1.0, 0, 0.00020, 150e9, 75e9, None, 3),
    "BNB": Profile(610, 0.8, 0.011, 139e6, 1.9e9, 200e6, 4),
    "XRP": Profile(1.15, 1.1, 0.020, 58e9, 3.6e9, 100e9, 5),
    "SOL": Profile(77, 1.4, 0.019, 540e6, 4.2e9, None, 6),
    "USDC": Profile(1.0, 0, 0.00015, 62e9, 9e9, None, 7),
    "TRX": Profile(0.31, 0.5, 0.011, 94.8e9, 0.7e9, None, 8),
    "DOGE": Profile(0.0706, 1.35, 0.024, 150e9, 1.4e9, None, 9),
    "ADA": Profile(0.26, 1.3, 0.021, 35.4e9, 0.8e9, 45e9, 10),
    "LINK": Profile(9.1, 1.3, 0.021, 678e6, 0.5e9, 1e9, 11),
    "AVAX": Profile(9.8, 1.4, 0.022, 421e6, 0.4e9, 720e6, 12),
}


def profile_of(ticker: str) -> Profile:
    """The asset's profile; one that is new in the registry gets a made-up one that is always the same."""
    if ticker in PROFILES:
        return PROFILES[ticker]
    number = zlib.crc32(ticker.encode())
    return Profile(round(10 ** (number % 5 - 2) * (1 + number % 7), 4), 1.2, 0.02, 1e9, 0.3e9)
