"""CoinMarketCap's language: v2 quotes/latest by id, with its status block and its key errors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cryptoviz.assets import AssetRegistry, Listing
from cryptoviz.local.market.answer import Answer, Handler, iso
from cryptoviz.local.market.curves import Curve
from cryptoviz.local.market.profiles import profile_of
from cryptoviz.local.market.updates import Updates
from cryptoviz.local.market.walk import HOUR_MS

SOURCE = "coinmarketcap"
KEY_HEADER = "X-CMC_PRO_API_KEY"
DAYS = {"percent_change_24h": 1, "percent_change_7d": 7, "percent_change_30d": 30, "percent_change_60d": 60,
        "percent_change_90d": 90}  # fmt: skip


class CoinMarketCap:
    """The endpoint below /coinmarketcap; any key is accepted, none is not."""

    def __init__(self, seed: int, registry: AssetRegistry) -> None:
        self._seed = seed
        self._names = {asset.ticker: asset.name for asset in registry.assets}
        self._coins = {entry.symbol: entry for entry in registry.feeding(SOURCE)}
        self._slugs = {entry.asset: entry.symbol for entry in registry.feeding("coingecko")}
        self._updates = Updates(seed, SOURCE, 60_000, 15_000, (60_000, 150_000), whole_seconds=True)

    def routes(self) -> dict[str, Handler]:
        """Path to handler."""
        return {"/v2/cryptocurrency/quotes/latest": self.quotes_latest}

    def quotes_latest(self, query: Mapping[str, str], headers: Mapping[str, str], now_ms: int) -> Answer:
        """The asked coins, an object keyed by id."""
        if not headers.get(KEY_HEADER):
            return error(401, 1002, "API key missing.", now_ms)
        ids = [part.strip() for part in query.get("id", "").split(",") if part.strip()]
        if not ids:
            return error(400, 400, '"value" must contain at least one of [id, symbol, slug]', now_ms)
        unknown = [coin for coin in ids if coin not in self._coins]
        if unknown:
            return error(400, 400, f'Invalid value for "id": "{",".join(unknown)}"', now_ms)
        if query.get("convert", "USD").upper() != "USD":
            return error(400, 400, f'Invalid value for "convert": "{query["convert"]}"', now_ms)
        data = {coin: self._coin(self._coins[coin], now_ms) for coin in ids}
        return Answer({"status": _status(now_ms, 0, None, credits_used=-(-len(ids) // 100)), "data": data})

    def _coin(self, entry: Listing, now_ms: int) -> dict[str, Any]:
        at = self._updates.visible(entry.asset, now_ms)
        profile = profile_of(entry.asset)
        return {
            "id": int(entry.symbol),
            "name": self._names[entry.asset],
            "symbol": entry.asset,
            "slug": self._slugs.get(entry.asset, entry.asset.lower()),
            "num_market_pairs": 12_000 // profile.rank,
            "date_added": "2017-10-01T00:00:00.000Z",
            "tags": [],
            "max_supply": profile.max_supply,
            "circulating_supply": profile.supply,
            "total_supply": profile.supply,
            "is_active": 1,
            "platform": None,
            "cmc_rank": profile.rank,
            "is_fiat": 0,
            "last_updated": iso(at),
            "quote": {"USD": _quote(Curve(self._seed, SOURCE, entry.asset), at)},
        }


def _quote(curve: Curve, at: int) -> dict[str, Any]:
    price = curve.price(at)
    changes = {"percent_change_1h": _change(curve, at, HOUR_MS)}
    changes |= {name: _change(curve, at, days * 24 * HOUR_MS) for name, days in DAYS.items()}
    return {
        "price": price,
        "volume_24h": curve.usd_volume(at),
        **changes,
        "market_cap": price * profile_of(curve.ticker).supply,
        "last_updated": iso(at),
    }


def _change(curve: Curve, at: int, length_ms: int) -> float:
    return round((curve.price(at) / curve.price(at - length_ms) - 1) * 100, 8)


def error(status: int, code: int, message: str, now_ms: int) -> Answer:
    """An error as the service words it: no `data`, no credit used."""
    return Answer({"status": _status(now_ms, code, message, 0)}, status=status)


def _status(now_ms: int, code: int, message: str | None, credits_used: int) -> dict[str, Any]:
    status = {"timestamp": iso(now_ms), "error_code": code, "error_message": message, "elapsed": 10,
              "credit_count": credits_used}  # fmt: skip
    return status | {"notice": None} if code == 0 else status
