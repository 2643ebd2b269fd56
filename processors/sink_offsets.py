"""The partitions of this sink: how far each has been read, and stored but not yet committed. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from confluent_kafka import TopicPartition

from cryptoviz.progress import Place
from processors.sink_batch import Batch


@dataclass
class Offsets:
    """What this sink has been given and how far it is there: offsets are those of the next message.

    `assignments` counts how often partitions were given, `batches` those of each topic that were stored.
    """

    assigned: set[Place] = field(default_factory=set)
    read: dict[Place, int] = field(default_factory=dict)
    stored: dict[Place, int] = field(default_factory=dict)
    uncommitted: dict[Place, int] = field(default_factory=dict)
    assignments: int = 0
    batches: Counter[str] = field(default_factory=Counter)

    def assign(self, partitions: Iterable[TopicPartition]) -> None:
        """These are ours now."""
        self.assigned.update(map(place_of, partitions))
        self.assignments += 1

    def revoke(self, partitions: Iterable[TopicPartition]) -> None:
        """These are no longer ours. Their rows stay in the batches: whoever reads them next stores them again."""
        for place in map(place_of, partitions):
            self.assigned.discard(place)
            for known in (self.read, self.stored, self.uncommitted):
                known.pop(place, None)

    def store(self, batch: Batch) -> None:
        """A batch is in ClickHouse, and its messages may be committed."""
        self.batches.update({topic for topic, _ in batch.reach})
        reached = {place: reach.next for place, reach in batch.reach.items() if place in self.assigned}
        self.stored.update(reached)
        self.uncommitted.update(reached)

    def commit_again(self, partitions: Iterable[TopicPartition]) -> None:
        """Kafka did not take a commit of these. A later one may have arrived, so what is stored now is what counts."""
        for place in map(place_of, partitions):
            if place in self.stored:
                self.uncommitted[place] = self.stored[place]

    def to_commit(self) -> list[TopicPartition]:
        """What Kafka is to be told."""
        return [TopicPartition(*place, offset) for place, offset in self.uncommitted.items()]


def place_of(partition: TopicPartition) -> Place:
    """Topic and number of a partition."""
    return partition.topic, partition.partition
