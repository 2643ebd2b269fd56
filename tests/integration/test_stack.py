"""The whole stack as one command: it gets ready, mends itself, and leaves nothing however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from stacks import READY_WITHIN_S, command, environment, up
from supervising import is_running
from waiting import wait_until

pytestmark = pytest.mark.stack


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
