"""Creating topics, and the commands that look on, against a real broker and ClickHouse."""

from __future__ import annotations

from typing import Any

import pytest
import sink_messages as made
from click.testing import CliRunner
from confluent_kafka.admin import AdminClient
from servers import KafkaServer
from sink_process import everything, send
from waiting import wait_until

from cryptoviz.cli import cryptoviz
from cryptoviz.cli.migrate import run as migrate
from cryptoviz.errors import UserError
from cryptoviz.local.ports import free_ports
from cryptoviz.settings import Settings
from cryptoviz.status import gather
from cryptoviz.topics import BARS, RAW, TOPICS
from cryptoviz.topics_admin import ensure_topics

pytestmark = pytest.mark.stack


@pytest.fixture
def settings(stack_settings: Settings, broker: KafkaServer) -> Settings:
    health, grafana = free_ports(2)
    return stack_settings.model_copy(
        update={"kafka": broker.address, "health_port": health, "grafana_port": grafana, "assets": ("BTC",)}
    )


@pytest.fixture
def command(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """The command line with these settings in its environment."""
    for name in ("kafka", "clickhouse_url", "clickhouse_user", "clickhouse_database", "health_port", "grafana_port",
                 "worker_port", "sink_port", "producer_port"):  # fmt: skip
        monkeypatch.setenv(f"CRYPTOVIZ_{name.upper()}", str(getattr(settings, name)))
    monkeypatch.setenv("CRYPTOVIZ_CLICKHOUSE_PASSWORD", settings.clickhouse_password.get_secret_value())
    monkeypatch.setenv("CRYPTOVIZ_ASSETS", "BTC")
    return CliRunner()


def test_topics_are_made_once_and_as_the_registry_says(settings: Settings, broker: KafkaServer) -> None:
    assert ensure_topics(settings) == [f"created {topic.name}" for topic in TOPICS]
    assert ensure_topics(settings) == []
    known = AdminClient({"bootstrap.servers": broker.address}).list_topics(timeout=10).topics
    assert {topic.name for topic in TOPICS} <= set(known)
    assert {len(known[topic.name].partitions) for topic in TOPICS} == {settings.partitions}


def test_another_retention_is_applied_to_the_topics_that_are_there(settings: Settings) -> None:
    ensure_topics(settings)
    changed = ensure_topics(settings.model_copy(update={"raw_retention_hours": 5, "raw_retention_megabytes": 4096}))
    kept = f"retention.ms = 18000000, retention.bytes = {4096 * 2**20 // settings.partitions}"
    assert changed == [f"{name}: {kept}" for name in (RAW.name, "quotes.normalized")]
    # A broker tells of a change a moment after it has confirmed it.
    assert len(wait_until(lambda: ensure_topics(settings), 20, "the change to be seen and set back")) == 2


def test_another_number_of_partitions_is_refused(settings: Settings) -> None:
    ensure_topics(settings)
    with pytest.raises(UserError, match="has 4 partitions, CRYPTOVIZ_PARTITIONS is 3"):
        ensure_topics(settings.model_copy(update={"partitions": 3}))


def with_consensus(n: int) -> Any:
    message: Any = made.prediction(n)
    for forecast in message["forecasts"]:
        forecast |= {"model": "consensus", "horizon_s": forecast["horizon_s"]}
    return message


def test_watch_once_shows_the_newest_of_what_is_there_and_commits_nothing(
    settings: Settings, command: CliRunner, broker: KafkaServer
) -> None:
    ensure_topics(settings)
    results: list[tuple[str, int, Any]] = [(BARS.name, 1, made.bar(n)) for n in range(300)]
    results += [(topic, 1, make(n)) for n in range(3) for topic, make in
                (("predictions", with_consensus), ("signals", made.signal))]  # fmt: skip
    send(settings, results)
    shown = command.invoke(cryptoviz, ["watch", "--once", "--wait", "20"])
    assert shown.exit_code == 0, shown.output
    (line,) = [line for line in shown.output.splitlines() if "BTC" in line]
    assert "301" in line
    assert "1 h" in line
    assert "BUY HOLD" in line
    groups = AdminClient({"bootstrap.servers": broker.address}).list_consumer_groups().result(10)
    assert "cryptoviz-watch" not in {group.group_id for group in groups.valid}


def test_watch_of_a_source_nobody_knows_is_one_clear_line(settings: Settings, command: CliRunner) -> None:
    ensure_topics(settings)
    outcome = command.invoke(cryptoviz, ["watch", "--once", "--wait", "0.5", "--source", "nobody"])
    assert isinstance(outcome.exception, UserError)
    assert "nothing about source 'nobody'" in str(outcome.exception)


def test_status_says_what_is_stored_what_is_behind_and_what_is_down(settings: Settings) -> None:
    ensure_topics(settings)
    migrate(settings)
    send(settings, everything(range(10)))
    found = gather(settings)
    assert {part.name for part in found.parts if part.up} == {"kafka", "clickhouse"}
    assert found.rows["quotes"] == 0
    assert found.lag["cryptoviz-sink"]["quotes.normalized"] >= 20
    assert found.bars_24h == 0
    assert not found.ok


def test_status_is_printed_as_tables_and_as_json(settings: Settings, command: CliRunner) -> None:
    migrate(settings)
    tables = command.invoke(cryptoviz, ["status"])
    assert tables.exit_code == 0, tables.output
    assert "sink is down" in tables.output
    as_json = command.invoke(cryptoviz, ["status", "--json"])
    assert '"rows"' in as_json.output
