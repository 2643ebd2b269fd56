"""Real servers for tests, each in a folder and on ports of its own: the Kafka broker and ClickHouse."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from waiting import wait_until

from cryptoviz.cli.migrate import run as migrate
from cryptoviz.local.broker import Broker, broker_argv, format_argv, write_config
from cryptoviz.local.clickhouse.users import WRITER, ensure_users
from cryptoviz.local.jars import resolve_jars
from cryptoviz.local.java import find_java
from cryptoviz.local.kafka_jars import JARS
from cryptoviz.local.ports import free_ports
from cryptoviz.settings import Settings, load_settings

READY_WITHIN_S = 120  # two cores that have other things to do


@dataclass
class Server:
    """A process that can be ended politely, killed, and started again on the same data and port."""

    log: Path
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def argv(self) -> Sequence[str]:
        raise NotImplementedError

    def answers(self) -> bool:
        raise NotImplementedError

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self.argv(), stdout=log, stderr=log, start_new_session=True)
        wait_until(self._is_up, READY_WITHIN_S, f"{type(self).__name__} to answer (log: {self.log})")

    def _is_up(self) -> bool:
        assert self.process is not None
        if self.process.poll() is not None:
            tail = self.log.read_text(errors="replace")[-2000:]
            raise AssertionError(f"{type(self).__name__} ended with {self.process.returncode}:\n{tail}")
        return self.answers()

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def _end(self, number: int) -> None:
        if self.process is None:
            return
        if self.process.poll() is None:
            os.kill(self.process.pid, number)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None


class KafkaServer(Server):
    """The embedded broker; `address` is what clients call bootstrap servers."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "kafka.log")
        port, controller_port = free_ports(2)
        self.broker = Broker(folder / "kafka", "127.0.0.1", port, controller_port)
        self.address = f"127.0.0.1:{port}"
        self._java, self._jars = find_java(), resolve_jars(JARS, lambda received, total: None)
        write_config(self.broker)
        self.prepare()

    def prepare(self, *more: str) -> None:
        """Make the storage ready, once."""
        with self.log.open("ab") as log:
            argv = format_argv(self._java, self._jars, self.broker, *more)
            subprocess.run(argv, stdout=log, stderr=log, check=True)

    def argv(self) -> Sequence[str]:
        return broker_argv(self._java, self._jars, self.broker)

    def answers(self) -> bool:
        try:
            return bool(AdminClient({"bootstrap.servers": self.address, "log_level": 0}).list_topics(timeout=1).brokers)
        except KafkaException:
            return False


class ClickHouseServer(Server):
    """ClickHouse behind the embedded endpoint, with a writer and its password."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "clickhouse.log")
        (self.port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"
        self.user, self.password = WRITER, secrets.token_urlsafe(12)
        self._data, self._users = folder / "clickhouse", folder / "users.json"
        ensure_users(self._users, self.password)

    def settings(self, **more: Any) -> Settings:
        """Those of a part that writes here."""
        return load_settings(
            clickhouse_url=self.url, clickhouse_user=self.user, clickhouse_password=self.password, **more
        )

    def migrated(self, **more: Any) -> Settings:
        """The same with a database that is up to date, one of one's own unless it is named."""
        settings = self.settings(**{"clickhouse_database": f"test_{secrets.token_hex(4)}"} | more)
        migrate(settings)
        return settings

    def argv(self) -> Sequence[str]:
        return (
            sys.executable, "-m", "cryptoviz.local.clickhouse", "--data", str(self._data), "--host", "127.0.0.1",
            "--port", str(self.port), "--users", str(self._users),
        )  # fmt: skip

    def answers(self) -> bool:
        try:
            with urlopen(f"{self.url}/ping", timeout=1) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False
