"""Says every so often how far behind each group is, so that a log of a run shows who stood still and for how long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cryptoviz.errors import Retryable
from cryptoviz.progress import SINK_GROUP, WORKER_GROUP, consumer_lag
from cryptoviz.settings import Settings
from cryptoviz.topics import NORMALIZED, RAW
from processors.sink_rows import TOPICS

EVERY_S = 20.0


@contextmanager
def watched(settings: Settings, answers: Callable[[], bool], say: Callable[[str], None]) -> Iterator[None]:
    """Watch as long as the context lasts, while the broker `answers`; in a thread, because asking may take long."""
    stop, began = threading.Event(), time.monotonic()

    def watch() -> None:
        while not stop.wait(EVERY_S):
            say(f"{time.monotonic() - began:7.1f} s    {_behind(settings) if answers() else 'Kafka does not answer'}")

    thread = threading.Thread(target=watch, name="watcher", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _behind(settings: Settings) -> str:
    try:
        worker = consumer_lag(settings, WORKER_GROUP, (RAW.name, NORMALIZED.name))
        sink = sum(consumer_lag(settings, SINK_GROUP, TOPICS).values())
    except Retryable:
        return "Kafka does not answer"
    raw, normalized = (worker.get(topic.name, 0) for topic in (RAW, NORMALIZED))
    return f"messages left: {raw} to normalise, {normalized} to compute, {sink} to store"
