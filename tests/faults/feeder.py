"""Feeds a file of messages to quotes.raw at a steady rate, from wherever it was; a process made to be killed.

Its position is the log itself: the nth message of a partition lies at offset n, nobody else writes there. So there is
nothing to save, and nothing to be killed between. What a killed feeder has still on its way must arrive before its
successor looks: it waits until the ends stand still, and every delivery is held to its offset.

The file has a message per line, the partition before the first blank.
"""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from cryptoviz.kafka import client_config, producer_config
from cryptoviz.settings import Settings, load_settings
from cryptoviz.topics import RAW

NAME = "fault-feeder"
SETTLED_S, LOOK_EVERY_S = 1.5, 0.1
MOST_PENDING = 2_000
MISPLACED = 3
"""Exit code when a message did not get the offset of its number: the feed, not the product, is at fault."""


def write_stream(file: Path, messages: Iterator[tuple[int, bytes]]) -> Counter[int]:
    """Write the file that `main` reads; the number of messages per partition."""
    counts: Counter[int] = Counter()
    with file.open("wb") as out:
        for partition, value in messages:
            out.write(b"%d %s\n" % (partition, value))
            counts[partition] += 1
    return counts


def read_stream(file: Path, done: dict[int, int]) -> Iterator[tuple[int, int, bytes]]:
    """(partition, number, value) of the messages from the numbers of `done` on."""
    numbers: Counter[int] = Counter()
    with file.open("rb") as lines:
        for line in lines:
            place, _, value = line.rstrip(b"\n").partition(b" ")
            partition = int(place)
            if numbers[partition] >= done[partition]:
                yield partition, numbers[partition], value
            numbers[partition] += 1


def ends(settings: Settings) -> dict[int, int]:
    """The offset that the next message of each partition will get; asks until the broker answers."""
    consumer = Consumer(client_config(settings, NAME) | {"group.id": NAME, "log_level": 0})
    try:
        while True:
            try:
                places = [TopicPartition(RAW.name, partition) for partition in range(settings.partitions)]
                return {one.partition: consumer.get_watermark_offsets(one, timeout=2)[1] for one in places}
            except KafkaException:
                continue
    finally:
        consumer.close()


def settled_ends(settings: Settings) -> dict[int, int]:
    """The ends once they have not moved for a while."""
    found, since = ends(settings), time.monotonic()
    while time.monotonic() - since < SETTLED_S:
        time.sleep(LOOK_EVERY_S)
        now = ends(settings)
        if now != found:
            found, since = now, time.monotonic()
    return found


def feed(file: Path, settings: Settings, per_second: float) -> None:
    """Send the rest of the file; 0 is as fast as the broker takes it."""
    producer = Producer(producer_config(settings, NAME) | {"log_level": 0})
    began = time.monotonic()
    for sent, (partition, number, value) in enumerate(read_stream(file, settled_ends(settings))):
        while len(producer) >= MOST_PENDING or (per_second and time.monotonic() < began + sent / per_second):
            producer.poll(0.005)
        producer.produce(RAW.name, value, partition=partition, on_delivery=_held_to(number))
        producer.poll(0)
    while len(producer):
        producer.poll(0.1)


def _held_to(number: int):  # type: ignore[no-untyped-def]
    def delivered(error: KafkaError | None, message: Message) -> None:
        if error is not None or message.offset() != number:
            print(f"message {number} of {message.partition()}: at {message.offset()}, {error}", file=sys.stderr)  # noqa: T201
            sys.exit(MISPLACED)

    return delivered


if __name__ == "__main__":
    feed(Path(sys.argv[1]), load_settings(), float(sys.argv[2]))
