"""The sink's Kafka consumer, and what its messages and errors say."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from cryptoviz.errors import UserError
from cryptoviz.kafka import consumer_config
from cryptoviz.progress import SINK_GROUP, Place
from cryptoviz.settings import Settings
from processors.normalise import Position
from processors.sink_rows import TOPICS

logger = logging.getLogger(__name__)

NAME = "cryptoviz-sink"
QUIET = {"log_level": 2}  # the library would log each of several vain connections a second; the sink says it once
# Of all partitions together, since they share the queue of the group's member; one answer of a broker may go beyond it.
FETCHED_AHEAD_KIB = 64 * 1024
# A busy worker's results come to the broker in hundreds of small requests a second; each would be an answer to a fetch.
FETCH = {"fetch.min.bytes": 64 * 1024, "fetch.wait.max.ms": 50}

OnCommit = Callable[[KafkaError | None, list[TopicPartition]], None]
OnError = Callable[[KafkaError], None]


def make_consumer(settings: Settings, on_commit: OnCommit, on_error: OnError) -> Consumer:
    """A member of the sink's group that tells when it has reached the end of a partition."""
    return Consumer(
        consumer_config(settings, NAME, SINK_GROUP)
        | QUIET
        | FETCH
        | {"on_commit": on_commit, "error_cb": on_error, "queued.max.messages.kbytes": FETCHED_AHEAD_KIB}
        | {"enable.partition.eof": True}
    )


def position(message: Message) -> Position:
    """Where a message lies, or the end of a partition that one tells of."""
    # None is only what a message with an error has.
    filed_at = max(0, message.timestamp()[1])
    return Position(message.topic() or "", message.partition() or 0, message.offset() or 0, filed_at)


def judge(error: KafkaError) -> None:
    """Log an error that passes; raises `UserError` for one that does not."""
    if error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
        raise UserError(f"Kafka lacks a topic: run `cryptoviz topics` ({error.str()})")
    if error.fatal() or error.code() == KafkaError._FATAL:
        raise UserError(f"Kafka refuses this sink; is another one running? ({error.str()})")
    logger.warning("Kafka: %s", error.str())


def unread(consumer: Consumer, read: Mapping[Place, int]) -> dict[str, int]:
    """Messages per topic that lie beyond the next ones to `read`, as far as the consumer has heard of them."""
    lag = dict.fromkeys(TOPICS, 0)
    for (topic, part), next_offset in read.items():
        _, high = consumer.get_watermark_offsets(TopicPartition(topic, part), cached=True) or (0, 0)
        lag[topic] += max(0, high - next_offset)
    return lag
