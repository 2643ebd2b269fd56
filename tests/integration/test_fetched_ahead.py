"""What the sink fetches ahead has a bound that does not grow with the partitions."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

import psutil
import pytest
from confluent_kafka import Consumer, Producer
from waiting import wait_until

from cryptoviz.settings import load_settings
from processors.sink_consumer import FETCHED_AHEAD_KIB, make_consumer

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]
MIB = 1024 * 1024
PARTITIONS, EACH = 12, 32
ONE_ANSWER = 52 * MIB
"""Of a broker, beyond the bound: librdkafka's `fetch.max.bytes`."""
STEADY_LOOKS = 20


def _resident() -> int:
    return int(psutil.Process(os.getpid()).memory_info().rss)


def _steady(consumer: Consumer) -> int:
    """The memory once it has stopped growing."""
    wait_until(lambda: consumer.poll(0.1) is not None, 120, "the first message")
    looks: list[int] = []

    def unchanged() -> bool:
        looks.append(_resident())
        return len(looks) >= STEADY_LOOKS and looks[-1] - looks[-STEADY_LOOKS] < MIB

    wait_until(unchanged, 120, "the memory to be steady", every_s=0.1)
    return looks[-1]


def test_what_is_fetched_ahead_is_bounded_for_all_partitions_together(
    kafka: str, make_topic: Callable[..., str]
) -> None:
    topic = make_topic(PARTITIONS)
    producer = Producer({"bootstrap.servers": kafka, "compression.type": "none", "message.max.bytes": 8 * MIB})
    for number in range(PARTITIONS * EACH):
        producer.produce(topic, bytes(MIB), partition=number % PARTITIONS)
        if number % 64 == 63:
            assert producer.flush(60) == 0
    del producer
    before = _resident()
    consumer = partial(make_consumer, load_settings(kafka=kafka))(lambda *_: None, lambda _: None)
    try:
        consumer.subscribe([topic])
        held = _steady(consumer) - before
    finally:
        consumer.close()
    assert 16 * MIB < held < FETCHED_AHEAD_KIB * 1024 + 2 * ONE_ANSWER < PARTITIONS * EACH * MIB // 2
