"""What two runs have left in ClickHouse, compared row by row."""

from __future__ import annotations

from dataclasses import dataclass

import clickhouse_connect
import numpy as np
from clickhouse_connect.driver.client import Client
from replays import NOT_COMPARED, TABLES
from servers import ClickHouseServer

LETTERS = "dead_letters"
BY_CLOCK = {LETTERS: ("at",)}
"""Columns that hold the broker's time of the message and so differ from run to run."""
SHOWN = 3


@dataclass(frozen=True)
class Tables:
    """Per table the sorted hashes of all rows, each id once."""

    hashes: dict[str, np.ndarray]

    def counts(self) -> dict[str, int]:
        """Rows per table."""
        return {table: len(hashes) for table, hashes in self.hashes.items()}

    def different(self, other: Tables) -> dict[str, tuple[list[int], list[int]]]:
        """Per table that differs the hashes of the rows that only this one has, and that only the other has."""
        found = {}
        for table, mine in self.hashes.items():
            theirs = other.hashes[table]
            only = (np.setdiff1d(mine, theirs).tolist(), np.setdiff1d(theirs, mine).tolist())
            if len(mine) != len(theirs) or any(only):
                found[table] = only
        return found


def client_of(server: ClickHouseServer) -> Client:
    """A client that reads the tables of a run."""
    return clickhouse_connect.get_client(
        dsn=server.url, username=server.user, password=server.password, database="crypto", settings={"final": 1}
    )


def read_tables(client: Client) -> Tables:
    """Hash every row of every table that is compared."""
    hashes = {}
    for table in (*TABLES, LETTERS):
        found = client.query(f"SELECT {_hash(client, table)} AS h FROM {table} FINAL ORDER BY h").result_columns
        hashes[table] = np.array(found[0] if found else [], np.uint64)
    return Tables(hashes)


def rows_of(client: Client, table: str, hashes: list[int]) -> list[str]:
    """Some of the rows with these hashes, to be shown."""
    some = ", ".join(map(str, hashes[:SHOWN]))
    if not some:
        return []
    query = f"SELECT {_compared(client, table)} FROM {table} FINAL WHERE {_hash(client, table)} IN ({some})"
    return [str(row) for row in client.query(query).named_results()]


def _hash(client: Client, table: str) -> str:
    return f"cityHash64(toString(tuple({_compared(client, table)})))"


def _compared(client: Client, table: str) -> str:
    left_out = {*NOT_COMPARED, *BY_CLOCK.get(table, ())}
    described = client.query(f"DESCRIBE TABLE {table}").result_rows
    return ", ".join(str(row[0]) for row in described if row[0] not in left_out)
