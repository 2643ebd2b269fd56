"""The broker's settings and commands, without starting it."""

from __future__ import annotations

from pathlib import Path

from cryptoviz.local.broker import Broker, broker_argv, format_argv, server_properties, write_config
from cryptoviz.settings import load_settings
from cryptoviz.topics import TOPICS


def broker(folder: Path, host: str = "127.0.0.1") -> Broker:
    return Broker(folder, host, 19092, 19093)


def test_the_broker_takes_the_largest_message_any_topic_allows(tmp_path: Path) -> None:
    largest = max(int(topic.config(load_settings())["max.message.bytes"]) for topic in TOPICS)
    properties = server_properties(broker(tmp_path))
    assert int(properties["message.max.bytes"]) >= largest
    assert int(properties["replica.fetch.max.bytes"]) >= largest


def test_everything_a_single_node_replicates_once(tmp_path: Path) -> None:
    properties = server_properties(broker(tmp_path))
    replicated = {
        name: value for name, value in properties.items() if "replication.factor" in name or "min.isr" in name
    }
    assert len(replicated) == 5
    assert set(replicated.values()) == {"1"}


def test_the_settings_file_is_what_kafka_reads(tmp_path: Path) -> None:
    ours = broker(tmp_path / "kafka")
    write_config(ours)
    lines = ours.properties_file.read_text().splitlines()
    assert dict(line.split("=", 1) for line in lines) == server_properties(ours)
    assert not ours.is_formatted


def test_the_commands_run_kafkas_own_classes_with_all_jars(tmp_path: Path) -> None:
    jars = [tmp_path / "one.jar", tmp_path / "two.jar"]
    argv = broker_argv(Path("/java"), jars, broker(tmp_path))
    assert argv[0] == "/java"
    assert argv[argv.index("-cp") + 1] == f"{jars[0]}:{jars[1]}"
    assert argv[-2:] == ("kafka.Kafka", str(broker(tmp_path).properties_file))
    formatting = format_argv(Path("/java"), jars, broker(tmp_path))
    cluster = formatting[formatting.index("--cluster-id") + 1]
    assert len(cluster) == 22
    assert not cluster.startswith("-")
