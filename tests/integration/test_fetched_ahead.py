"""What the sink fetches ahead has a bound that does not grow with the partitions."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest
from confluent_kafka import Producer
from fetched_memory import MIB, held_bytes

from processors.sink_consumer import FETCHED_AHEAD_KIB

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]
PARTITIONS, EACH = 12, 32
ONE_ANSWER = 52 * MIB
"""Of a broker, beyond the bound: librdkafka's `fetch.max.bytes`."""


def test_what_is_fetched_ahead_is_bounded_for_all_partitions_together(
    kafka: str, make_topic: Callable[..., str]
) -> None:
    topic = make_topic(PARTITIONS)
    producer = Producer({"bootstrap.servers": kafka, "compression.type": "none", "message.max.bytes": 8 * MIB})
    for number in range(PARTITIONS * EACH):
        producer.produce(topic, bytes(MIB), partition=number % PARTITIONS)
        if number % 64 == 63:
            assert producer.flush(60) == 0
    with ProcessPoolExecutor(1, get_context("spawn")) as process:
        held = process.submit(held_bytes, kafka, topic).result(timeout=270)
    assert 16 * MIB < held < FETCHED_AHEAD_KIB * 1024 + 2 * ONE_ANSWER < PARTITIONS * EACH * MIB // 2
