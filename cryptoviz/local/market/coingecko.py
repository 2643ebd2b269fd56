"""CoinGecko's language: coins/markets and market_chart of the simulated market."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cryptoviz.assets import AssetRegistry, Listing
from cryptoviz.local.market.answer import Answer, Handler, iso
from cryptoviz.local.market.curves import Curve
from cryptoviz.local.market.profiles import profile_of
from cryptoviz.local.market.updates import Updates
from cryptoviz.local.market.walk import HOUR_MS, generator

SOURCE = "coingecko"
DAY_MS = 24 * HOUR_MS
FIVE_MINUTES_MS = 300_000
MAX_DAYS = 365
MAX_HOURLY_DAYS = 90


class CoinGecko:
    """The endpoints below /coingecko."""

    def __init__(self, seed: int, registry: AssetRegistry) -> None:
        self._seed = seed
        self._names = {asset.ticker: asset.name for asset in registry.assets}
        self._coins = {entry.symbol: entry for entry in registry.feeding(SOURCE)}
        self._updates = Updates(seed, SOURCE, 90_000, 30_000, (30_000, 90_000))
        self._shown: dict[str, tuple[int, dict[str, Any]]] = {}

    def routes(self) -> dict[str, Handler]:
        """Path to handler; market_chart is there once per coin."""
        charts = {f"/coins/{coin}/market_chart": self._chart(entry) for coin, entry in self._coins.items()}
        return {
            "/ping": lambda *_: Answer({"gecko_says": "(V3) To the Moon!"}),
            "/coins/markets": self.markets,
            **charts,
        }

    def markets(self, query: Mapping[str, str], _headers: Mapping[str, str], now_ms: int) -> Answer:
        """All asked coins by market cap; unknown ids are left out silently, as the real one does."""
        problem = _currency_problem(query)
        if problem:
            return problem
        ids = query.get("ids")
        wanted = self._coins if not ids else [coin for coin in ids.split(",") if coin in self._coins]
        coins = [self._coin(self._coins[coin], now_ms) for coin in wanted]
        return Answer(sorted(coins, key=lambda coin: coin["market_cap_rank"]))

    def _coin(self, entry: Listing, now_ms: int) -> dict[str, Any]:
        """The coin as of its last update: the same answer, to the letter, until the next."""
        at = self._updates.visible(entry.asset, now_ms)
        known = self._shown.get(entry.symbol)
        if known is None or known[0] != at:
            known = (at, _coin(self._curve(entry), entry.symbol, self._names[entry.asset], at))
            self._shown[entry.symbol] = known
        return known[1]

    def _curve(self, entry: Listing) -> Curve:
        return Curve(self._seed, SOURCE, entry.asset)

    def _chart(self, entry: Listing) -> Handler:
        def chart(query: Mapping[str, str], _headers: Mapping[str, str], now_ms: int) -> Answer:
            problem = _currency_problem(query)
            if problem:
                return problem
            days = query.get("days", "")
            if not days.isdecimal() or not int(days):
                return Answer({"error": "Missing parameter days"}, status=422)
            last = self._updates.visible(entry.asset, now_ms)
            times = self._times(entry.asset, min(int(days), MAX_DAYS), last, now_ms)
            return Answer(_series(self._curve(entry), times))

        return chart

    def _times(self, ticker: str, days: int, last: int, now_ms: int) -> NDArray[np.int64]:
        """Irregular moments, one per five minutes, hour or day, and the last update, which is always at the end."""
        step = FIVE_MINUTES_MS if days == 1 else HOUR_MS if days <= MAX_HOURLY_DAYS else DAY_MS
        numbers = range((now_ms - days * DAY_MS) // step, last // step + 1)
        times = np.array([number * step + self._offset(ticker, step, number) for number in numbers], np.int64)
        return np.append(times[(times < last) & (times >= now_ms - days * DAY_MS)], last)

    def _offset(self, ticker: str, step: int, number: int) -> int:
        if step == DAY_MS:
            return 0  # daily points are at midnight
        return int(generator(self._seed, f"{SOURCE} {ticker} chart", step, number).integers(0, 90_000))


def _ping(*_: object) -> Answer:
    return Answer({"gecko_says": "(V3) To the Moon!"})


def _currency_problem(query: Mapping[str, str]) -> Answer | None:
    currency = query.get("vs_currency")
    if not currency:
        return Answer({"error": "Missing parameter vs_currency"}, status=422)
    return None if currency.lower() == "usd" else Answer({"error": "invalid vs_currency"}, status=422)


def _series(curve: Curve, times: NDArray[np.int64]) -> dict[str, list[list[float]]]:
    prices = curve.prices(times)
    totals = curve.usd_until(np.concatenate((times - DAY_MS, times)))
    volumes = totals[len(times) :] - totals[: len(times)]
    columns = {"prices": prices, "market_caps": prices * profile_of(curve.ticker).supply, "total_volumes": volumes}
    return {name: [[at, value] for at, value in zip(times.tolist(), column.tolist(), strict=True)]
            for name, column in columns.items()}  # fmt: skip


def _shown_price(price: float) -> float:
    """Whole dollars from 10,000 up, six significant digits below, as the real one shows prices."""
    return round(price) if price >= 10_000 else float(f"{price:.6g}")


def _coin(curve: Curve, coin: str, name: str, at: int) -> dict[str, Any]:
    profile = profile_of(curve.ticker)
    day = curve.candles(at - DAY_MS, at)
    price, before = curve.price(at), curve.price(at - DAY_MS)
    change = (price / before - 1) * 100
    peak, trough = (1.3, 0.85) if profile.is_stable else (profile.price * 2.5, profile.price / 20)
    ever = profile.max_supply or profile.supply
    return {
        "id": coin,
        "symbol": curve.ticker.lower(),
        "name": name,
        "image": f"https://assets.coingecko.com/coins/images/{profile.rank}/large/{coin}.png",
        "current_price": _shown_price(price),
        "market_cap": round(price * profile.supply),
        "market_cap_rank": profile.rank,
        "fully_diluted_valuation": round(price * ever),
        "total_volume": round(curve.usd_volume(at)),
        "high_24h": _shown_price(max(float(day.high.max()), price)),
        "low_24h": _shown_price(min(float(day.low.min()), price)),
        "price_change_24h": round(price - before, 8),
        "price_change_percentage_24h": round(change, 5),
        "market_cap_change_24h": round((price - before) * profile.supply, 4),
        "market_cap_change_percentage_24h": round(change, 5),
        "circulating_supply": profile.supply,
        "total_supply": ever,
        "max_supply": profile.max_supply,
        "ath": _shown_price(peak),
        "ath_change_percentage": round((price / peak - 1) * 100, 5),
        "ath_date": "2021-11-10T14:24:11.849Z",
        "atl": _shown_price(trough),
        "atl_change_percentage": round((price / trough - 1) * 100, 5),
        "atl_date": "2018-12-15T00:00:00.000Z",
        "roi": None,
        "last_updated": iso(at),
    }
