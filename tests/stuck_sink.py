"""A sink as `cryptoviz sink` runs it but with little patience, and `deaf` where asked: run by tests, not by pytest."""

from __future__ import annotations

import sys
from typing import Any

from confluent_kafka import Consumer

import processors.sink_consumer
import processors.sink_insert
import processors.watch
from cryptoviz.logs import configure_logging
from cryptoviz.settings import load_settings
from processors.sink_process import run

STUCK_AFTER_S, BUSY_FOR_S = 4.0, 20.0


class Deaf(Consumer):
    """A consumer whose partitions are paused behind the sink's back, and which stays a member of its group."""

    def consume(self, *arguments: Any) -> list[Any]:
        super().consume(*arguments)
        self.pause(self.assignment())
        return []


def hurry() -> None:
    """Shorten the times, in this process alone."""
    processors.watch.LOOK_EVERY_S, processors.sink_insert.SLOW_S, processors.watch.UNWELL_AFTER_S = 0.2, 1.0, 2.0
    processors.watch.STUCK_AFTER_S, processors.watch.BUSY_FOR_S = STUCK_AFTER_S, BUSY_FOR_S


if __name__ == "__main__":
    hurry()
    settings = load_settings()
    configure_logging(settings.log_level)
    if sys.argv[1:] == ["deaf"]:
        processors.sink_consumer.Consumer = Deaf  # type: ignore[misc]
    run(settings)
