"""A worker's state read back from a real broker: the furthest one, whatever else lies in the topics."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from confluent_kafka import Producer
from unit.processors.streams import random_stream

from cryptoviz.messages import encode
from processors import recovery
from processors.engine import Engine
from processors.recovery import LogReader, recover
from processors.rules import Rules
from processors.snapshot import dump

ASSETS = ("BTC", "USDT")
RULES = Rules()


@pytest.fixture
def reader(kafka: str) -> LogReader:
    return LogReader({"bootstrap.servers": kafka, "group.id": "test-recovery"})


@pytest.fixture
def topics(make_topic: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """A topic of states and one of bars that nobody else writes to."""
    state, bars = make_topic(), make_topic(message_timestamp_type="LogAppendTime")
    monkeypatch.setattr(recovery, "STATE", _named(recovery.STATE, state))
    monkeypatch.setattr(recovery, "BARS", _named(recovery.BARS, bars))
    return state, bars


def _named(topic: object, name: str) -> object:
    return type(topic)(**{**vars(topic), "name": name})


def test_a_worker_goes_on_from_the_furthest_state_among_older_ones_and_rubbish(
    kafka: str, reader: LogReader, topics: tuple[str, str]
) -> None:
    state, bars = topics
    producer = Producer({"bootstrap.servers": kafka})
    stream, engine = random_stream(4, 150), Engine(ASSETS, RULES)
    older = b""
    for offset, message in enumerate(stream[:200]):
        for topic, asset, result in engine.apply(message, offset):
            if topic == "bars":
                producer.produce(bars, encode(result), asset.encode(), 0)
        older = dump(engine) if offset == 100 else older
    for rubbish in (b"", b"\xff", b"[]", b"{}", b'{"id": 1}', None):
        producer.produce(bars, rubbish, partition=0)
        producer.produce(state, rubbish, b"rubbish" + (rubbish or b"-"), 0)
    producer.produce(state, dump(engine), b"worker-2", 0)
    producer.produce(state, older, b"worker-1", 0)
    assert producer.flush(20) == 0
    restored = recover(reader, 0, ASSETS, RULES)
    assert restored.offset == 199
    rest = list(enumerate(stream))[200:]
    assert [o for n, m in rest for o in restored.apply(m, n)] == [o for n, m in rest for o in engine.apply(m, n)]


def test_a_new_partition_starts_from_nothing(reader: LogReader, topics: tuple[str, str]) -> None:
    assert recover(reader, 0, ASSETS, RULES).offset == -1


def test_a_stretch_of_the_log_is_read_to_its_end_and_no_further(
    kafka: str, reader: LogReader, make_topic: Callable[..., str]
) -> None:
    topic, producer = make_topic(), Producer({"bootstrap.servers": kafka})
    for number in range(10):
        producer.produce(topic, str(number).encode(), partition=0)
    assert producer.flush(20) == 0
    assert reader.bounds(topic, 0) == (0, 10)
    assert [message.value() for message in reader.read(topic, 0, 3, 6)] == [b"3", b"4", b"5"]
    assert [message.value() for message in reader.read(topic, 0, 8, 99)] == [b"8", b"9"]
    assert list(reader.read(topic, 0, 5, 5)) == []
