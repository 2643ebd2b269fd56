"""CoinGecko: an aggregator that names coins by id and works without a key.

An item of `/coins/markets` reads, shortened: `{"id": "bitcoin", "current_price": 64250.1, "market_cap": 1.2e12,
"total_volume": 3.1e10, "price_change_percentage_24h": -1.2, "last_updated": "2025-01-02T03:04:05.678Z"}`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cryptoviz.assets import AssetRegistry, Listing
from cryptoviz.errors import Invalid
from producers.failures import Failure, error_text
from producers.quote import Parsed, Rejection, iso_ms, quote_of, sift
from producers.source import History, Request, Source

KEY_ERRORS = frozenset({10002, 10005, 10010, 10011})


class _MarketChart(History):
    hours = 24  # longer answers come by the hour
    step_s = 300

    def requests(self, listing: Listing, start: int, end: int) -> Sequence[Request]:
        return (Request(f"/coins/{listing.symbol}/market_chart", {"vs_currency": "usd", "days": "1"}),)

    def parse(self, payload: Any, registry: AssetRegistry, listing: Listing, now: int) -> Parsed:
        _raise_error(payload)
        if not isinstance(payload, dict) or not isinstance(payload.get("prices"), list):
            raise Invalid("wrong_shape", "the history has no list of prices")
        caps, volumes = _by_time(payload.get("market_caps")), _by_time(payload.get("total_volumes"))
        parsed = Parsed()
        for point in payload["prices"]:
            try:
                at, price = _point(point)
                if at > now:
                    continue
                fields = {"price": price, "event_at": at, "market_cap": caps.get(at), "volume_24h": volumes.get(at)}
                parsed.quotes.append(quote_of(registry, listing, at, fields))
            except Invalid as error:
                parsed.rejections.append(Rejection(listing.symbol, error.reason, error.detail, point))
        return parsed


class CoinGecko(Source):
    """Polled once a minute; its own stamps are minutes old, so a quote counts for when it came."""

    name = "coingecko"
    url = "https://api.coingecko.com/api/v3"
    interval_s = 60
    requests_per_minute = 15  # without a key the limit moves between 5 and 15; with a demo key it is 30
    key_header = "x-cg-demo-api-key"
    history = _MarketChart()

    def request(self, listings: Sequence[Listing]) -> Request:
        ids = ",".join(listing.symbol for listing in listings)
        return Request("/coins/markets", {"vs_currency": "usd", "ids": ids, "per_page": "250", "precision": "full"})

    def parse(self, payload: Any, registry: AssetRegistry, received_at: int) -> Parsed:
        _raise_error(payload)
        if not isinstance(payload, list):
            raise Invalid("wrong_shape", "the answer is not a list")
        return sift(self.name, [(_id(item), item) for item in payload], registry, received_at, _fields)


def _id(item: Any) -> str | None:
    name = item.get("id") if isinstance(item, dict) else None
    return name if isinstance(name, str) else None


def _fields(item: dict[str, Any]) -> dict[str, Any]:
    return {
        "price": item.get("current_price"),
        "percent_change_24h": item.get("price_change_percentage_24h"),
        "market_cap": item.get("market_cap"),
        "volume_24h": item.get("total_volume"),
        "event_at": iso_ms(item.get("last_updated")),
    }


def _raise_error(payload: Any) -> None:
    status = payload.get("status") if isinstance(payload, dict) else None
    code = status.get("error_code") if isinstance(status, dict) else None
    if code == 429:
        raise Failure("rate_limited", "error_429", error_text(payload))
    if isinstance(code, int) and code in KEY_ERRORS:
        raise Failure("blocked", f"error_{code}", error_text(payload))
    if code is not None or (isinstance(payload, dict) and payload.get("error")):
        raise Failure("failing", "error_body", error_text(payload))


def _point(point: Any) -> tuple[int, Any]:
    if not isinstance(point, list) or len(point) < 2:
        raise Invalid("wrong_shape", "a point is not [time, value]")
    at, value = point[0], point[1]
    if isinstance(at, bool) or not isinstance(at, int):
        raise Invalid("bad_at", "a point's time is not a number of milliseconds")
    return at, value


def _by_time(points: Any) -> dict[int, Any]:
    """Values by time of a list of points, leaving out what is not one: these fields may be absent."""
    pairs = points if isinstance(points, list) else []
    return {pair[0]: pair[1] for pair in pairs if isinstance(pair, list) and len(pair) > 1 and type(pair[0]) is int}
