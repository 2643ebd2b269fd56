"""A stack with secrets that can be recognised, its worst moments included: none is told anywhere, and logs are JSON."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pytest
from stacks import PORTS, READY_WITHIN_S, Up, up
from waiting import wait_until

from cryptoviz.local.ports import free_ports
from producers.sources import SOURCES

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
MARK = "Sesame-4711"
KEYS = {f"CRYPTOVIZ_{source.upper()}_API_KEY": f"{MARK}-{source}" for source in SOURCES}
PASSWORDS = {
    "CRYPTOVIZ_CLICKHOUSE_PASSWORD": f"{MARK}-writer",
    "CRYPTOVIZ_CLICKHOUSE_GRAFANA_PASSWORD": f"{MARK}-grafana",
    "CRYPTOVIZ_CLICKHOUSE_ANALYST_PASSWORD": f"{MARK}-analyst",
    "CRYPTOVIZ_ALERT_WEBHOOK": f"http://127.0.0.1:1/{MARK}-hook",
    "CRYPTOVIZ_ALERT_WEBHOOK_TOKEN": f"{MARK}-token",
}
LOUD = {"CRYPTOVIZ_LOG_LEVEL": "debug", "CRYPTOVIZ_LOG_FORMAT": "json", "CRYPTOVIZ_HEARTBEAT_SECONDS": "1"}
USERS = "clickhouse-users.json"
"""The one place where passwords belong, readable by its owner alone."""
ONE_SHOTS = {"kafka-format", "topics", "migrate"}
"""They say what they have done as to somebody at a terminal."""
LINE = {"time", "level", "logger", "message"}


@contextmanager
def _market(folder: Path) -> Iterator[str]:
    """The demo market as if it were the sources themselves: the embedded one would replace the keys."""
    (port,) = free_ports(1)
    argv = [sys.executable, "-m", "cryptoviz.local.market", "--port", str(port), "--faults", "none"]
    with (folder / "market.log").open("wb") as log:
        process = subprocess.Popen(argv, stdout=log, stderr=log)
    try:
        wait_until(lambda: _text(f"http://127.0.0.1:{port}/ping"), 60, "the market")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def _text(address: str, headers: dict[str, str] | None = None) -> str:
    try:
        with urlopen(Request(address, headers=headers or {}), timeout=10) as answer:
            return str(answer.read().decode())
    except HTTPError as error:
        return str(error.read().decode())
    except (URLError, OSError):
        return ""


def _told(stack: Up) -> dict[str, str]:
    """What every port answers to those who ask how things are."""
    ports = {name: stack.environment[name] for name in PORTS if name not in {"CRYPTOVIZ_KAFKA_PORT"}}
    return {
        f"{name}{path}": _text(f"http://127.0.0.1:{port}{path}")
        for name, port in ports.items()
        for path in ("/health", "/metrics")
    }


def _put_to_the_test(stack: Up) -> None:
    """A wrong password, and ClickHouse killed, so that parts have failures to tell of."""
    port = stack.environment["CRYPTOVIZ_CLICKHOUSE_PORT"]
    guess = {"X-ClickHouse-User": "cryptoviz", "X-ClickHouse-Key": f"{MARK}-guess"}
    assert "AUTHENTICATION_FAILED" in _text(f"http://127.0.0.1:{port}/?query=SELECT%201", guess)
    _text(f"http://127.0.0.1:{port}/?query=SELECT%201&user=cryptoviz&password={MARK}-guess")
    os.kill(stack.health()["parts"]["clickhouse"]["pid"], signal.SIGKILL)
    wait_until(lambda: stack.health()["parts"]["clickhouse"]["restarts"] == 1, READY_WITHIN_S, "ClickHouse to be back")
    stack.wait_until_well()


def test_no_secret_is_told_in_logs_health_or_metrics(tmp_path: Path) -> None:
    with _market(tmp_path) as market:
        urls = {f"CRYPTOVIZ_{source.upper()}_URL": f"{market}/{source}" for source in SOURCES}
        urls["CRYPTOVIZ_COINGECKO_URL"] = "http://127.0.0.1:1"  # nobody is there: its failures are told
        with up(tmp_path, demo=False, more=KEYS | PASSWORDS | LOUD | urls) as stack:
            wait_until(lambda: stack.health()["parts"].get("produce", {}).get("pid"), READY_WITHIN_S, "the producer")
            failures = f"http://127.0.0.1:{stack.environment['CRYPTOVIZ_PRODUCER_PORT']}/metrics"
            wait_until(lambda: 'failures_total{reason="' in _text(failures), READY_WITHIN_S, "a failure of a source")
            stack.wait_until_well()
            _put_to_the_test(stack)
            told = _told(stack)
    assert len([text for text in told.values() if "# HELP" in text]) >= 5
    assert [where for where, text in told.items() if MARK in text] == []
    home = tmp_path / "home"
    files = [path for path in [*home.rglob("*"), *tmp_path.glob("*.*")] if path.is_file()]
    assert [str(path) for path in files if MARK.encode() in path.read_bytes() and path.name != USERS] == []
    assert MARK in (home / USERS).read_text()
    assert (home / USERS).stat().st_mode & 0o077 == 0
    _are_json(sorted((home / "logs").glob("*.log")))


def _are_json(logs: list[Path]) -> None:
    assert {"produce.log", "sink.log", "worker-1.log", "clickhouse.log", "kafka.log"} <= {path.name for path in logs}
    for path in logs:
        lines = path.read_text().splitlines() if path.stem not in ONE_SHOTS else []
        if (
            path.stem == "kafka"
        ):  # Java and its library for logging say a little of their own, before and after all else
            lines = [line for line in lines if line.startswith("{")]
            assert len(lines) > 100
        for line in lines:
            assert json.loads(line).keys() - {"exception"} == LINE, f"{path.name}: {line}"
