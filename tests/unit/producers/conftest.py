"""Fixtures of the producers' tests: a scripted server, pollers on it, and our own small payloads."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from local_http import LocalHttp, local_http
from rig import Rig

from producers.source import Source


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)


@pytest.fixture
def server() -> Iterator[LocalHttp]:
    """A local server, scripted by the test."""
    with local_http() as local:
        yield local


@pytest.fixture
def rig(server: LocalHttp) -> Iterator[Callable[..., Rig]]:
    """`rig(source, **changes)`: a poller of that source on the local server."""
    made: list[Rig] = []

    def make(source: Source, **changes: object) -> Rig:
        made.append(Rig(server.url, source, **changes))
        return made[-1]

    yield make
    for each in made:
        each.stop.set()


@pytest.fixture(scope="session")
def payloads() -> Path:
    """Our own small payloads, in a folder per source."""
    return Path(__file__).resolve().parents[2] / "data"
