"""What the process that fits the batch models counts, in one registry, served on its port."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

SECONDS = (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 60)


class BatchMetrics:
    """The forecaster's metrics."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.fits = self._counter("fits", "Fits, by what they came to: ok or the reason of the null forecast",
                                  ("model", "outcome"))  # fmt: skip
        self.forecasts = self._counter("forecasts", "Forecasts filed", ("model",))
        self.scores = self._counter("scores", "Forecasts scored", ("model",))
        self.fit_seconds = Histogram("cryptoviz_forecaster_fit_seconds", "Time of one fit", ("model",), buckets=SECONDS,
                                     registry=self.registry)  # fmt: skip
        self.filed_at = Gauge("cryptoviz_forecaster_last_filed_timestamp_seconds", "When forecasts were filed last",
                              registry=self.registry)  # fmt: skip

    def _counter(self, name: str, what: str, labels: tuple[str, ...]) -> Counter:
        return Counter(f"cryptoviz_forecaster_{name}", what, labels, registry=self.registry)
