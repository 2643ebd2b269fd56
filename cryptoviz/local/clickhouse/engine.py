"""The chDB engine of one data folder: sessions that share its tables and nothing else."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

import chdb

from cryptoviz.errors import UserError
from cryptoviz.local.clickhouse.failures import from_engine
from cryptoviz.local.clickhouse.insert import Insert
from cryptoviz.local.clickhouse.literals import escape_parameter, quote
from cryptoviz.local.clickhouse.piped import into_pipe, out_of_pipe, read_while
from cryptoviz.local.clickhouse.policy import Catalogue, function_allowances

logger = logging.getLogger(__name__)

Node = dict[str, Any]
MIB = 1024 * 1024
CACHES = {
    "mark_cache_size": 128 * MIB, "primary_index_cache_size": 128 * MIB, "index_mark_cache_size": 32 * MIB,
    "query_condition_cache_size": 32 * MIB, "compiled_expression_cache_size": 32 * MIB,
}  # fmt: skip
"""The most that is kept of each, in bytes; by itself the engine would use up to half of the machine's memory."""


@dataclass(frozen=True)
class Summary:
    """What X-ClickHouse-Summary tells; all counts."""

    read_rows: int = 0
    read_bytes: int = 0
    written_rows: int = 0
    written_bytes: int = 0
    result_rows: int = 0
    result_bytes: int = 0
    elapsed_ns: int = 0

    def plus(self, other: Summary) -> Summary:
        """The sums of both."""
        mine, theirs = asdict(self), asdict(other)
        return Summary(**{name: mine[name] + theirs[name] for name in mine})


class Session:
    """One connection to the engine: its settings and current database are seen by nobody else.

    Opening one takes about 0.1 ms, so every request gets its own. Methods block, release the interpreter lock while
    the engine works, and raise `QueryError`. Threads may take turns with a session, not share it at once.
    """

    def __init__(self, path: Path, server_settings: Mapping[str, int] | None = None) -> None:
        """`server_settings` are those of the engine, which the first session of a process starts."""
        connect: Any = chdb.connect
        self._connection = connect(f"{path}?{urlencode(server_settings)}" if server_settings else str(path))
        self.summary = Summary()
        """What the last stream or pipe has read so far."""

    def close(self) -> None:
        self._connection.close()

    def use(self, database: str) -> None:
        """Make `database` the one that unqualified names mean."""
        self._query("USE {database:Identifier}", "Null", {"database": escape_parameter(database)})

    def set(self, settings: Mapping[str, str]) -> None:
        """Apply settings to everything this session runs from now on."""
        if settings:
            assignments = ", ".join(f"{name} = {quote(value)}" for name, value in settings.items())
            self._query(f"SET {assignments}", "Null")

    def set_parameters(self, parameters: Mapping[str, str]) -> None:
        """Give `{name:Type}` their values, for statements that take them from the session (INSERT with data)."""
        self.set({f"param_{name}": value for name, value in parameters.items()})

    def parse(self, statement: str) -> Node:
        """The engine's syntax tree of one statement, which is not run; raises for statements it has no tree for."""
        return cast(Node, json.loads(self._function("parseQueryToJSON", statement)))

    def reformat(self, statement: str) -> str:
        """The statement as the engine writes it, on one line, without comments."""
        return self._function("formatQuerySingleLine", statement).strip()

    def query(self, statement: str, output: str, parameters: Mapping[str, str]) -> tuple[bytes, Summary]:
        """Run one statement to its end; the answer in format `output` unless the statement names another."""
        result = self._query(statement, output, parameters)
        body = bytes(result.bytes())
        return body, replace(_read_by(result), result_bytes=len(body))

    def stream(self, statement: str, output: str, parameters: Mapping[str, str]) -> Generator[bytes, None, None]:
        """Run one SELECT and yield its answer block by block; only for formats without head and foot.

        Closing the generator early stops the query.
        """
        try:
            with self._connection.send_query(statement, output, params=dict(parameters)) as blocks:
                for block in blocks:
                    self.summary = self.summary.plus(_read_by(block))
                    yield bytes(block.bytes())
        except (RuntimeError, chdb.ChdbError) as error:
            raise from_engine(error) from None

    def pipe(self, tree: Node, output: str, parameters: Mapping[str, str]) -> Generator[bytes, None, None]:
        """Run one parsed SELECT and yield its answer in any format as the engine writes it."""
        read_end, write_end = os.pipe()
        try:
            statement = self._function("formatQueryFromJSON", json.dumps(into_pipe(tree, write_end, output)))
        except BaseException:
            os.close(read_end)
            os.close(write_end)
            raise
        return read_while(lambda: self._run(statement, parameters), read_end, write_end)

    def insert(self, insert: Insert) -> Summary:
        """Insert its data; when this returns the rows are in a part on disk."""
        # As a SELECT, because chDB's own way to insert a stream says that all went well when the disk was full.
        with out_of_pipe(insert.data) as file:
            result = self._query(insert.reading(file), "Null")
        return Summary(
            written_rows=result.rows_written(),
            written_bytes=result.bytes_written(),
            elapsed_ns=int(result.elapsed() * 1e9),
        )

    def rows(self, statement: str, parameters: Mapping[str, str] | None = None) -> list[list[Any]]:
        """The rows of a small SELECT."""
        body, _ = self.query(statement, "JSONCompactEachRow", parameters or {})
        return [json.loads(line) for line in body.splitlines()]

    def _run(self, statement: str, parameters: Mapping[str, str]) -> None:
        self.summary = _read_by(self._query(statement, "Null", parameters))

    def _function(self, name: str, statement: str) -> str:
        sql = f"SELECT {name}({{statement:String}})"
        body, _ = self.query(sql, "RawBLOB", {"statement": escape_parameter(statement)})
        return body.decode()

    def _query(self, statement: str, output: str, parameters: Mapping[str, str] | None = None) -> Any:
        try:
            return self._connection.query(statement, output, params=dict(parameters or {}))
        except (RuntimeError, chdb.ChdbError) as error:
            raise from_engine(error) from None


