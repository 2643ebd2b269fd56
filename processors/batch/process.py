"""Running the batch models as a process: clients, signals, metrics, and the topics it needs."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Sequence
from functools import partial

from confluent_kafka import KafkaException

from cryptoviz.assets import AssetRegistry
from cryptoviz.clickhouse import connect
from cryptoviz.errors import Retryable, UserError
from cryptoviz.kafka import Writer, producer_config
from cryptoviz.messages import encode
from cryptoviz.metrics import serve
from cryptoviz.partitions import partition_of
from cryptoviz.settings import Settings
from processors.batch import BATCH_MODELS, available_models
from processors.batch.forecaster import Forecaster, Outgoing
from processors.batch.metrics import BatchMetrics
from processors.sink_process import require_topics

logger = logging.getLogger(__name__)

NAME = "cryptoviz-forecaster"
ARRIVES_WITHIN_S = 30.0  # a forecast that Kafka has not taken by then is given up: it must not be filed afterwards
HOW_TO_GET_THEM = (
    "no batch model is installed: run `make setup-forecast`, or install `cryptoviz[forecast]` where you installed it"
)


def run(settings: Settings) -> None:
    """Fit, file and score until SIGTERM or Ctrl-C; raises `UserError` for what the user can mend."""
    models = available_models(BATCH_MODELS)
    if not models:
        raise UserError(HOW_TO_GET_THEM)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    assets = tuple(AssetRegistry().select(settings.assets).by_ticker)
    require_topics(settings, stop)
    if stop.is_set():
        return
    metrics = BatchMetrics()
    forecaster = Forecaster(
        settings, models, assets, connect=partial(connect, settings), publish=partial(publish, settings),
        metrics=metrics, now_ms=wall_ms,
    )  # fmt: skip
    server = serve(
        settings.host, settings.forecaster_port, "CRYPTOVIZ_FORECASTER_PORT", metrics.registry, forecaster.health
    )
    names = ", ".join(model.name for model in models)
    logger.info("fitting %s to %d assets every %d s", names, len(assets), settings.batch_seconds)
    try:
        forecaster.run(stop)
    finally:
        server.shutdown()
    logger.info("stopped")


def wall_ms() -> int:
    """UTC milliseconds now."""
    return time.time_ns() // 1_000_000


def publish(settings: Settings, messages: Sequence[Outgoing]) -> None:
    """Send and wait until all have arrived; raises `Retryable`, and then what has not arrived never will."""
    # A producer for each time, as there is little to send: one that is given up takes its queue along.
    limits = {"message.timeout.ms": int(ARRIVES_WITHIN_S * 1000), "log_level": 2}
    writer = Writer(producer_config(settings, NAME) | limits)
    try:
        for topic, asset, message in messages:
            writer.send(topic.name, partition_of(asset, settings.partitions), encode(message), asset.encode())
        arrived = writer.flush(ARRIVES_WITHIN_S + 5)
    except KafkaException as error:
        raise Retryable(f"Kafka at {settings.kafka} does not take results: {error.args[0].str()}") from error
    if not arrived:
        raise Retryable(f"Kafka at {settings.kafka} does not answer")
