"""One message of the sink into the rows of a batch, or set aside with the reason."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any

from cryptoviz import topics
from cryptoviz.errors import Invalid
from cryptoviz.kafka import Writer
from cryptoviz.messages import encode
from processors.normalise import Position, dead_letter
from processors.sink_batch import Batch
from processors.sink_lanes import Forecasts
from processors.sink_metrics import SinkMetrics
from processors.sink_rows import DEAD_TOPICS, Health, add_message, add_unreadable_letter

logger = logging.getLogger(__name__)

# What is filed longer after its moment is history, or was computed of a backlog: nobody waits for it this second.
NEWS_MS = 300_000
# When a message's moment was, in ms; those of other topics are always news.
_MOMENT: dict[str, Callable[[Mapping[str, Any]], int]] = {
    topics.NORMALIZED.name: itemgetter("received_at"),
    topics.BARS.name: lambda bar: int(bar["start"] + bar["interval_s"] * 1000),
    topics.STATS.name: itemgetter("at"),
    topics.INDICATORS.name: itemgetter("at"),
    topics.PREDICTIONS.name: itemgetter("made_at"),
    topics.SIGNALS.name: itemgetter("made_at"),
    topics.SCORES.name: itemgetter("target_at"),
}


def is_news(message: Mapping[str, Any], at: Position) -> bool:
    """Whether a message was filed soon after the moment it tells of."""
    moment = _MOMENT.get(at.topic)
    return moment is None or at.timestamp - moment(message) < NEWS_MS


class Unpacker:
    """Adds messages to batches; knows what was said before of sources and forecasts."""

    def __init__(self, writer: Writer, metrics: SinkMetrics) -> None:
        self._writer, self._metrics = writer, metrics
        self._health, self._forecasts = Health(), Forecasts()

    def add(self, batch: Batch, value: bytes, at: Position) -> None:
        """Add the rows of one message; one that cannot be read becomes a dead letter."""
        try:
            message = add_message(value, at, batch.tables, self._health)
        except Invalid as error:
            self._set_aside(batch, value, error, at)
            batch.news = True
            return
        batch.news = batch.news or is_news(message, at)
        if at.topic == topics.PREDICTIONS.name and self._forecasts.differs(message["id"], value):
            self._metrics.conflicts.inc()
            logger.warning("%s was filed before and said otherwise; the first one counts", message["id"])

    def _set_aside(self, batch: Batch, value: bytes, error: Invalid, at: Position) -> None:
        self._metrics.rejected.labels(at.topic, error.reason).inc()
        logger.warning("%s/%d/%d cannot be stored: %s", at.topic, at.partition, at.offset, error)
        if at.topic in DEAD_TOPICS:
            add_unreadable_letter(value, error, at, batch.tables)
        else:
            self._writer.send(f"{at.topic}.dead", at.partition, encode(dead_letter(value, error, at)))
