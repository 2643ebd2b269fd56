"""What the sink commits, and when a commit that Kafka did not take is made good."""

from __future__ import annotations

from confluent_kafka import TopicPartition

from processors.normalise import Position
from processors.sink_batch import Batch
from processors.sink_offsets import Offsets, place_of

BARS = TopicPartition("bars", 0)


def batch(topic: str, last: int) -> Batch:
    made = Batch(topic)
    made.include(Position(topic, 0, last, 0), 10, 1.0)
    return made


def given(*partitions: TopicPartition) -> Offsets:
    offsets = Offsets()
    offsets.assign(partitions)
    return offsets


def commits(offsets: Offsets) -> dict[tuple[str, int], int]:
    return {place_of(part): part.offset for part in offsets.to_commit()}


def test_what_is_stored_is_committed_and_counted_by_topic() -> None:
    offsets = given(BARS)
    offsets.store(batch("bars", 4))
    assert commits(offsets) == {("bars", 0): 5}
    assert offsets.batches == {"bars": 1}


def test_what_somebody_else_has_now_is_not_committed() -> None:
    offsets = given(BARS, TopicPartition("stats", 0))
    offsets.store(batch("bars", 4))
    offsets.revoke([BARS])
    offsets.store(batch("bars", 9))
    assert commits(offsets) == {}
    assert offsets.assigned == {("stats", 0)}


def test_a_refused_commit_is_made_again_and_never_goes_back_behind_a_later_one() -> None:
    offsets = given(BARS)
    offsets.store(batch("bars", 4))
    offsets.uncommitted.clear()  # both were sent at once, and the first of them is refused
    offsets.store(batch("bars", 9))
    offsets.uncommitted.clear()
    offsets.commit_again([TopicPartition("bars", 0, 5), TopicPartition("stats", 0, 5)])
    assert commits(offsets) == {("bars", 0): 10}
