from __future__ import annotations

from collections.abc import Iterator
from urllib.error import HTTPError
from urllib.request import urlopen

import orjson
import pytest
from prometheus_client import CollectorRegistry, Counter

from cryptoviz.errors import UserError
from cryptoviz.metrics import serve


@pytest.fixture
def health() -> dict[str, object]:
    return {"ok": True, "part": "test"}


@pytest.fixture
def address(health: dict[str, object]) -> Iterator[str]:
    registry = CollectorRegistry()
    Counter("eggs", "Eggs laid", registry=registry).inc(3)
    server = serve("127.0.0.1", 0, "CRYPTOVIZ_SINK_PORT", registry, lambda: health)
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


def test_metrics_are_served_as_text(address: str) -> None:
    with urlopen(f"{address}/metrics", timeout=5) as answer:
        assert b"eggs_total 3.0" in answer.read()


def test_health_is_served_as_json(address: str) -> None:
    with urlopen(f"{address}/health", timeout=5) as answer:
        assert orjson.loads(answer.read()) == {"ok": True, "part": "test"}


@pytest.mark.parametrize(("path", "ok", "status"), [("/health", False, 503), ("/other", True, 404)])
def test_ill_health_and_unknown_paths_have_a_status_of_their_own(
    address: str, health: dict[str, object], path: str, ok: bool, status: int
) -> None:
    health["ok"] = ok
    with pytest.raises(HTTPError) as failure:
        urlopen(f"{address}{path}", timeout=5)
    assert failure.value.code == status


def test_a_taken_port_is_one_clear_line(address: str) -> None:
    port = int(address.rpartition(":")[2])
    with pytest.raises(UserError, match=f"127.0.0.1:{port} .* set CRYPTOVIZ_SINK_PORT to a free port"):
        serve("127.0.0.1", port, "CRYPTOVIZ_SINK_PORT", CollectorRegistry(), dict)
