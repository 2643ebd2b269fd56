"""Which of the parts' metrics are stored, and how counters become increases that can be summed over any period."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

COUNTING = re.compile(r"_(total|sum|count)$")
STORED = frozenset({
    "cryptoviz_producer_failures_total",
    "cryptoviz_producer_pending_messages",
    "cryptoviz_producer_rejected_total",
    "cryptoviz_producer_repeated_total",
    "cryptoviz_producer_requests_total",
    "cryptoviz_quotes_late_total",
    "cryptoviz_quotes_normalized_total",
    "cryptoviz_quotes_rejected_total",
    "cryptoviz_sink_batch_rows_sum",
    "cryptoviz_sink_delay_seconds_sum",
    "cryptoviz_sink_insert_failures_total",
    "cryptoviz_sink_insert_seconds_count",
    "cryptoviz_sink_insert_seconds_sum",
    "cryptoviz_sink_waiting",
    "process_resident_memory_bytes",
})  # fmt: skip
"""Metrics of the parts that are stored; the others stay on /metrics."""

Labels = tuple[tuple[str, str], ...]
Series = tuple[str, Labels]
"""(metric, its labels in order)."""


@dataclass(frozen=True)
class Sample:
    """One value of one series at the time of a round; what counts up comes as its increase since the round before."""

    part: str
    name: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


def read(text: str) -> dict[Series, float]:
    """The values in a Prometheus text by series; raises `ValueError` if it is none."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@dataclass
class Increases:
    """What the counters of every part were at its last answer.

    A counter that began to count after `seen_until_s` (Unix seconds, of the last sample that was stored) counts whole
    when it is first seen; of an older one nobody can say what was stored already, so its increase begins then.
    """

    seen_until_s: float
    _last: dict[tuple[str, Series], tuple[float, float]] = field(default_factory=dict)
    """(value, time it began) by part and series."""

    def samples(self, part: str, values: Mapping[Series, float]) -> Iterator[Sample]:
        """The samples to store of one part's answer."""
        for series, value in values.items():
            name, labels = series
            if name in STORED:
                counts = COUNTING.search(name) is not None
                yield Sample(part, name, self._increase(part, series, values) if counts else value, dict(labels))

    def _increase(self, part: str, series: Series, values: Mapping[Series, float]) -> float:
        name, labels = series
        value, began_s = values[series], values.get((COUNTING.sub("_created", name), labels), 0.0)
        before, began_before_s = self._last.get((part, series), (None, 0.0))
        self._last[part, series] = value, began_s
        if before is not None and began_s == began_before_s:
            return value - before
        return value if before is not None or began_s > self.seen_until_s else 0.0
