"""Running the Faust app as a process: event loop, logging, and the topics it needs."""

from __future__ import annotations

import mode.loop

mode.loop.use("uvloop")  # must come before Faust is imported

import faust  # noqa: E402

from cryptoviz.errors import UserError  # noqa: E402
from cryptoviz.kafka_access import Access  # noqa: E402
from cryptoviz.logs import logging_config  # noqa: E402
from cryptoviz.settings import Settings  # noqa: E402
from cryptoviz.topics import TOPICS  # noqa: E402
from processors.app import build  # noqa: E402
from processors.garbage import search_rarely  # noqa: E402

KAFKA_WAIT_S = 30.0


def run(settings: Settings) -> None:
    """Run one worker until SIGTERM; raises `UserError` if Kafka or a topic is missing. Never returns normally."""
    _require_topics(settings)
    app = build(settings)
    app.conf.datadir.mkdir(parents=True, exist_ok=True)
    worker = faust.Worker(
        app,
        loglevel=settings.log_level.upper(),
        logging_config=logging_config(settings.log_level, settings.log_format),
        redirect_stdouts=False,
        quiet=True,
    )
    search_rarely()
    app.watch.start()
    worker.execute_from_commandline()


def _require_topics(settings: Settings) -> None:
    # A worker that subscribes to a topic that does not exist yet would never read it.
    there = Access(settings, settings.worker_name).wait(KAFKA_WAIT_S).topics
    missing = [topic.name for topic in TOPICS if topic.name not in there]
    if missing:
        raise UserError(f"Kafka has no topic {', '.join(missing)}: run `cryptoviz topics` first")
