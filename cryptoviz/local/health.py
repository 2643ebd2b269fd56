"""The stack's own port: how every part is, as JSON for people and programs, and as metrics for Prometheus."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from cryptoviz.clock import utc
from cryptoviz.errors import UserError
from cryptoviz.local.part import Status


@asynccontextmanager
async def health_server(
    host: str, port: int, statuses: Mapping[str, Status], about: Mapping[str, str]
) -> AsyncIterator[None]:
    """Serve GET /health and GET /metrics while the context lasts; `about` is told along with the health."""
    app = web.Application()
    registry = CollectorRegistry()
    registry.register(PartsCollector(statuses))

    async def health(_: web.Request) -> web.Response:
        answer = describe(statuses, about, time.time())
        return web.json_response(answer, status=200 if answer["ok"] else 503)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app.router.add_get("/health", health)
    app.router.add_get("/metrics", metrics)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await _listen(runner, host, port)
        yield
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        raise UserError(f"cannot listen on {host}:{port} ({error.strerror}): set CRYPTOVIZ_HEALTH_PORT") from error


def describe(statuses: Mapping[str, Status], about: Mapping[str, str], now_s: float) -> dict[str, Any]:
    """What /health says; `ok` when every part that others need is ready, or done where it runs once."""
    return {
        "ok": all(status.is_up for status in statuses.values() if status.part.critical),
        **about,
        "parts": {name: _describe_part(status, now_s) for name, status in statuses.items()},
    }


def _describe_part(status: Status, now_s: float) -> dict[str, Any]:
    since = utc(int(status.since * 1000)).isoformat(timespec="milliseconds") if status.since else None
    return {
        "state": status.state.value,
        "since": since,
        "seconds": round(now_s - status.since, 1) if status.since else None,
        "pid": status.pid,
        "restarts": status.restarts,
        "address": status.part.address or None,
    }


class PartsCollector(Collector):
    """The statuses as Prometheus metrics, taken when they are asked for."""

    def __init__(self, statuses: Mapping[str, Status]) -> None:
        self._statuses = statuses

    def collect(self) -> Iterable[Metric]:
        """`cryptoviz_part_up` and `cryptoviz_part_restarts_total`, by part."""
        up = GaugeMetricFamily("cryptoviz_part_up", "1 while the part is ready, or done", labels=["part"])
        restarts = CounterMetricFamily("cryptoviz_part_restarts", "Starts after the first one", labels=["part"])
        for name, status in self._statuses.items():
            up.add_metric([name], float(status.is_up))
            restarts.add_metric([name], status.restarts)
        return [up, restarts]
