"""Runs one request for one user: reads the statement, applies the limits, gives the answer whole or in blocks."""

from __future__ import annotations

import logging
import re
import uuid
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field, replace
from inspect import GEN_CLOSED, getgeneratorstate
from itertools import chain

from cryptoviz.local.clickhouse.engine import Engine, Node, Session, Summary
from cryptoviz.local.clickhouse.failures import (
    NOT_IMPLEMENTED,
    READONLY,
    SYNTAX_ERROR,
    UNKNOWN_DATABASE,
    UNKNOWN_FORMAT,
    QueryError,
)
from cryptoviz.local.clickhouse.guard import check_statement, clamp, has_totals, output_format
from cryptoviz.local.clickhouse.insert import Insert, split_insert
from cryptoviz.local.clickhouse.policy import LIMITS, READER_DEFAULTS, REFUSED_FORMATS, Scope
from cryptoviz.local.clickhouse.request import Query, decode_text
from cryptoviz.local.clickhouse.users import User

logger = logging.getLogger(__name__)

# Formats whose blocks can be put one behind the other. The others have a head or a foot: they come through a pipe
# for readers, whose answers must not fill the memory, and whole for the writer.
STREAMED_FORMATS = frozenset(
    {
        *("Native", "RowBinary", "TabSeparated", "TSV", "TabSeparatedRaw", "TSVRaw", "CSV", "Values", "LineAsString"),
        *(
            "JSONEachRow",
            "JSONLines",
            "NDJSON",
            "JSONCompactEachRow",
            "JSONStringsEachRow",
            "JSONCompactStringsEachRow",
        ),
    }
)
# Up to here an answer is held back, so that an error still gets its own status and small answers their length.
HELD_BACK_BYTES = 1024 * 1024
# The same for `wait_end_of_query=1`, which clickhouse-connect always says; beyond it the late error's frame must do.
HELD_WHOLE_BYTES = 64 * 1024 * 1024
# Statements without a tree of their own that name one table or database; the engine writes them in these words.
_ABOUT_TABLE = re.compile(r"(?:DESCRIBE TABLE|SHOW CREATE TABLE|SHOW CREATE VIEW|EXISTS TABLE|EXISTS VIEW) (?=.)")
_ABOUT_DATABASE = re.compile(r"(?:SHOW CREATE DATABASE|EXISTS DATABASE) (?=.)")
_HARMLESS = frozenset({"SHOW FUNCTIONS", "SHOW ENGINES"})


@dataclass
class Answer:
    """What goes back: `chunks` in order; with `whole` they are all there, otherwise taking the next one blocks."""

    format: str
    chunks: Iterator[bytes]
    whole: bool
    summary: Summary = field(default_factory=Summary)


