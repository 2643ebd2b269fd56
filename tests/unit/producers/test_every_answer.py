"""Every payload we have goes through the real client, parser and poller; none stops it, each is accounted for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import SHARED_DATA
from local_http import LocalHttp, Reply
from pydantic import TypeAdapter
from rig import Rig

from cryptoviz.messages import DeadLetter, RawQuotes
from producers.sources import SOURCES

DATA = Path(__file__).resolve().parents[2] / "data"
OWN = sorted(path for name in SOURCES for path in (DATA / name).iterdir())
RECORDED = sorted(path for name in SOURCES for path in (SHARED_DATA / "api" / name).glob("*.json"))
STATUS = re.compile(r"error_(\d{3})")
RAW, DEAD = TypeAdapter(RawQuotes), TypeAdapter(DeadLetter)

BLOCKED, LIMITED, FAILING = ("blocked",), ("rate_limited",), ("failing",)
EXPECTED_OF_ERRORS = {"401": BLOCKED, "403": BLOCKED, "451": BLOCKED, "418": LIMITED, "429": LIMITED}
# Quotes that recorded answers hold, by our assets; every other answer must give none.
GOOD = {
    "coins_markets__bitcoin_usd_2021-05-15.json": {"BTC": 49053.0},
    # The answer does not say its currency: it is whatever was asked for, and we ask for USD.
    "coins_markets__bitcoin_myr_2021-05-15.json": {"BTC": 202369.0},
    "coins_markets__top100_usd_2023-01-16.json": {"BTC": 21109.0, "ETH": 1568.41},
    "v1_listings_latest__top100_2022-12-16.json": {"BTC": 16815.26797238245},
    "v1_quotes_latest__by_id_2020-01-13.json": {"BTC": 8118.5153313},
    "v2_quotes_latest__by_symbol_duplicate_ATOM_2021-04-23.json": {"ADA": 1.08561394911033},
    "rest_ticker_24hr__BTCUSDT_2019-10-08.json": {"BTC": 8199.59},
}


def _bodies(path: Path) -> Iterator[bytes]:
    """What the file holds as answers; one of them is a list of many recordings."""
    if "timeline" in path.name:
        yield from (recording["raw"].encode() for recording in json.loads(path.read_bytes()))
    else:
        yield path.read_bytes()


def _poll(server: LocalHttp, rig: Callable[..., Rig], path: Path, body: bytes) -> Rig:
    found = STATUS.search(path.name)
    server.answer = lambda _: Reply(body, int(found[1]) if found else 200)
    each = rig(SOURCES[path.parent.name](), key="k" if path.parent.name == "coinmarketcap" else "")
    each.poller.poll()
    for message in each.writer.on("quotes.raw"):
        RAW.validate_python(message, strict=False)
    for letter in each.letters():
        DEAD.validate_python(letter)
    return each


def _accounted_for(each: Rig, path: Path) -> None:
    """No quotes means a failure that was counted; quotes mean that every other asset asked for was rejected."""
    if each.quotes():
        assert each.state == "available"
        rejected = sum(sample.value for metric in each.metrics.registry.collect()
                       for sample in metric.samples if sample.name == "cryptoviz_producer_rejected_total")  # fmt: skip
        feeding = len(each.registry.feeding(each.source.name))
        assert rejected >= feeding - len(each.quotes())
        return
    assert each.count("failures_total", reason=each.reason) == 1
    found = STATUS.search(path.name)
    assert each.state in EXPECTED_OF_ERRORS.get(found[1] if found else "", ("blocked", "rate_limited", "failing"))


@pytest.mark.parametrize("path", OWN, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_our_own_payloads(server: LocalHttp, rig: Callable[..., Rig], path: Path) -> None:
    each = _poll(server, rig, path, path.read_bytes())
    _accounted_for(each, path)
    assert bool(each.quotes()) != path.name.startswith(("error_", "history__"))


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_recorded_payloads(server: LocalHttp, rig: Callable[..., Rig], path: Path) -> None:
    for body in _bodies(path):
        each = _poll(server, rig, path, body)
        _accounted_for(each, path)
        prices = {quote["asset"]: quote["price"] for quote in each.quotes()}
        for asset, price in GOOD.get(path.name, {}).items():
            assert prices[asset] == price
        assert bool(prices) == (path.name in GOOD)


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_recorded_payloads_as_history(path: Path) -> None:
    """A history parser, too, takes what it is given or says why not."""
    from cryptoviz.assets import AssetRegistry
    from cryptoviz.errors import Invalid, Retryable
    from producers.http import decode

    source, registry = SOURCES[path.parent.name](), AssetRegistry()
    if source.history is None:
        return
    for body in _bodies(path):
        try:
            parsed = source.history.parse(decode(body), registry, registry.feeding(source.name)[0], 2**52)
        except (Invalid, Retryable):
            continue
        if "market_chart" in path.name:
            payload = json.loads(body)
            assert [quote["price"] for quote in parsed.quotes] == [point[1] for point in payload["prices"]]
            assert [quote["at"] for quote in parsed.quotes] == [point[0] for point in payload["prices"]]


def test_the_recordings_are_here(shared_data: Path) -> None:
    """Skips, saying why, where there are none: the parametrised tests above then have nothing to run on."""
    assert {path.parent.name for path in RECORDED} == set(SOURCES)
    assert set(GOOD) <= {path.name for path in RECORDED}
    assert shared_data == SHARED_DATA
