"""Binance: an exchange whose public prices need no key; its numbers come as strings.

An item of `/api/v3/ticker/24hr` reads, shortened: `{"symbol": "BTCUSDT", "lastPrice": "64250.10000000",
"priceChangePercent": "-1.200", "quoteVolume": "3100000000.0", "closeTime": 1735787045678}`; a candle of
`/api/v3/klines` is `[start, open, high, low, close, volume, end, ...]`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from cryptoviz.assets import AssetRegistry, Listing
from cryptoviz.errors import Invalid
from producers.failures import Failure, ban_end, error_text
from producers.quote import Parsed, Rejection, quote_of, sift
from producers.source import History, Request, Source

MINUTE_MS = 60_000
PAGE = 1000  # candles in one answer, at most
RATE_ERRORS = (-1003, -1015)


class _Klines(History):
    hours = 72
    step_s = 60

    def requests(self, listing: Listing, start: int, end: int) -> Sequence[Request]:
        first = start // MINUTE_MS * MINUTE_MS
        pages = range(first, end, PAGE * MINUTE_MS)
        return [self._page(listing.symbol, page, min(page + PAGE * MINUTE_MS, end) - 1) for page in pages]

    def _page(self, symbol: str, start: int, end: int) -> Request:
        span = {"startTime": str(start), "endTime": str(end)}
        return Request("/api/v3/klines", {"symbol": symbol, "interval": "1m", **span, "limit": str(PAGE)})

    def parse(self, payload: Any, registry: AssetRegistry, listing: Listing, now: int) -> Parsed:
        _raise_error(payload, now)
        if not isinstance(payload, list):
            raise Invalid("wrong_shape", "the history is not a list of candles")
        parsed = Parsed()
        for candle in payload:
            try:
                start, fields = _candle(candle)
                end = start + MINUTE_MS - 1
                if end <= now:  # the candle of this minute is still being drawn
                    parsed.quotes.append(quote_of(registry, listing, end, fields | {"event_at": end}))
            except Invalid as error:
                parsed.rejections.append(Rejection(listing.symbol, error.reason, error.detail, candle))
        return parsed


class Binance(Source):
    """Polled every ten seconds, which costs 12 of the 6,000 units of weight a minute allows."""

    name = "binance"
    url = "https://api.binance.com"
    interval_s = 10
    requests_per_minute = 300
    history = _Klines()

    def request(self, listings: Sequence[Listing]) -> Request:
        symbols = orjson.dumps([listing.symbol for listing in listings]).decode()  # no spaces: Binance refuses them
        return Request("/api/v3/ticker/24hr", {"symbols": symbols})

    def parse(self, payload: Any, registry: AssetRegistry, received_at: int) -> Parsed:
        _raise_error(payload, received_at)
        items = [payload] if isinstance(payload, dict) and "lastPrice" in payload else payload
        if not isinstance(items, list):
            raise Invalid("wrong_shape", "the answer is not a list of tickers")
        return sift(self.name, [(_symbol(item), item) for item in items], registry, received_at, _fields)


def _symbol(item: Any) -> str | None:
    name = item.get("symbol") if isinstance(item, dict) else None
    return name if isinstance(name, str) else None


def _fields(item: dict[str, Any]) -> dict[str, Any]:
    return {
        "price": item.get("lastPrice"),
        "percent_change_24h": item.get("priceChangePercent"),
        "volume_24h": item.get("quoteVolume"),
        "event_at": item.get("closeTime"),
    }


def _candle(candle: Any) -> tuple[int, dict[str, Any]]:
    if not isinstance(candle, list) or len(candle) < 6:
        raise Invalid("wrong_shape", "a candle is not [start, open, high, low, close, volume, ...]")
    start = candle[0]
    if type(start) is not int or not 0 <= start < 2**53 or start % MINUTE_MS:
        raise Invalid("bad_at", "a candle's start is not a minute in milliseconds")
    names = ("open", "high", "low", "price", "volume")
    return start, dict(zip(names, candle[1:6], strict=True)) | {"ref": str(start)}


def _raise_error(payload: Any, now: int) -> None:
    code = payload.get("code") if isinstance(payload, dict) else None
    if code is None:
        return
    said = error_text(payload)
    if code in RATE_ERRORS:
        raise Failure("rate_limited", f"error_{-code}", said, retry_after_s=ban_end(said, now))
    raise Failure("failing", "error_body", f"{said} (code {ascii(code)[:20]})")
