"""The worker's metrics, by Prometheus' client library."""

from __future__ import annotations

from collections import Counter as Counts

from prometheus_client import Counter, Histogram

QUOTES = Counter("cryptoviz_quotes_normalized_total", "Quotes that passed every check", ["source"])
REJECTED = Counter("cryptoviz_quotes_rejected_total", "Quotes and messages set aside", ["source", "reason"])
RESULTS = Counter("cryptoviz_results_total", "Result messages published", ["topic"])
LATE = Counter("cryptoviz_quotes_late_total", "Quotes whose bar was closed when they came", ["source"])
FORECAST_SECONDS = Histogram(
    "cryptoviz_forecast_seconds",
    "Time to compute everything that one message made due, forecasts among it",
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 5),
)


def counted(counts: Counts[tuple[str, str]]) -> None:
    """Add what an engine has counted."""
    for (_, source), number in counts.items():
        LATE.labels(source).inc(number)
