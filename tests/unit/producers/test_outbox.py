from __future__ import annotations

import logging
import math
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest
from fakes import FakeTime, FakeWriter
from pydantic import TypeAdapter

from cryptoviz.assets import AssetRegistry
from cryptoviz.clock import ReceiptClock
from cryptoviz.messages import DeadLetter, SourceStatus
from producers.failures import Stopped
from producers.metrics import Metrics
from producers.outbox import Outbox, dead_letter
from producers.quote import Rejection, quote_of
from producers.raw import Envelope

STATUS: SourceStatus = {"state": "available", "since": 1, "until": None, "reason": ""}
ENVELOPE = Envelope("binance", "live", 60, 10.0, 4)
REGISTRY = AssetRegistry()


def _outbox(limit: int = 100) -> tuple[Outbox, FakeWriter]:
    writer = FakeWriter()
    return Outbox(writer, ReceiptClock(), limit, 4, metrics=Metrics()), writer


def test_a_heartbeat_goes_to_every_partition_with_the_status() -> None:
    outbox, writer = _outbox()
    outbox.heartbeat(ENVELOPE, STATUS)
    assert sorted(sent.partition for sent in writer.sent) == [0, 1, 2, 3]
    assert {sent.value["status"]["state"] for sent in writer.sent} == {"available"}
    assert all(sent.value["quotes"] == [] for sent in writer.sent)


def test_received_at_never_decreases_in_the_log_however_many_send() -> None:
    outbox, writer = _outbox()

    def answer(_: int) -> None:
        with outbox.lock:
            now = outbox.clock.now_ms()
            outbox.publish(ENVELOPE, [quote_of(REGISTRY, REGISTRY.feeding("binance")[0], now, {"price": 1})])

    with ThreadPoolExecutor(4) as pool:
        beats = [pool.submit(outbox.heartbeat, ENVELOPE, STATUS) for _ in range(200)]
        answers = [pool.submit(answer, number) for number in range(200)]
        for job in beats + answers:
            job.result()
    stamps = [sent.value["received_at"] for sent in writer.sent]
    assert len(stamps) == 200 * 4 + 200
    assert stamps == sorted(stamps)


def test_while_kafka_is_away_what_is_held_is_bounded_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    outbox, writer = _outbox(limit=20)
    writer.away = True
    for _ in range(100):
        outbox.heartbeat(ENVELOPE, STATUS)
    assert writer.pending == 20
    stopped = Event()
    stopped.set()
    with pytest.raises(Stopped):
        outbox.wait_for_room(stopped)
    writer.away = False
    outbox.wait_for_room(Event())
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    outbox.heartbeat(ENVELOPE, STATUS)
    assert len(writer.sent) == 24


def test_a_kafka_that_takes_nothing_is_said_once_and_its_return_too(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    writer, clock = FakeWriter(), FakeTime()
    outbox = Outbox(writer, ReceiptClock(), 10_000, 4, metrics=Metrics(), now_s=clock)
    for away in (False, True, True, True, False):
        writer.away = away
        for _ in range(8):
            clock.now += 1
            outbox.heartbeat(ENVELOPE, STATUS)
    assert [record.getMessage() for record in caplog.records] == [
        "Kafka has taken nothing for 10 s; up to 10000 messages are kept for it",
        "Kafka takes our messages again",
    ]


def test_polling_goes_on_only_when_half_of_it_has_left() -> None:
    outbox, writer = _outbox(limit=20)
    writer.away = True
    for _ in range(5):
        outbox.heartbeat(ENVELOPE, STATUS)
    assert not outbox.has_room()
    writer.pending = 11
    assert not outbox.has_room()
    writer.pending = 10
    assert outbox.has_room()


def test_polling_stops_at_the_size_of_what_is_held_as_well() -> None:
    writer = FakeWriter(away=True)
    outbox = Outbox(writer, ReceiptClock(), 1_000, 4, metrics=Metrics(), limit_bytes=10_000)
    quote = quote_of(REGISTRY, REGISTRY.feeding("binance")[0], 1_000, {"price": 1})
    while outbox.has_room():
        outbox.publish(ENVELOPE, [quote] * 20)
    assert writer.pending < 10
    assert 10_000 <= writer.pending_bytes < 20_000
    writer.pending_bytes = 5_000
    assert outbox.has_room()


def test_nothing_is_sent_after_the_end() -> None:
    outbox, writer = _outbox()
    assert outbox.close(1.0)
    with pytest.raises(Stopped):
        outbox.heartbeat(ENVELOPE, STATUS)
    assert writer.sent == []


def _nested(depth: int) -> object:
    item: object = 1
    for _ in range(depth):
        item = [item]
    return item


@pytest.mark.parametrize(
    "item", [{"id": "x", "price": math.nan}, None, "\ud800", {"n": 10**200}, _nested(100_000), "y" * 1_000_000]
)
def test_every_item_can_be_set_aside(item: object) -> None:
    outbox, writer = _outbox()
    outbox.set_aside("binance", [Rejection("\ud800", "bad_price", "\udfff", item)], 5)
    (letter,) = writer.on("quotes.raw.dead")
    TypeAdapter(DeadLetter).validate_python(letter)
    assert (letter["reason"], letter["source"], letter["at"]) == ("bad_price", "binance", 5)
    assert len(letter["payload"]) <= 65_536


def test_a_dead_letter_holds_the_item_as_it_came() -> None:
    letter = dead_letter("coingecko", Rejection("bitcoin", "no_price", "none", {"id": "bitcoin"}), 7)
    assert (letter["payload"], letter["topic"], letter["detail"]) == ('{"id":"bitcoin"}', "quotes.raw", "bitcoin: none")
