"""Starts the embedded ClickHouse for a test, as a process of its own on a free port."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from waiting import wait_until

from cryptoviz.local.clickhouse.users import User, ensure_users

READY = re.compile(r" on (http://[^,]+),")


@contextmanager
def running_clickhouse(data_dir: Path) -> Iterator[tuple[str, dict[str, User]]]:
    """Yield the address and the users of an endpoint whose tables lie below `data_dir`; end it afterwards."""
    with clickhouse_process(data_dir) as (url, users, _):
        yield url, users


@contextmanager
def clickhouse_process(data_dir: Path, *options: str) -> Iterator[tuple[str, dict[str, User], subprocess.Popen[bytes]]]:
    """The same with the process, for tests that kill it."""
    data_dir.mkdir(parents=True, exist_ok=True)
    users_file, log_file = data_dir / "users.json", data_dir / "clickhouse.log"
    users = ensure_users(users_file, None)
    command = [sys.executable, "-m", "cryptoviz.local.clickhouse", "--data", str(data_dir / "tables"), "--port", "0"]
    with log_file.open("wb") as log:
        process = subprocess.Popen([*command, "--users", str(users_file), *options], stdout=log, stderr=log)
    try:
        yield _address(process, log_file), users, process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(10)


def _address(process: subprocess.Popen[bytes], log_file: Path) -> str:
    def ready() -> re.Match[str] | None:
        log = log_file.read_text(encoding="utf-8")
        assert process.poll() is None, f"the endpoint ended at once: {log}"
        return READY.search(log)

    return wait_until(ready, 30, "the embedded ClickHouse to be ready").group(1)
