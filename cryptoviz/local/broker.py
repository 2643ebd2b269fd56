"""The embedded Kafka broker: Apache Kafka itself, one node that is broker and controller, on a folder of its own."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

NODE_ID = 1
HEAP_MB = 256
MIB = 1024 * 1024
# Topics allow messages of 8 MiB; a batch of one such message has its own header on top.
MAX_MESSAGE_BYTES = 8 * MIB + 64 * 1024

PATTERNS = {
    "text": "%d{yyyy-MM-dd'T'HH:mm:ss.SSS'Z'}{UTC} %p %c{1} %m%n",
    "json": '{"time":"%d{yyyy-MM-dd\'T\'HH:mm:ss.SSS\'Z\'}{UTC}","level":"%p","logger":"%c","message":"%enc{%m}{JSON}"'
    '%notEmpty{,"exception":"%enc{%throwable}{JSON}"}}%n',
}
LOG4J2 = """\
status = warn
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = {pattern}
appender.out.layout.alwaysWriteExceptions = {exceptions_below}
rootLogger.level = info
rootLogger.appenderRef.out.ref = out
# A thousand lines of settings at every start hide the rest.
logger.settings.name = org.apache.kafka.common.config.AbstractConfig
logger.settings.level = warn
"""


@dataclass(frozen=True)
class Broker:
    """Where the broker keeps its things and where it listens, which is where it is called."""

    folder: Path
    host: str
    port: int
    controller_port: int
    log_format: str = "text"

    @property
    def properties_file(self) -> Path:
        """Kafka's own settings file."""
        return self.folder / "server.properties"

    @property
    def log4j2_file(self) -> Path:
        """Logging: everything to standard output, which the supervisor sends to the part's file."""
        return self.folder / "log4j2.properties"

    @property
    def data(self) -> Path:
        """The log segments."""
        return self.folder / "data"

    @property
    def is_formatted(self) -> bool:
        """Whether the storage has been made ready, which is needed once."""
        return (self.data / "meta.properties").is_file()


def server_properties(broker: Broker) -> dict[str, str]:
    """Kafka's settings for a single node; sizes are those of a laptop, not of a cluster."""
    address = f"{broker.host}:{broker.port}"
    controller = f"127.0.0.1:{broker.controller_port}"
    return {
        "process.roles": "broker,controller",
        "node.id": str(NODE_ID),
        "controller.quorum.voters": f"{NODE_ID}@{controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{broker.host}:{broker.port},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{address}",
        "log.dirs": str(broker.data.resolve()),
        # After a kill the controller lets the broker back in when its old session has run out.
        "broker.session.timeout.ms": "3000",
        "broker.heartbeat.interval.ms": "500",
        "auto.create.topics.enable": "false",
        "group.initial.rebalance.delay.ms": "0",
        "message.max.bytes": str(MAX_MESSAGE_BYTES),
        "replica.fetch.max.bytes": str(MAX_MESSAGE_BYTES),
        "log.segment.bytes": str(128 * MIB),
        "log.retention.hours": "168",
        "log.retention.check.interval.ms": "60000",
        # The default of 128 MB would take half of the heap.
        "log.cleaner.dedupe.buffer.size": str(16 * MIB),
        "log.cleaner.threads": "1",
        "num.network.threads": "2",
        "num.io.threads": "4",
        "offsets.topic.num.partitions": "4",
        "offsets.topic.replication.factor": "1",
        "transaction.state.log.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
    }


def write_config(broker: Broker) -> None:
    """Write the settings anew at every start: ports and host may have changed since."""
    broker.folder.mkdir(parents=True, exist_ok=True)
    lines = "".join(f"{name}={value}\n" for name, value in server_properties(broker).items())
    broker.properties_file.write_text(lines, encoding="utf-8")
    below = str(broker.log_format == "text").lower()
    logging = LOG4J2.replace("{pattern}", PATTERNS[broker.log_format]).replace("{exceptions_below}", below)
    broker.log4j2_file.write_text(logging, encoding="utf-8")


def format_argv(java: Path, jars: Sequence[Path], broker: Broker, *more: str) -> tuple[str, ...]:
    """The command that makes the storage ready; it must have ended before the broker starts the first time."""
    return (
        *_java_argv(java, jars, broker, 64, "-XX:TieredStopAtLevel=1"),
        "kafka.tools.StorageTool", "format", "--ignore-formatted",
        "--cluster-id", _cluster_id(), "--config", str(broker.properties_file), *more,
    )  # fmt: skip


def broker_argv(java: Path, jars: Sequence[Path], broker: Broker) -> tuple[str, ...]:
    """The command that is the broker."""
    return (*_java_argv(java, jars, broker, HEAP_MB), "kafka.Kafka", str(broker.properties_file))


def _java_argv(java: Path, jars: Sequence[Path], broker: Broker, heap_mb: int, *more: str) -> tuple[str, ...]:
    return (
        str(java), f"-Xmx{heap_mb}m", "-XX:+UseSerialGC", "-XX:+ExitOnOutOfMemoryError", *more,
        f"-Dlog4j2.configurationFile={broker.log4j2_file}",
        "-cp", ":".join(str(jar) for jar in jars),
    )  # fmt: skip


def _cluster_id() -> str:
    while (name := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass  # a leading dash would look like an option
    return name
