"""A sink that does not get on, against real servers: it ends itself, unless it waits for somebody else.

Those of most tests have little patience: see `stuck_sink`.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import sink_messages as made
from confluent_kafka import Producer
from pydantic import SecretStr
from servers import ClickHouseServer, KafkaServer
from sink_process import PER_NUMBER, SinkProcess, counts, everything, send, wait_caught_up
from stuck_sink import STUCK_AFTER_S
from waiting import wait_until

from cryptoviz.cli.migrate import run as migrate
from cryptoviz.messages import encode
from cryptoviz.settings import Settings
from cryptoviz.topics_admin import ensure_topics
from processors.watch import EXIT_STUCK

pytestmark = pytest.mark.stack
SCRIPT = str(Path(__file__).parents[1] / "stuck_sink.py")


@pytest.fixture
def settings(stack_settings: Settings, broker: KafkaServer, clickhouse_to_kill: ClickHouseServer) -> Settings:
    """Topics and tables are there."""
    access = {"clickhouse_url": clickhouse_to_kill.url, "clickhouse_password": SecretStr(clickhouse_to_kill.password)}
    settings = stack_settings.model_copy(update={"kafka": broker.address} | access)
    ensure_topics(settings)
    migrate(settings)
    return settings


@pytest.fixture
def sink(settings: Settings, tmp_path: Path) -> Iterator[SinkProcess]:
    process = SinkProcess(settings, tmp_path, SCRIPT)
    yield process
    if process.process is not None:
        process.end(signal.SIGKILL)


def health(settings: Settings) -> tuple[int, dict[str, Any]]:
    """The status and what /health says; 0 before it says anything."""
    try:
        answer = requests.get(f"http://127.0.0.1:{settings.sink_port}/health", timeout=5)
    except requests.RequestException:
        return 0, {"partitions": {}}
    return answer.status_code, answer.json()


def vain_inserts(settings: Settings) -> float:
    text = requests.get(f"http://127.0.0.1:{settings.sink_port}/metrics", timeout=5).text
    return float(text.partition("\ncryptoviz_sink_insert_failures_total ")[2].split()[0])


def stillest(settings: Settings) -> float:
    return max((place["still_seconds"] for place in health(settings)[1]["partitions"].values()), default=0.0)


def expected(length: int) -> dict[str, int]:
    return {table: rows * length for table, rows in PER_NUMBER.items()}


def test_a_sink_that_stands_still_says_so_and_ends_itself_and_the_next_one_goes_on(
    settings: Settings, sink: SinkProcess, tmp_path: Path
) -> None:
    deaf = SinkProcess(settings, tmp_path, SCRIPT, "deaf")
    send(settings, everything(range(40)))
    deaf.start()
    assert deaf.process is not None
    wait_until(lambda: health(settings)[0] == 503, 60, "the sink to say that it is unwell")
    assert deaf.process.wait(60) == EXIT_STUCK
    assert "nothing was committed for" in deaf.text()
    assert "('bars', 0)" in deaf.text()
    assert "the sink ends, to be started again" in deaf.text()
    sink.start()
    wait_caught_up(settings)
    assert counts(settings) == expected(40)


def test_an_outage_of_clickhouse_is_nobodys_fault(
    settings: Settings, clickhouse_to_kill: ClickHouseServer, sink: SinkProcess
) -> None:
    sink.start()
    send(settings, everything(range(40, 50)))
    wait_caught_up(settings)
    clickhouse_to_kill.kill()
    send(settings, everything(range(50, 80)))
    # They are 0.1, 0.2, 0.4 ... 5 s apart, together 26 s: longer than it may stand still, whatever it does meanwhile.
    wait_until(lambda: vain_inserts(settings) >= 11, 120, "eleven inserts in vain")
    status, said = health(settings)
    assert (status, said["state"]) == (200, "waiting for ClickHouse")
    assert sum(place["behind"] for place in said["partitions"].values()) > 0
    clickhouse_to_kill.start()
    wait_caught_up(settings)
    assert counts(settings) == expected(40)
    assert sink.end() == 0


def test_a_slow_insert_is_not_a_sink_that_stands_still(
    settings: Settings, clickhouse_to_kill: ClickHouseServer, sink: SinkProcess
) -> None:
    sink.start()
    send(settings, everything(range(80, 82)))
    wait_caught_up(settings)
    assert clickhouse_to_kill.process is not None
    os.kill(clickhouse_to_kill.process.pid, signal.SIGSTOP)
    send(settings, everything(range(82, 84)))
    wait_until(lambda: stillest(settings) > 1.5 * STUCK_AFTER_S, 60, "messages to wait for longer than they may")
    assert health(settings)[0] == 200
    os.kill(clickhouse_to_kill.process.pid, signal.SIGCONT)
    wait_caught_up(settings)
    assert counts(settings) == expected(4)
    assert sink.end() == 0


def test_what_transactions_leave_in_the_log_is_no_work_left_undone(settings: Settings, sink: SinkProcess) -> None:
    """Marks of their ends, messages given up, and at the end one that is still under way."""
    writer = Producer({"bootstrap.servers": settings.kafka, "transactional.id": "test"})
    writer.init_transactions()

    def within(number: int) -> None:
        writer.begin_transaction()
        writer.produce("bars", encode(made.bar(number)), partition=number % 4)
        assert writer.flush(30) == 0

    for number, end in ((100, writer.commit_transaction), (101, writer.abort_transaction)):
        within(number)
        end()
    within(102)
    sink.start()
    wait_caught_up(settings)
    assert counts(settings)["bars"] == 1
    writer.commit_transaction()
    wait_until(lambda: counts(settings)["bars"] == 2, 30, "the last message to be stored")
    wait_caught_up(settings)


def test_a_sink_that_gets_on_says_how_far_each_partition_is(settings: Settings, sink: SinkProcess) -> None:
    send(settings, everything(range(200, 220)))
    sink.start()

    def through() -> bool:
        status, said = health(settings)
        bars = [place for name, place in said["partitions"].items() if name.startswith("bars/")]
        return status == 200 and len(bars) == 4 and all(place["end"] > 0 == place["behind"] for place in bars)

    wait_until(through, 60, "the sink to be through")
    said = health(settings)[1]
    assert (said["part"], said["state"], said["ok"]) == ("sink", "running", True)
    assert said["lag"]["bars"] == 0
    assert sink.end() == 0
