from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from threading import Event, Thread

import pytest
import requests
from fakes import FakeWriter
from local_http import Asked, LocalHttp, Reply, as_json
from waiting import wait_until

from cryptoviz.assets import AssetRegistry
from cryptoviz.errors import UserError
from cryptoviz.local.ports import free_ports
from cryptoviz.settings import Settings, SourceSettings, load_source_settings
from producers.runner import Runner, chosen_sources
from producers.sources import SOURCES
from producers.sources.binance import Binance
from producers.sources.coingecko import CoinGecko
from producers.sources.coinmarketcap import CoinMarketCap

REGISTRY = AssetRegistry().select(["BTC", "ETH"])


def _tickers(asked: Asked) -> Reply:
    if asked.path != "/api/v3/ticker/24hr":
        return as_json({"error": "not scripted"}, 404)
    return as_json([{"symbol": symbol, "lastPrice": "10.5"} for symbol in json.loads(asked.params["symbols"])])


class _Running:
    """A runner in a thread, ended by `end`, which raises what it raised."""

    def __init__(self, server: LocalHttp, **settings: object) -> None:
        (self.port,) = free_ports(1)
        chosen = {"heartbeat_seconds": 0.1, "backfill_hours": 0, "producer_port": self.port} | settings
        self.writer, self.stop, self.error = FakeWriter(), Event(), None
        self.runner = Runner(Settings(**chosen), REGISTRY, self.writer, self.stop)
        self.url = server.url
        self._thread = Thread(target=self._run)

    def add(self, source: type, **settings: object) -> _Running:
        self.runner.add(source(), SourceSettings(url=self.url, **({"interval_seconds": 0.2} | settings)))
        return self

    def start(self) -> _Running:
        self._thread.start()
        return self

    def _run(self) -> None:
        try:
            self.runner.run(lambda *_: {})
        except BaseException as error:
            self.error = error

    def end(self) -> float:
        started = time.monotonic()
        self.stop.set()
        self._thread.join(10)
        assert not self._thread.is_alive()
        if self.error:
            raise self.error
        return time.monotonic() - started

    def messages(self, source: str) -> list[dict]:
        return [message for message in self.writer.on("quotes.raw") if message["source"] == source]


@pytest.fixture
def running(server: LocalHttp) -> Iterator[_Running]:
    server.answer = _tickers
    each = _Running(server)
    yield each
    each.stop.set()


def test_quotes_and_heartbeats_flow_in_order_and_the_end_is_quick(running: _Running) -> None:
    running.add(Binance).start()
    wait_until(lambda: sum(bool(m["quotes"]) for m in running.messages("binance")) > 5, 10, "polls")
    assert running.end() < 5
    stamps = [message["received_at"] for message in running.messages("binance")]
    assert stamps == sorted(stamps)
    beats = [sent for sent in running.writer.sent if not sent.value["quotes"]]
    assert {sent.partition for sent in beats} == {0, 1, 2, 3}
    assert beats[-1].value["status"]["state"] == "available"


def test_heartbeats_go_on_while_the_api_hangs(server: LocalHttp, running: _Running) -> None:
    release = Event()
    server.answer = lambda _: Reply(hold=lambda: release.wait(20))
    running.add(Binance).start()
    wait_until(lambda: len(running.messages("binance")) >= 40, 10, "ten heartbeats in four partitions")
    assert all(message["quotes"] == [] for message in running.messages("binance"))
    assert running.end() < 5
    release.set()


def test_a_source_without_its_key_is_off_says_so_once_and_beats(
    running: _Running, caplog: pytest.LogCaptureFixture
) -> None:
    running.add(Binance).add(CoinMarketCap, api_key="").start()
    wait_until(lambda: len(running.messages("coinmarketcap")) >= 8, 10, "heartbeats")
    running.end()
    assert {message["status"]["state"] for message in running.messages("coinmarketcap")} == {"off"}
    told = [record.getMessage() for record in caplog.records if "coinmarketcap" in record.getMessage()]
    assert told == ["coinmarketcap is off: it needs an API key; set CRYPTOVIZ_COINMARKETCAP_API_KEY"]


def test_a_source_that_lists_none_of_the_assets_is_off(server: LocalHttp) -> None:
    runner = Runner(Settings(), AssetRegistry().select(["USDT"]), FakeWriter(), Event())
    runner.add(Binance(), SourceSettings(url=server.url))
    assert runner.pollers == []


