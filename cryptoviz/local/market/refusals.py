"""How each source words its refusals: rate limits, bans, failures, and the odd bodies that come with status 200."""

from __future__ import annotations

import math
from typing import Literal

from cryptoviz.local.market import coinmarketcap
from cryptoviz.local.market.answer import HTML, Answer

Refusal = Literal["rate_limit", "ban", "outage", "html", "error_body"]
BAD_GATEWAY = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
MAINTENANCE = "<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>Please wait</body></html>"
GECKO_LIMIT = {
    "status": {
        "error_code": 429,
        "error_message": "You've exceeded the Rate Limit. Please visit https://www.coingecko.com/en/api/pricing to "
        "subscribe to our API plans for higher rate limits.",
    }
}
GECKO_FAILURE = {"status": 500, "error": "Internal Server Error"}
BINANCE_FAILURE = {"code": -1001, "msg": "Internal error; unable to process your request. Please try again."}
CMC_LIMIT = "You've exceeded your API Key's HTTP request rate limit. Rate limits reset every minute."


def refuse(source: str, refusal: Refusal, left_s: float, now_ms: int) -> Answer:
    """The source's answer while it refuses for `left_s` more seconds."""
    wait = {"Retry-After": str(max(1, math.ceil(left_s)))}
    match refusal:
        case "outage":
            return _outage(source, now_ms)
        case "html":
            return Answer(MAINTENANCE, content_type=HTML)
        case "error_body":
            return Answer(_error_body(source, now_ms))
        case "ban":
            return _banned(now_ms + round(left_s * 1000), wait)
        case "rate_limit":
            return Answer(_limit_body(source, now_ms), status=429, headers=wait)


def can_ban(source: str) -> bool:
    """Whether the source bans (418) those who go on asking after a 429."""
    return source == "binance"


def _outage(source: str, now_ms: int) -> Answer:
    """Half of the failures come from the gateway as a page, the other half from the service itself."""
    if now_ms // 10_000 % 2:
        return Answer(BAD_GATEWAY, status=502, content_type=HTML)
    bodies = {"coingecko": (GECKO_FAILURE, 500), "binance": (BINANCE_FAILURE, 503)}
    if source in bodies:
        body, status = bodies[source]
        return Answer(body, status=status)
    return coinmarketcap.error(500, 500, "An internal server error occurred", now_ms)


def _banned(until_ms: int, wait: dict[str, str]) -> Answer:
    message = (
        f"Way too much request weight used; IP banned until {until_ms}. "
        "Please use WebSocket Streams for live updates to avoid bans."
    )
    return Answer({"code": -1003, "msg": message}, status=418, headers=wait)


def _limit_body(source: str, now_ms: int) -> object:
    if source == "coingecko":
        return GECKO_LIMIT
    if source == "coinmarketcap":
        return coinmarketcap.error(429, 1008, CMC_LIMIT, now_ms).body
    message = (
        "Too much request weight used; current limit is 6000 request weight per 1 MINUTE. "
        "Please use WebSocket Streams for live updates to avoid polling the API."
    )
    return {"code": -1003, "msg": message}


def _error_body(source: str, now_ms: int) -> object:
    """An error that comes with status 200."""
    return BINANCE_FAILURE if source == "binance" else _limit_body(source, now_ms)
