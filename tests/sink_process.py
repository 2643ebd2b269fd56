"""The sink as a process of its own, and what the tests ask of the database it fills."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import sink_messages as made
from waiting import wait_until

from cryptoviz.clickhouse import connect
from cryptoviz.errors import Retryable
from cryptoviz.kafka import Writer, producer_config
from cryptoviz.messages import encode
from cryptoviz.progress import SINK_GROUP, admin_client, consumer_lag
from cryptoviz.settings import Settings
from processors.sink_rows import TOPICS

CAUGHT_UP_S = 60


class SinkProcess:
    """`cryptoviz sink` with the given settings, or what else Python is to run; its log is `log`."""

    def __init__(self, settings: Settings, folder: Path, *argv: str) -> None:
        self.log = folder / "sink.log"
        self._argv = argv or ("-m", "cryptoviz", "sink")
        self._env = os.environ | {
            "CRYPTOVIZ_KAFKA": settings.kafka,
            "CRYPTOVIZ_CLICKHOUSE_URL": settings.clickhouse_url,
            "CRYPTOVIZ_CLICKHOUSE_USER": settings.clickhouse_user,
            "CRYPTOVIZ_CLICKHOUSE_PASSWORD": settings.clickhouse_password.get_secret_value(),
            "CRYPTOVIZ_CLICKHOUSE_DATABASE": settings.clickhouse_database,
            "CRYPTOVIZ_SINK_PORT": str(settings.sink_port),
            "CRYPTOVIZ_SINK_BATCH_ROWS": str(settings.sink_batch_rows),
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([sys.executable, *self._argv], stdout=log, stderr=log, env=self._env)

    def end(self, number: int = signal.SIGTERM, timeout_s: float = 30) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            os.kill(self.process.pid, number)
        return self.process.wait(timeout_s)

    def text(self) -> str:
        return self.log.read_text() if self.log.exists() else ""


def send(settings: Settings, messages: list[tuple[str, int, Any]]) -> None:
    """Publish (topic, partition, message) and wait until Kafka has them; bytes are sent as they are."""
    writer = Writer(producer_config(settings, "test"))
    for topic, partition, message in messages:
        writer.send(topic, partition, message if isinstance(message, bytes) else encode(message))
    assert writer.flush(30)


def everything(numbers: range) -> list[tuple[str, int, Any]]:
    """Messages of every topic, in rows per number what `PER_NUMBER` says."""
    makers = (
        ("quotes.normalized", made.quotes), ("quotes.normalized", made.heartbeat), ("bars", made.bar),
        ("stats", made.stats), ("predictions", made.prediction), ("signals", made.signal),
        ("quotes.raw.dead", made.letter), ("indicators", made.indicators), ("scores", made.scores),
    )  # fmt: skip
    return [(topic, n % 4, make(n)) for n in numbers for topic, make in makers]


PER_NUMBER = {
    "quotes": 3, "bars": 1, "stats": 2, "predictions": 4, "signals": 2, "dead_letters": 1, "indicators": 1, "scores": 2,
}  # fmt: skip


def counts(settings: Settings) -> dict[str, int]:
    """Rows per table, each id once."""
    client = connect(settings)
    sql = "SELECT count() FROM {}.{} FINAL"
    try:
        database = settings.clickhouse_database
        return {table: client.query(sql.format(database, table)).result_rows[0][0] for table in PER_NUMBER}
    finally:
        client.close()


def ask(settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    """Rows of one query; `{db}` stands for the test's database."""
    client = connect(settings)
    try:
        rows = client.query(sql.replace("{db}", settings.clickhouse_database)).result_rows
        return [tuple(row) for row in rows]
    finally:
        client.close()


def wait_caught_up(settings: Settings) -> None:
    """Return when the sink has committed everything there is."""
    admin = admin_client(settings)

    def caught_up() -> bool:
        try:
            return not any(consumer_lag(settings, SINK_GROUP, TOPICS, admin).values())
        except Retryable:  # a broker just started does not know its groups yet
            return False

    wait_until(caught_up, CAUGHT_UP_S, "the sink to have stored and committed everything", every_s=0.2)