def test_one_source_in_trouble_does_not_hold_up_another(server: LocalHttp, running: _Running) -> None:
    server.answer = lambda asked: as_json({}, 451) if asked.path == "/coins/markets" else _tickers(asked)
    running.add(CoinGecko).add(Binance).start()
    wait_until(lambda: sum(bool(m["quotes"]) for m in running.messages("binance")) > 3, 10, "polls of the other")
    wait_until(
        lambda: {m["status"]["state"] for m in running.messages("coingecko")[-4:]} == {"blocked"}, 10, "its state told"
    )
    running.end()


def test_health_and_metrics_are_served(running: _Running) -> None:
    running.add(Binance).start()
    wait_until(lambda: any(m["quotes"] for m in running.messages("binance")), 10, "a poll")
    health = requests.get(f"http://127.0.0.1:{running.port}/health", timeout=5)
    metrics = requests.get(f"http://127.0.0.1:{running.port}/metrics", timeout=5).text
    running.end()
    assert health.status_code == 200
    assert health.json()["sources"]["binance"]["state"] == "available"
    assert 'cryptoviz_producer_quotes_total{origin="live",source="binance"}' in metrics


def test_the_port_is_free_again_afterwards_and_a_taken_one_is_an_error(server: LocalHttp, running: _Running) -> None:
    running.add(Binance).start()
    wait_until(lambda: running.messages("binance"), 10, "a heartbeat")
    second = _Running(server, producer_port=running.port).add(Binance).start()
    with pytest.raises(UserError, match=str(running.port)):
        second.end()
    running.end()
    _Running(server, producer_port=running.port).add(Binance).start().end()


def test_history_comes_before_the_first_poll_and_heartbeat(server: LocalHttp) -> None:
    def answer(asked: Asked) -> Reply:
        if asked.path == "/api/v3/klines":
            start = -(-int(asked.params["startTime"]) // 60_000) * 60_000
            return as_json([[start, "1", "1", "1", "1", "1", start + 59_999]])
        return _tickers(asked)

    server.answer = answer
    each = _Running(server, backfill_hours=1).add(Binance).start()
    wait_until(lambda: any(m["origin"] == "live" and m["quotes"] for m in each.messages("binance")), 20, "a poll")
    each.end()
    origins = [message["origin"] for message in each.messages("binance")]
    assert origins == sorted(origins)  # backfill, then live
    assert set(origins) == {"backfill", "live"}
    assert [asked.path for asked in server.asked[:2]] == ["/api/v3/klines"] * 2


def test_a_bug_in_a_source_ends_the_process(server: LocalHttp, running: _Running) -> None:
    class Broken(Binance):
        def parse(self, *_: object) -> None:
            raise ZeroDivisionError

    running.add(Broken).start()
    wait_until(running.stop.is_set, 10, "the end")
    with pytest.raises(ZeroDivisionError):
        running.end()


def test_last_messages_that_kafka_does_not_take_are_said_to_be_lost(
    running: _Running, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    running.writer.away = True
    running.add(Binance).start()
    wait_until(lambda: running.writer.pending > 4, 10, "messages")
    assert running.end() < 5
    assert "did not take the last messages" in caplog.text


def test_sources_are_chosen_by_name() -> None:
    assert [source.name for source in chosen_sources(SOURCES, ())] == list(SOURCES)
    assert [source.name for source in chosen_sources(SOURCES, ("Binance",))] == ["binance"]
    with pytest.raises(UserError, match="unknown source gecko; known are coingecko, coinmarketcap, binance"):
        chosen_sources(SOURCES, ("gecko",))


def test_settings_of_a_source_replace_its_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTOVIZ_BINANCE_INTERVAL_SECONDS", "7")
    monkeypatch.setenv("CRYPTOVIZ_BINANCE_URL", "http://127.0.0.1:1/binance/")
    runner = Runner(Settings(), REGISTRY, FakeWriter(), Event())
    runner.add(Binance(), load_source_settings("binance"))
    assert runner.pollers[0].envelope.poll_interval_s == 7


def test_a_wrong_address_is_said_with_the_name_of_its_setting() -> None:
    runner = Runner(Settings(), REGISTRY, FakeWriter(), Event())
    with pytest.raises(UserError, match=r"CRYPTOVIZ_BINANCE_\*.*https://host/path"):
        runner.add(Binance(), SourceSettings(url="api.example.org"))
