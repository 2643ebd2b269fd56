"""One thread's way into ClickHouse: a client of its own, made anew after every error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from clickhouse_connect.driver.exceptions import ClickHouseError

from cryptoviz.clickhouse import judged
from cryptoviz.settings import Settings
from processors.sink_columns import COLUMNS
from processors.sink_lists import READ_SETTINGS, Lines, statement
from processors.sink_rows import Rows

INSERT_SETTINGS = {
    "async_insert": 0,
    # A replayed history may touch more months at once than the 100 partitions an insert may by default.
    "max_partitions_per_insert_block": 0,
    # Doubles within an insert are left to merges and FINAL, as those across inserts are: it need not look for them.
    "optimize_on_insert": 0,
}


class Client(Protocol):
    """What is needed of a clickhouse-connect client."""

    @property
    def create_insert_context(self) -> Callable[..., Any]: ...
    @property
    def insert(self) -> Callable[..., Any]: ...
    @property
    def raw_insert(self) -> Callable[..., Any]: ...
    @property
    def close(self) -> Callable[[], None]: ...


class TableWriter:
    """Inserts rows; belongs to one thread, as a client does."""

    def __init__(self, connect: Callable[[], Client], settings: Settings) -> None:
        self._connect = connect
        self._settings = settings
        self._client: Client | None = None
        self._types: dict[str, Any] = {}

    def insert(self, rows: Rows | Lines, token: str) -> None:
        """Insert once; raises `Retryable` while ClickHouse is away and `UserError` when it refuses for good."""
        settings = INSERT_SETTINGS | {"insert_deduplication_token": token}
        try:
            client = self._client = self._client or self._connect()
            if isinstance(rows, Lines):
                self._insert_lines(client, rows, settings)
            else:
                self._insert_rows(client, rows, settings)
        except (ClickHouseError, OSError) as error:
            self._forget_client()
            raise judged(error, self._settings) from error

    def _insert_rows(self, client: Client, rows: Rows, settings: dict[str, Any]) -> None:
        database, names = self._settings.clickhouse_database, COLUMNS[rows.table]
        if rows.table not in self._types:
            context = client.create_insert_context(rows.table, names, database=database)
            self._types[rows.table] = context.column_types
        client.insert(
            rows.table, rows.rows, names, database=database, column_types=self._types[rows.table], settings=settings
        )

    def _insert_lines(self, client: Client, lines: Lines, settings: dict[str, Any]) -> None:
        head = statement(lines.table, self._settings.clickhouse_database).encode()
        client.raw_insert(insert_block=b"\n".join((head, *lines.lines)), settings=settings | READ_SETTINGS)

    def _forget_client(self) -> None:
        client, self._client = self._client, None
        self._types.clear()
        if client is not None:
            client.close()
