"""Running `cryptoviz replay` as a user does, and reading what it left in its home."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import clickhouse_connect
import psutil
from clickhouse_connect.driver.client import Client
from servers import ClickHouseServer

TABLES = ("quotes", "bars", "stats", "indicators", "predictions", "signals", "scores")
NOT_COMPARED = ("inserted_at", "filed_at", "topic", "partition", "offset", "item", "precedence")
COUNTED = re.compile(
    r"^(fed|stored|rejected|bars|stats|indicators|predictions|signals|scores)\s+([\d,]+)", re.MULTILINE
)


@dataclass(frozen=True)
class Replayed:
    """What a replay printed, and the counts in it."""

    code: int
    output: str

    @property
    def counts(self) -> dict[str, int]:
        """Rows by what they are, as printed."""
        return {name: int(number.replace(",", "")) for name, number in COUNTED.findall(self.output)}


def start_replay(home: Path, *arguments: str | Path, **settings: str) -> subprocess.Popen[str]:
    """Start the command on this home; its output is read by `finish_replay`."""
    variables = {f"CRYPTOVIZ_{name.upper()}": value for name, value in settings.items()}
    environment = os.environ | {"CRYPTOVIZ_HOME": str(home)} | variables
    command = [sys.executable, "-m", "cryptoviz", "replay", *map(str, arguments)]
    return subprocess.Popen(
        command, env=environment, cwd=home.parent, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finish_replay(process: subprocess.Popen[str], timeout_s: float = 600) -> Replayed:
    """Wait until the command ends."""
    output, _ = process.communicate(timeout=timeout_s)
    return Replayed(process.returncode, output)


def replay(home: Path, *arguments: str | Path, **settings: str) -> Replayed:
    """Run the command to its end."""
    return finish_replay(start_replay(home, *arguments, **settings))


def part_of(process: subprocess.Popen[str], name: str) -> psutil.Process | None:
    """The running process of one of the stack's parts: `process`, `sink`, `produce`."""
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            if child.cmdline()[-1] == name and child.status() != psutil.STATUS_ZOMBIE:
                return child
        except (psutil.NoSuchProcess, IndexError):
            continue
    return None


@contextmanager
def tables_of(home: Path) -> Iterator[Client]:
    """A client for the tables that a replay left in its home."""
    server = ClickHouseServer(home)
    server.start()
    client = clickhouse_connect.get_client(
        dsn=server.url, username=server.user, password=server.password, database="crypto", settings={"final": 1}
    )
    try:
        yield client
    finally:
        client.close()
        server.stop()


def fingerprints(client: Client) -> dict[str, tuple[int, int]]:
    """Per table the number of rows and a hash of all of them, without what differs from run to run."""
    found = {}
    for table in TABLES:
        described = client.query(f"DESCRIBE TABLE {table}").result_rows
        columns = ", ".join(str(row[0]) for row in described if row[0] not in NOT_COMPARED)
        query = f"SELECT count(), groupBitXor(cityHash64(toString(tuple({columns})))) FROM {table} FINAL"
        found[table] = tuple(client.query(query).result_rows[0])
    return found


def rows(client: Client, query: str) -> list[dict[str, Any]]:
    """The rows of a query as dicts."""
    return list(client.query(query).named_results())
