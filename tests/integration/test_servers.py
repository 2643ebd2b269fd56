"""The embedded servers as other tests find them: they answer, and what was confirmed survives their death."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from servers import ClickHouseServer, KafkaServer

from cryptoviz.clickhouse import connect
from cryptoviz.settings import Settings

RESULTS = 20


def produce(address: str, topic: str, values: list[bytes]) -> None:
    producer = Producer({"bootstrap.servers": address, "acks": "all", "message.max.bytes": 8 * 1024 * 1024})
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(30) == 0


def consume(address: str, topic: str, count: int) -> list[bytes]:
    consumer = Consumer({"bootstrap.servers": address, "group.id": "reader", "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    try:
        return [message.value() or b"" for message in consumer.consume(count, timeout=30)]
    finally:
        consumer.close()


def test_the_broker_takes_and_gives_messages_of_four_megabytes(kafka: str, make_topic: Callable[..., str]) -> None:
    topic = make_topic(max_message_bytes=str(8 * 1024 * 1024))
    big = bytes(4 * 1024 * 1024)
    produce(kafka, topic, [big])
    assert consume(kafka, topic, 1) == [big]


def test_the_broker_makes_no_topic_unasked(kafka: str) -> None:
    admin = AdminClient({"bootstrap.servers": kafka})
    admin.list_topics("never-made", timeout=10)
    assert "never-made" not in admin.list_topics(timeout=10).topics


def test_the_broker_keeps_topics_and_messages_when_it_is_killed(tmp_path: Path) -> None:
    server = KafkaServer(tmp_path)
    try:
        server.start()
        admin = AdminClient({"bootstrap.servers": server.address, "log_level": 0})
        admin.create_topics([NewTopic("kept", 1, 1)])["kept"].result(20)
        values = [f"message {number}".encode() for number in range(RESULTS)]
        produce(server.address, "kept", values)
        server.kill()
        server.start()
        assert "kept" in admin.list_topics(timeout=20).topics
        assert consume(server.address, "kept", RESULTS) == values
    finally:
        server.stop()


def test_clickhouse_answers_the_client_with_the_settings_of_a_part(
    clickhouse: ClickHouseServer, stack_settings: Settings
) -> None:
    assert stack_settings.clickhouse_url == clickhouse.url
    assert connect(stack_settings).query("SELECT 1 + 1").result_rows == [(2,)]
