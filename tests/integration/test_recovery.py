"""A worker's state read back from a real broker: the furthest one, whatever else lies in the topics."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from confluent_kafka import Producer
from unit.processors.streams import random_stream

from cryptoviz.messages import encode
from processors import recovery
from processors.engine import Engine
from processors.recovery import LogReader, learned_key, recover
from processors.rules import Rules
from processors.snapshot import dump, dump_learned

ASSETS = ("BTC", "USDT")
RULES = Rules()


@pytest.fixture
def reader(kafka: str) -> LogReader:
    return LogReader({"bootstrap.servers": kafka, "group.id": "test-recovery"})


@pytest.fixture
def topics(make_topic: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Topics of states, bars and predictions that nobody else writes to."""
    names = {"STATE": make_topic()}
    names |= {result: make_topic(message_timestamp_type="LogAppendTime") for result in ("BARS", "PREDICTIONS")}
    for registered, name in names.items():
        monkeypatch.setattr(recovery, registered, _named(getattr(recovery, registered), name))
    return names


def _named(topic: object, name: str) -> object:
    return type(topic)(**{**vars(topic), "name": name})


def test_a_worker_goes_on_from_the_furthest_state_among_older_ones_and_rubbish(
    kafka: str, reader: LogReader, topics: dict[str, str]
) -> None:
    state, results = topics["STATE"], {"bars": topics["BARS"], "predictions": topics["PREDICTIONS"]}
    producer = Producer({"bootstrap.servers": kafka})
    stream, engine = random_stream(4, 250), Engine(ASSETS, RULES)
    cut = len(stream) // 2
    older = b""
    for offset, message in enumerate(stream[:cut]):
        for topic, asset, result in engine.apply(message, offset):
            if topic in results:
                producer.produce(results[topic], encode(result), asset.encode(), 0)
        if offset == cut // 2:
            older = dump(engine)
            producer.produce(state, dump_learned(engine), learned_key(b"worker-1", 0), 0)
    for rubbish in (b"", b"\xff", b"[]", b"{}", b'{"id": 1}', None):
        for topic in results.values():
            producer.produce(topic, rubbish, partition=0)
        producer.produce(state, rubbish, b"rubbish" + (rubbish or b"-"), 0)
        producer.produce(state, rubbish, learned_key(b"rubbish", 1), 0)
    engine.learned = 3
    producer.produce(state, dump_learned(engine), learned_key(b"worker-2", 3), 0)
    producer.produce(state, dump(engine), b"worker-2", 0)
    # A worker that died between its two records: what it learned after that is not what its state names.
    engine.learned = 4
    producer.produce(state, dump_learned(engine), learned_key(b"worker-2", 4), 0)
    producer.produce(state, older, b"worker-1", 0)
    assert producer.flush(20) == 0
    found = recover(reader, 0, ASSETS, RULES)
    assert (found.offset, found.learned) == (cut - 1, 3)
    rest = list(enumerate(stream))[cut:]
    after = [o for n, m in rest for o in found.apply(m, n)]
    assert after == [o for n, m in rest for o in engine.apply(m, n)]
    assert any(topic == "scores" for topic, _, _ in after)


def test_a_state_whose_learning_is_gone_is_of_no_use(
    kafka: str, reader: LogReader, topics: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    producer, engine = Producer({"bootstrap.servers": kafka}), Engine(ASSETS, RULES)
    engine.offset, engine.learned = 7, 2
    producer.produce(topics["STATE"], dump(engine), b"worker", 0)
    engine.learned = 4
    producer.produce(topics["STATE"], dump_learned(engine), learned_key(b"worker", 4), 0)
    assert producer.flush(20) == 0
    assert recover(reader, 0, ASSETS, RULES).offset == -1
    assert "of no use" in caplog.text


def test_a_new_partition_starts_from_nothing(reader: LogReader, topics: dict[str, str]) -> None:
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