class Execution:
    """One request on its way through the engine; its methods block and belong into a thread."""

    def __init__(self, engine: Engine, user: User, query: Query, database: str) -> None:
        self._engine = engine
        self._user = user
        self._query = query
        self._database = database
        self._catalogue = engine.catalogue
        # What the running query is found by; not the client's own id, which another may use as well.
        self.mark = str(uuid.uuid4())
        self.abandoned = False
        self._stoppable = False
        self._session: Session | None = None
        self._blocks: Generator[bytes, None, None] | None = None

    @property
    def may_be_stopped(self) -> bool:
        """Whether nobody is harmed when it ends half way: readers only, never an insert or a change of a table."""
        return self._user.readonly or not self._query.may_write or self._stoppable

    def run(self) -> Answer:
        """Start the statement and return its answer; raises `QueryError`."""
        self._session = self._engine.open()
        try:
            insert = split_insert(self._query.statement)
            if insert is not None:
                return self._insert(self._session, insert)
            return self._statement(self._session, decode_text(self._query.statement))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the request; a stream that was not read to its end is stopped."""
        blocks, self._blocks = self._blocks, None
        if blocks is not None:
            if getgeneratorstate(blocks) != GEN_CLOSED:
                self._engine.stop_query(self.mark)
            blocks.close()
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _insert(self, session: Session, insert: Insert) -> Answer:
        if self._user.readonly or not self._query.may_write:
            raise QueryError(READONLY, "Cannot execute query in readonly mode: it needs POST and a user who may write")
        self._prepare_writer(session)
        session.set_parameters(self._query.parameters)
        summary = session.insert(insert)
        return Answer(self._format(None), iter(()), whole=True, summary=summary)

    def _statement(self, session: Session, text: str) -> Answer:
        if self._user.readonly and len(text) > LIMITS["max_query_size"]:
            # Before it is parsed: the engine holds its own limit against statements only, not against their parsing.
            raise QueryError(SYNTAX_ERROR, f"The statement is longer than {LIMITS['max_query_size']} characters")
        current = self._use_database(session)
        tree, kind = self._read(session, text)
        if tree is not None and ("out_file" in tree or "infile" in tree):
            raise QueryError(NOT_IMPLEMENTED, "INTO OUTFILE and FROM INFILE are for local clients, not for HTTP")
        if self._user.readonly:
            self._prepare_reader(session, tree, kind, current)
        else:
            self._prepare_writer(session, current)
        self._stoppable = tree is not None and tree.get("type") == "SelectWithUnionQuery"
        output = self._format(tree)
        if tree is not None and self._can_stream(tree, kind, output):
            return self._stream(session, session.stream(text, output, self._query.parameters), output)
        if tree is not None and kind == "own" and self._stoppable and self._user.readonly:
            return self._stream(session, session.pipe(tree, output, self._query.parameters), output)
        body, summary = session.query(text, output, self._query.parameters)
        return Answer(output, iter((body,)), whole=True, summary=summary)

    def _stream(self, session: Session, blocks: Generator[bytes, None, None], output: str) -> Answer:
        self._blocks = blocks
        held: list[bytes] = []
        size = 0
        for block in blocks:
            held.append(block)
            size += len(block)
            if size >= (HELD_WHOLE_BYTES if self._query.whole else HELD_BACK_BYTES):
                return Answer(output, chain(held, blocks), whole=False)
        return Answer(output, iter(held), whole=True, summary=replace(session.summary, result_bytes=size))

    def _read(self, session: Session, text: str) -> tuple[Node | None, str]:
        """The statement's tree and what kind it is: `own` tree, tree of what it is `about`, `harmless`, or `other`."""
        try:
            return session.parse(text), "own"
        except QueryError as error:
            if error.name != "BAD_ARGUMENTS":
                raise
        written = session.reformat(text)
        if written in _HARMLESS:
            return None, "harmless"
        if found := _ABOUT_TABLE.match(written):
            return session.parse(f"SELECT * FROM {written[found.end() :]}"), "about"
        if found := _ABOUT_DATABASE.match(written):
            # `one` stands for any table: what is asked is whether the database may be looked into.
            name, _, rest = written[found.end() :].partition(" ")
            return session.parse(f"SELECT * FROM {name}.`columns` {rest}"), "about"
        return None, "other"

    def _prepare_writer(self, session: Session, current: str | None = None) -> None:
        if current is None:
            self._use_database(session)
        settings = dict(self._query.settings) | {"log_comment": self.mark}
        if not self._query.may_write:
            settings["readonly"] = "2"
        session.set(settings)

    def _prepare_reader(self, session: Session, tree: Node | None, kind: str, current: str) -> None:
        if kind == "other" or (tree is None and kind != "harmless"):
            raise QueryError(READONLY, "Read-only users can run SELECT, SHOW, DESCRIBE, EXPLAIN and EXISTS")
        scope = Scope(
            database=self._database,
            current_database=current,
            parameters=self._query.parameters,
            catalogue=self._catalogue,
            is_view=lambda name: self._is_view(session, name),
            parse=session.parse,
        )
        if tree is not None:
            check_statement(tree, scope)
        settings = {name: str(value) for name, value in LIMITS.items()} | READER_DEFAULTS
        settings |= clamp(self._query.settings, scope) | {"log_comment": self.mark}
        session.set(settings)
        # By itself and last: after it the session can neither write nor take this back.
        session.set({"readonly": "2"})

    def _use_database(self, session: Session) -> str:
        """Enter the requested database; read-only users start in ours, and in `system` while that does not exist."""
        wanted = self._query.database
        if self._user.readonly and wanted in (None, "default"):
            try:
                session.use(self._database)
            except QueryError as error:
                if error.code != UNKNOWN_DATABASE:
                    raise
                session.use("system")
                return "system"
            return self._database
        if wanted is not None:
            session.use(wanted)
        return wanted or "default"

    def _is_view(self, session: Session, name: str) -> bool:
        sql = "SELECT name FROM system.tables WHERE database = {database:String} AND engine = 'View'"
        return [name] in session.rows(sql, {"database": self._database})

    def _format(self, tree: Node | None) -> str:
        wanted = (output_format(tree) if tree else None) or self._query.format
        name = self._catalogue.formats.get(wanted.lower())
        if name is None:
            raise QueryError(UNKNOWN_FORMAT, f"Unknown format {wanted}")
        if self._user.readonly and name.lower() in REFUSED_FORMATS:
            raise QueryError(NOT_IMPLEMENTED, f"Read-only users cannot use the format {name}")
        return name

    def _can_stream(self, tree: Node, kind: str, output: str) -> bool:
        return (
            kind == "own"
            and tree.get("type") == "SelectWithUnionQuery"
            and output in STREAMED_FORMATS
            and "extremes" not in self._query.settings
            and not has_totals(tree)
        )
