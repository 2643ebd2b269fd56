"""Writes docs/metrics.md from the registries that hold the metrics: `make generate`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.registry import CollectorRegistry

from cryptoviz.monitor.samples import STORED

OF_THE_LIBRARY = (GCCollector, PlatformCollector, ProcessCollector)
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
STORED_ONLY = {
    "cryptoviz_up": ("", "1 while the part answers on its port"),
    "cryptoviz_consumer_lag_messages": ("consumer, topic", "Messages a consumer has not read yet"),
    "cryptoviz_disk_bytes": ("kind", "Free and total bytes of ClickHouse's disk"),
    "cryptoviz_table_bytes": ("table", "Bytes of a table on the disk"),
    "cryptoviz_table_parts": ("table", "Parts of a table that are in use"),
    "cryptoviz_quote_age_seconds": ("source", "Age of the newest quote of a source"),
    "cryptoviz_delay_seconds": ("from, quantile", "How long a message took to its table"),
    "cryptoviz_kafka_bytes": ("", "Disk the embedded broker takes"),
}
"""What the monitor finds out itself: labels and meaning."""

HEADER = """# Metrics

`make generate` writes this page from the code. Every part serves its metrics in Prometheus' text form at `/metrics` of
its port ([running](running.md)); where a Prometheus collects them is your choice, nothing here needs one. *Stored*: the
monitor keeps it in ClickHouse's table `metrics`, which the dashboard Pipeline and the alerts read. Every metric that
counts also has a `_created` with the time it began. On Linux every part but the stack itself also tells
`process_*` (memory, CPU, open files, start) of Prometheus' client library, and the worker and the monitor `python_*`.

No label has values that strangers can choose: an unknown source is counted under the empty `source`.
"""


def metrics_page(parts: Mapping[str, CollectorRegistry]) -> str:
    """The text of the page; `parts` are the registries by the name of their part and its setting of the port."""
    lines = [HEADER]
    for title, registry in parts.items():
        rows = [(name, kind, labels, what, _is_stored(name, kind)) for name, kind, labels, what in described(registry)]
        lines += [f"## {title}", "", *_table(("name", "kind", "labels", "meaning", "stored"), rows), ""]
    lines += ["## Stored by the monitor alone", "", "Found out by the monitor and written to the table `metrics`.", ""]
    lines += _table(("name", "labels", "meaning"), [(name, *about) for name, about in STORED_ONLY.items()])
    return "\n".join(lines) + "\n"


def described(registry: CollectorRegistry) -> Iterator[tuple[str, str, str, str]]:
    """(name as it is served, kind, labels, meaning) of each of our metrics in a registry."""
    for collector in list(registry._collector_to_names):
        if isinstance(collector, OF_THE_LIBRARY):
            continue
        for metric in collector.collect():
            name = metric.name + ("_total" if metric.type == "counter" else "")
            yield name, metric.type, ", ".join(_labels(collector, metric)), metric.documentation


def _labels(collector: Any, metric: Any) -> Iterable[str]:
    """The names of a metric's labels; those of a metric made when it is asked for are seen in its samples."""
    declared = getattr(collector, "_labelnames", None)
    return declared if declared is not None else sorted({name for sample in metric.samples for name in sample.labels})


def _is_stored(name: str, kind: str) -> str:
    stored = [suffix for suffix in SUFFIXES.get(kind, ()) if name + suffix in STORED]
    return "yes" if name in STORED else ", ".join(f"`{suffix}`" for suffix in stored)


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    heads = list(heads)
    yield f"| {' | '.join(heads)} |"
    yield "|" + "---|" * len(heads)
    for name, *cells in rows:
        yield f"| `{name}` | {' | '.join(cells)} |"
