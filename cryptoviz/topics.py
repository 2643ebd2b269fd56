"""The registry of topics: name, message, key, partitions and retention; dead-letter topics are derived."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cryptoviz import messages
from cryptoviz.settings import Settings

HOUR_MS = 3_600_000
MIB = 1024 * 1024
Keeping = Literal["raw", "result", "dead", "state"]


@dataclass(frozen=True)
class Topic:
    """A topic; every one has the same number of partitions, so that an asset's messages share one of them."""

    name: str
    message: type | None
    key: str
    keeping: Keeping
    description: str

    @property
    def dead(self) -> Topic:
        """Where its unreadable messages go."""
        return Topic(f"{self.name}.dead", messages.DeadLetter, "source", "dead", f"what was set aside from {self.name}")

    def config(self, settings: Settings) -> dict[str, str]:
        """Its Kafka settings; the broker's clock stamps each record, so `filed_at` is not ours to set."""
        if self.keeping == "state":
            # Small segments, cleaned soon: a restart reads the topic from its beginning.
            return {"message.timestamp.type": "LogAppendTime", "cleanup.policy": "compact", "segment.ms": "60000",
                    "segment.bytes": "16777216", "min.cleanable.dirty.ratio": "0.1",
                    "min.compaction.lag.ms": "0", "max.compaction.lag.ms": "120000", "delete.retention.ms": "60000",
                    "max.message.bytes": "8388608"}  # fmt: skip
        hours: int = getattr(settings, f"{self.keeping}_retention_hours")
        megabytes: int = getattr(settings, f"{self.keeping}_retention_megabytes")
        # Kafka drops whole segments, of each partition by itself: what is kept is exact to one of them.
        return {"message.timestamp.type": "LogAppendTime", "cleanup.policy": "delete",
                "retention.ms": str(hours * HOUR_MS), "retention.bytes": str(megabytes * MIB // settings.partitions),
                "segment.bytes": str(_segment_bytes(megabytes * MIB // settings.partitions)),
                "max.message.bytes": "8388608"}  # fmt: skip


def _segment_bytes(partition_bytes: int) -> int:
    """A quarter of what a partition keeps, but never so little that a message would not fit or files would be many."""
    return max(16 * MIB, min(128 * MIB, partition_bytes // 4))


RAW = Topic("quotes.raw", messages.RawQuotes, "asset (batches: none, the partition is set)", "raw",
            "answers of the sources, parsed into quotes, and heartbeats")  # fmt: skip
NORMALIZED = Topic(
    "quotes.normalized", messages.NormalizedQuotes, "as quotes.raw", "raw", "quotes that passed every check"
)
BARS = Topic("bars", messages.Bar, "asset", "result", "closed bars per series, of the bar interval, an hour and a day")
STATS = Topic("stats", messages.Stats, "asset", "result", "rolling statistics at the end of every bar")
INDICATORS = Topic("indicators", messages.Indicators, "asset", "result", "technical indicators at the end of every bar")
PREDICTIONS = Topic("predictions", messages.Prediction, "asset", "result", "forecasts of all models and horizons")
SIGNALS = Topic("signals", messages.Signal, "asset", "result", "BUY, SELL or HOLD with the rule that decided")
SCORES = Topic("scores", messages.Scores, "asset", "result", "forecasts against what happened")
LEDGER = Topic("ledger", messages.LedgerEntry, "asset", "result", "how each series stands, told when it changes")
ALERTS = Topic("alerts", None, "asset", "result", "alerts, once rules are defined")
STATE = Topic("worker.state", None, "partition", "state", "what a worker needs to go on where another stopped")

QUOTES_AND_RESULTS = (RAW, NORMALIZED, BARS, STATS, INDICATORS, PREDICTIONS, SIGNALS, SCORES, LEDGER, ALERTS)
TOPICS: tuple[Topic, ...] = (*QUOTES_AND_RESULTS, *(topic.dead for topic in QUOTES_AND_RESULTS), STATE)
