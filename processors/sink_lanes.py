"""What the sink holds in its hands: topics that go to ClickHouse together, and the forecasts it has seen. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptoviz import topics
from cryptoviz.settings import Settings
from processors.sink_batch import Batch
from processors.sink_rows import DEAD_TOPICS, TOPICS

REMEMBERED_FORECASTS = 20_000
# Dead letters carry whole messages, so that rows alone do not bound the memory. Each lane holds twice as much at most,
# while ClickHouse is away: the batch on its way and the next.
MOST_BYTES = 16 * 1024 * 1024


@dataclass
class Lane:
    """Topics that go to ClickHouse together: a batch being gathered, and at most one on its way."""

    name: str
    topics: tuple[str, ...]
    longest_wait_s: float
    history_wait_s: float
    """The same for a batch without news while more keeps coming: an insert of few rows costs much the same."""
    most_rows: int
    on_its_way: bool = False
    paused: bool = False
    batch: Batch = field(init=False)

    def __post_init__(self) -> None:
        self.batch = Batch(self.name)

    @property
    def full(self) -> bool:
        """Whether the batch has as many rows, or comes from as many bytes, as it may."""
        return self.batch.rows >= self.most_rows or self.batch.size_bytes >= MOST_BYTES

    def due(self, now: float) -> bool:
        """Whether the batch should go: it is full, or its first message has waited long enough."""
        return bool(self.batch.messages) and (self.full or self._has_waited(now))

    def _has_waited(self, now: float) -> bool:
        batch = self.batch
        since = batch.began if batch.news or now - batch.began >= self.history_wait_s else batch.latest
        return now - since >= self.longest_wait_s

    def gathers(self, now: float) -> bool:
        """Whether it has messages that may rightly wait for more of them."""
        return bool(self.batch.messages) and not self.due(now)

    def take(self) -> Batch:
        """The batch gathered so far; the lane begins another."""
        batch, self.batch = self.batch, Batch(self.name)
        return batch


def lanes(settings: Settings) -> list[Lane]:
    """A lane per topic, the dead letters in one; quotes are the ones in a hurry."""
    groups: dict[str, tuple[str, ...]] = {name: (name,) for name in TOPICS if name not in DEAD_TOPICS}
    groups["dead"] = DEAD_TOPICS
    hurry = {topics.NORMALIZED.name: settings.sink_quotes_seconds}
    return [
        Lane(
            name, group, hurry.get(name, settings.sink_rows_seconds), settings.sink_history_seconds,
            settings.sink_batch_rows,
        )
        for name, group in groups.items()
    ]  # fmt: skip


class Forecasts:
    """Hashes of the forecasts seen last, by id: the first one filed counts, a differing second one is noticed."""

    def __init__(self, limit: int = REMEMBERED_FORECASTS) -> None:
        self._limit = limit
        self._hashes: dict[str, int] = {}

    def differs(self, key: str, value: bytes) -> bool:
        """Whether a message with this id was seen before and said something else."""
        if len(self._hashes) >= self._limit and key not in self._hashes:
            del self._hashes[next(iter(self._hashes))]
        said = hash(value)
        return self._hashes.setdefault(key, said) != said
