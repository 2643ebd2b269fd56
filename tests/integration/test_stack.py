"""The whole stack as one command: it gets ready, mends itself, and leaves nothing however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import psutil
import pytest
from supervising import is_running
from waiting import wait_until

from cryptoviz.local.ports import free_ports

READY_WITHIN_S = 150  # two cores that have other things to do
PORTS = ("KAFKA", "KAFKA_CONTROLLER", "CLICKHOUSE", "HEALTH", "MARKET", "WORKER", "PRODUCER", "SINK", "GRAFANA")

pytestmark = pytest.mark.stack


@dataclass
class Up:
    """A running `cryptoviz up --demo`."""

    process: subprocess.Popen[str]
    environment: dict[str, str]

    def health(self) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self.environment['CRYPTOVIZ_HEALTH_PORT']}/health"
        try:
            with urlopen(url, timeout=5) as answer:
                return dict(json.load(answer))
        except HTTPError as error:
            return dict(json.load(error))
        except (URLError, OSError):
            assert self.process.poll() is None, "the stack has ended"
            return {"ok": False, "parts": {}}

    def wait_until_well(self) -> dict[str, Any]:
        wait_until(lambda: self.health()["ok"], READY_WITHIN_S, "the stack to be well", every_s=0.3)
        return self.health()

    def processes(self) -> list[int]:
        """All processes of the stack: the command itself, its reaper and the parts."""
        return [self.process.pid, *(child.pid for child in psutil.Process(self.process.pid).children(recursive=True))]


def environment(folder: Path) -> dict[str, str]:
    ports = {f"CRYPTOVIZ_{name}_PORT": str(port) for name, port in zip(PORTS, free_ports(len(PORTS)), strict=True)}
    without_grafana = {"GRAFANA_HOME": str(folder / "no-grafana")}
    return {**os.environ, **ports, **without_grafana, "CRYPTOVIZ_HOME": str(folder / "home")}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "cryptoviz", *arguments]


@contextmanager
def up(folder: Path, *arguments: str) -> Iterator[Up]:
    env = environment(folder)
    with (folder / "up.out").open("w") as output:
        process = subprocess.Popen(
            command("up", "--demo", *arguments), env=env, stdout=output, stderr=output, text=True, cwd=folder
        )
    try:
        yield Up(process, env)
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(30)


def nobody_left(pids: list[int]) -> bool:
    return not any(map(is_running, pids))


def test_the_stack_mends_itself_and_ends_without_a_trace(tmp_path: Path) -> None:
    with up(tmp_path) as stack:
        before = stack.wait_until_well()
        pids = stack.processes()

        # Somebody else may not use the same home meanwhile.
        second = subprocess.run(
            command("up", "--demo"), env=stack.environment, capture_output=True, text=True, timeout=60, check=False,
            cwd=tmp_path,
        )  # fmt: skip
        assert second.returncode == 1
        assert f"a stack is already running on {tmp_path}/home-demo (process {stack.process.pid})" in second.stderr

        for part in ("worker-1", "kafka"):
            os.kill(before["parts"][part]["pid"], signal.SIGKILL)
        wait_until(
            lambda: all(stack.health()["parts"][part]["restarts"] == 1 for part in ("worker-1", "kafka")),
            READY_WITHIN_S, "both parts to be started again", every_s=0.3,
        )  # fmt: skip
        pids += stack.processes()
        after = stack.wait_until_well()
        assert after["parts"]["clickhouse"]["pid"] == before["parts"]["clickhouse"]["pid"]

        stack.process.terminate()
        assert stack.process.wait(15) == 0
        assert nobody_left(pids)
    said = (tmp_path / "up.out").read_text()
    assert "worker-1 ended with signal SIGKILL, starting it again in 0.5 s" in said
    assert "kafka is back after" in said


def test_nothing_is_left_when_the_command_is_killed_and_the_home_can_be_used_again(tmp_path: Path) -> None:
    with up(tmp_path) as stack:
        wait_until(lambda: stack.health()["parts"].get("kafka", {}).get("pid"), READY_WITHIN_S, "Kafka to be started")
        pids = stack.processes()
        stack.process.kill()
        stack.process.wait()
        wait_until(lambda: nobody_left(pids), 20, "everything to be gone")
    with up(tmp_path, "--for", "0") as again:
        assert again.process.wait(READY_WITHIN_S) == 0
    said = (tmp_path / "up.out").read_text()
    assert "Ready after" in said


def test_a_taken_port_is_told_before_anything_starts(tmp_path: Path) -> None:
    env = environment(tmp_path)
    env["CRYPTOVIZ_SINK_PORT"] = env["CRYPTOVIZ_KAFKA_PORT"]
    refused = subprocess.run(
        command("up", "--demo"), env=env, capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path
    )
    assert refused.returncode == 1
    assert "change CRYPTOVIZ_KAFKA_PORT or CRYPTOVIZ_SINK_PORT" in refused.stderr
    assert not (tmp_path / "home-demo" / "logs").exists()
