"""The demo market's HTTP server: one prefix per source, the same paths below it as the real services have."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import cast, get_args

import orjson
from aiohttp import web

from cryptoviz.assets import AssetRegistry
from cryptoviz.local.market.answer import JSON, Answer, Handler
from cryptoviz.local.market.binance import Binance
from cryptoviz.local.market.coingecko import CoinGecko
from cryptoviz.local.market.coinmarketcap import CoinMarketCap
from cryptoviz.local.market.faults import Faults, Level
from cryptoviz.local.market.refusals import Refusal, refuse

MAX_FORCED_S = 3600.0


def wall_clock_ms() -> int:
    """The time now, in ms since 1970."""
    return time.time_ns() // 1_000_000


class Market:
    """The three sources and their faults; without state but for what the faults remember."""

    def __init__(self, seed: int, level: Level = "normal", now_ms: Callable[[], int] = wall_clock_ms) -> None:
        registry = AssetRegistry()
        self._routes: dict[str, dict[str, Handler]] = {
            "binance": Binance(seed, registry).routes(),
            "coingecko": CoinGecko(seed, registry).routes(),
            "coinmarketcap": CoinMarketCap(seed, registry).routes(),
        }
        self._faults = {source: Faults(seed, source, level) for source in self._routes}
        self._now_ms, self._started_ms = now_ms, now_ms()

    def app(self) -> web.Application:
        """The server: GET /ping, GET /SOURCE/PATH, and POST /faults/SOURCE/KIND?seconds=N to order a fault."""
        app = web.Application()
        app.router.add_get("/ping", self._ping)
        app.router.add_post("/faults/{source}/{kind}", self._order_fault)
        app.router.add_get("/{source}/{path:.*}", self._serve)
        return app

    async def _ping(self, _: web.Request) -> web.Response:
        return web.json_response({"market": "up", "sources": list(self._routes)})

    async def _serve(self, request: web.Request) -> web.Response:
        source = request.match_info["source"]
        handler = self._routes.get(source, {}).get("/" + request.match_info["path"])
        if handler is None:
            return _response(_not_found(source))
        now_ms = self._now_ms()
        fault = self._faults[source].next((now_ms - self._started_ms) / 1000)
        if fault.delay_s:
            await asyncio.sleep(fault.delay_s)
        if fault.refusal:
            return _response(refuse(source, fault.refusal, fault.left_s, now_ms))
        return _response(handler(request.query, request.headers, self._now_ms()))

    async def _order_fault(self, request: web.Request) -> web.Response:
        source, kind = request.match_info["source"], request.match_info["kind"]
        try:
            seconds = float(request.query.get("seconds", "60"))
        except ValueError:
            seconds = -1.0
        if source not in self._faults or kind not in get_args(Refusal) or not 0 <= seconds <= MAX_FORCED_S:
            return web.json_response({"error": f"POST /faults/SOURCE/KIND?seconds=0..{MAX_FORCED_S:.0f}, KIND one of "
                                      + ", ".join(get_args(Refusal))}, status=400)  # fmt: skip
        self._faults[source].force(cast(Refusal, kind), (self._now_ms() - self._started_ms) / 1000 + seconds)
        return web.json_response({"source": source, "kind": kind, "seconds": seconds})


def _not_found(source: str) -> Answer:
    if source == "coingecko":
        return Answer({"error": "coin not found"}, status=404)
    return Answer({"status": 404, "error": "Not Found"}, status=404)


def _response(answer: Answer) -> web.Response:
    body = orjson.dumps(answer.body) if answer.content_type == JSON else str(answer.body).encode()
    return web.Response(
        body=body, status=answer.status, headers=dict(answer.headers), content_type=answer.content_type, charset="utf-8"
    )
