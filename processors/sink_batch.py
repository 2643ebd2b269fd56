"""A batch: rows of some tables, and the messages they come from."""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass, field
from uuid import uuid4

from processors.normalise import Position
from processors.sink_rows import Tables

_PROCESS = uuid4().hex


@dataclass
class Reach:
    """The messages of one partition in a batch: the first offset, the one after the last, Kafka's time of the last."""

    first: int
    next: int
    filed_at: int


@dataclass
class Batch:
    """Rows of some tables and the messages they come from."""

    lane: str
    tables: Tables = field(default_factory=dict)
    reach: dict[tuple[str, int], Reach] = field(default_factory=dict)
    began: float = 0.0
    latest: float = 0.0
    """When the first and the latest message came, by the monotonic clock."""
    messages: int = 0
    size_bytes: int = 0
    news: bool = False
    """Whether somebody may be waiting for one of its rows."""
    number: int = field(default_factory=itertools.count().__next__)

    @property
    def rows(self) -> int:
        """Rows of all tables."""
        return sum(rows.count for rows in self.tables.values())

    def include(self, at: Position, size_bytes: int, now: float) -> None:
        """Note that the message at this position, of so many bytes, is in the batch."""
        self.began, self.latest = self.began or now, now
        self.messages += 1
        self.size_bytes += size_bytes
        place = at.topic, at.partition
        reach = self.reach.get(place) or self.reach.setdefault(place, Reach(at.offset, at.offset, at.timestamp))
        reach.next, reach.filed_at = at.offset + 1, at.timestamp

    def token(self, table: str) -> str:
        """Names this batch of this process: ClickHouse takes a second attempt at the same insert for what it is."""
        places = sorted(f"{topic}/{part}:{reach.first}-{reach.next}" for (topic, part), reach in self.reach.items())
        return hashlib.sha256(" ".join((_PROCESS, str(self.number), table, *places)).encode()).hexdigest()
