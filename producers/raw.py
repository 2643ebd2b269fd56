"""Quotes to messages of quotes.raw: split by partition, one message per partition, empty ones as heartbeats."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cryptoviz.messages import Origin, Quote, RawQuotes, SourceStatus, encode
from cryptoviz.partitions import partition_of


@dataclass(frozen=True)
class Envelope:
    """What all messages of one source have in common."""

    source: str
    origin: Origin
    interval_s: int
    poll_interval_s: float
    partitions: int
    backfill_until: int | None = None

    def heartbeats(self, received_at: int, status: SourceStatus | None = None) -> Iterator[tuple[int, bytes]]:
        """(partition, message) for every partition: the source's clock moves on though nothing came."""
        beat = encode(self._message(received_at, []) | {"status": status})
        return ((partition, beat) for partition in range(self.partitions))

    def messages(self, quotes: Iterable[Quote]) -> Iterator[tuple[int, bytes]]:
        """(partition, message) for each partition that has quotes, which keep their order."""
        parts: defaultdict[int, list[Quote]] = defaultdict(list)
        for quote in quotes:
            parts[partition_of(quote["asset"], self.partitions)].append(quote)
        for partition, group in sorted(parts.items()):
            received_at = max(quote["received_at"] for quote in group)
            yield partition, encode(self._message(received_at, group))

    def _message(self, received_at: int, quotes: list[Quote]) -> RawQuotes:
        return {
            "source": self.source,
            "origin": self.origin,
            "received_at": received_at,
            "interval_s": self.interval_s,
            "poll_interval_s": self.poll_interval_s,
            "backfill_until": self.backfill_until,
            "quotes": quotes,
        }
