"""CoinMarketCap: an aggregator that names coins by number and needs an API key.

The data of `/v2/cryptocurrency/quotes/latest` reads, shortened: `{"1": {"id": 1, "is_active": 1, "quote": {"USD":
{"price": 64250.1, "volume_24h": 3.1e10, "percent_change_24h": -1.2, "market_cap": 1.2e12,
"last_updated": "2025-01-02T03:04:05.000Z"}}}}`; asked by symbol it holds a list per symbol, in v1 plain objects.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from cryptoviz.assets import AssetRegistry, Listing
from cryptoviz.errors import Invalid
from producers.failures import Failure, error_text
from producers.quote import Parsed, iso_ms, sift
from producers.source import Request, Source

KEY_ERRORS = range(1001, 1008)
RATE_ERRORS = range(1008, 1012)


class CoinMarketCap(Source):
    """Polled every five minutes: a free key has about 10,000 calls a month."""

    name = "coinmarketcap"
    url = "https://pro-api.coinmarketcap.com"
    interval_s = 300
    requests_per_minute = 30
    needs_key = True
    key_header = "X-CMC_PRO_API_KEY"

    def request(self, listings: Sequence[Listing]) -> Request:
        ids = ",".join(listing.symbol for listing in listings)
        return Request("/v2/cryptocurrency/quotes/latest", {"id": ids, "convert": "USD"})

    def parse(self, payload: Any, registry: AssetRegistry, received_at: int) -> Parsed:
        _raise_error(payload)
        data = payload.get("data") if isinstance(payload, dict) else None
        if not isinstance(data, dict | list):
            raise Invalid("wrong_shape", "the answer has no data")
        return sift(self.name, [(_id(item), item) for item in _items(data)], registry, received_at, _fields)


def _items(data: dict[str, Any] | list[Any]) -> Iterator[Any]:
    for entry in data.values() if isinstance(data, dict) else data:
        if isinstance(entry, list):
            yield from entry
        else:
            yield entry


def _id(item: Any) -> str | None:
    number = item.get("id") if isinstance(item, dict) else None
    return str(number) if type(number) is int and number.bit_length() < 64 else None


def _fields(item: dict[str, Any]) -> dict[str, Any]:
    if item.get("is_active") == 0:
        raise Invalid("inactive", "the coin is no longer traded, its price is its last one")
    quotes = item.get("quote")
    usd = quotes.get("USD") if isinstance(quotes, dict) else None
    if not isinstance(usd, dict):
        raise Invalid("no_price", "the item has no quote in USD")
    return {
        "price": usd.get("price"),
        "percent_change_24h": usd.get("percent_change_24h"),
        "market_cap": usd.get("market_cap"),
        "volume_24h": usd.get("volume_24h"),
        "event_at": iso_ms(usd.get("last_updated") or item.get("last_updated")),
    }


def _raise_error(payload: Any) -> None:
    status = payload.get("status") if isinstance(payload, dict) else None
    code = status.get("error_code") if isinstance(status, dict) else None
    if code is None or code in (0, "0"):
        return
    number = next((known for known in (*KEY_ERRORS, *RATE_ERRORS) if code in (known, str(known))), 0)
    if number in KEY_ERRORS:
        raise Failure("blocked", f"error_{number}", error_text(payload))
    if number in RATE_ERRORS:
        raise Failure("rate_limited", f"error_{number}", error_text(payload))
    raise Failure("failing", "error_body", error_text(payload))