class Engine:
    """Opens the data folder for this process alone; `close` when done."""

    def __init__(self, data: Path) -> None:
        self._path = data
        data.mkdir(parents=True, exist_ok=True)
        try:
            # Held open, because the engine ends with its last connection.
            self._anchor = Session(data, CACHES)
        except RuntimeError as error:
            raise UserError(
                f"the ClickHouse engine cannot open {data}: {_first_line(error)}; is another process using this folder?"
            ) from error
        self.catalogue = _read_catalogue(self._anchor)

    @contextmanager
    def session(self) -> Iterator[Session]:
        """A session for one request."""
        session = self.open()
        try:
            yield session
        finally:
            session.close()

    def open(self) -> Session:
        """A session that the caller closes."""
        return Session(self._path)

    def stop_query(self, mark: str) -> None:
        """End what runs under this `log_comment`, if it still does."""
        self._kill(f"Settings['log_comment'] = {quote(mark)}")

    def stop_queries(self) -> None:
        """End everything that runs; inserts are left to finish."""
        self._kill("query_kind != 'Insert'")

    def close(self) -> None:
        """Give the folder back; the tables' parts are on disk already."""
        self._anchor.close()

    def _kill(self, condition: str) -> None:
        with self.session() as session:
            session.query(f"KILL QUERY WHERE {condition} ASYNC", "Null", {})


def _read_catalogue(session: Session) -> Catalogue:
    version, timezone = session.rows("SELECT version(), timezone()")[0]
    functions: Iterable[list[Any]] = session.rows(
        "SELECT name, alias_to, categories, is_aggregate FROM system.functions"
    )
    return Catalogue(
        version=version,
        timezone=timezone,
        functions=function_allowances((name, alias, kinds, bool(agg)) for name, alias, kinds, agg in functions),
        table_functions=frozenset(row[0].lower() for row in session.rows("SELECT name FROM system.table_functions")),
        formats={row[0].lower(): row[0] for row in session.rows("SELECT name FROM system.formats WHERE is_output")},
        settings=frozenset(row[0] for row in session.rows("SELECT name FROM system.settings")),
    )


def _read_by(result: Any) -> Summary:
    """What chDB counted for a result or for one block of a stream."""
    return Summary(
        read_rows=result.storage_rows_read(),
        read_bytes=result.storage_bytes_read(),
        result_rows=result.rows_read(),
        elapsed_ns=int(result.elapsed() * 1e9),
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
