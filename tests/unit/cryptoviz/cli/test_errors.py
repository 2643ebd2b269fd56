"""What a user sees when something is wrong: one clear line on stderr, and the right exit code."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


def _run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    variables = {f"CRYPTOVIZ_{name}": value for name, value in settings.items()}
    command = [sys.executable, "-m", "cryptoviz", *arguments]
    return subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("arguments", "settings", "said"),
    [
        (("migrate", "--wait", "0.5"), {"CLICKHOUSE_URL": "http://127.0.0.1:1"}, "ClickHouse at http://127.0.0.1:1"),
        (("topics", "--wait", "0.5"), {"KAFKA": "127.0.0.1:1"}, "Kafka at 127.0.0.1:1 does not answer"),
        (("up",), {"BAR_SECONDS": "7"}, "bar_seconds=7 must divide 3600"),
        (("produce",), {"ASSETS": "FOO"}, "unknown asset FOO"),
    ],
)
def test_what_the_user_can_mend_is_one_line_and_exit_1(
    arguments: tuple[str, ...], settings: dict[str, str], said: str
) -> None:
    done = _run(*arguments, **settings)
    assert done.returncode == 1
    assert [line.startswith("cryptoviz: ") for line in done.stderr.splitlines()] == [True], done.stderr
    assert said in done.stderr


def test_debug_shows_where_it_came_from() -> None:
    done = _run("--debug", "topics", "--wait", "0.5", KAFKA="127.0.0.1:1")
    assert done.returncode == 1
    assert "Traceback" in done.stderr


@pytest.mark.parametrize("arguments", [("nonsense",), ("up", "--for", "-1"), ("replay",)])
def test_wrong_usage_is_exit_2(arguments: tuple[str, ...]) -> None:
    assert _run(*arguments).returncode == 2
