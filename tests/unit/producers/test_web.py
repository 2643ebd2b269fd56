from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import requests

from cryptoviz.errors import UserError
from producers.metrics import Metrics
from producers.web import serve


def _get(health: Callable[[], dict[str, Any]], path: str) -> requests.Response:
    metrics = Metrics()
    metrics.requests.labels("binance").inc()
    server = serve("127.0.0.1", 0, metrics.registry, health)
    try:
        return requests.get(f"http://127.0.0.1:{server.server_address[1]}{path}", timeout=5)
    finally:
        server.shutdown()
        server.server_close()


def test_metrics_are_served_in_prometheus_text() -> None:
    assert 'cryptoviz_producer_requests_total{source="binance"} 1.0' in _get(lambda: {"healthy": True}, "/metrics").text


@pytest.mark.parametrize(("healthy", "status"), [(True, 200), (False, 503)])
def test_health_is_200_or_503_and_json(healthy: bool, status: int) -> None:
    answer = _get(lambda: {"healthy": healthy, "sources": {}}, "/health")
    assert (answer.status_code, answer.json()["healthy"]) == (status, healthy)


def test_a_taken_port_is_one_clear_error() -> None:
    metrics = Metrics()
    server = serve("127.0.0.1", 0, metrics.registry, dict)
    try:
        with pytest.raises(UserError, match="CRYPTOVIZ_PRODUCER_PORT"):
            serve("127.0.0.1", server.server_address[1], metrics.registry, dict)
    finally:
        server.shutdown()
        server.server_close()
