"""What an HTTP request asks for: the statement, its parameters, its settings; pure, knows neither server nor engine."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from cryptoviz.local.clickhouse.failures import SYNTAX_ERROR, UNKNOWN_SETTING, QueryError

DEFAULT_FORMAT = "TabSeparated"
# What the protocol itself uses, or what the real server reads and has no meaning with one engine and no sessions.
PROTOCOL_PARAMETERS = frozenset(
    {
        "query",
        "database",
        "default_format",
        "query_id",
        "user",
        "password",
        "quota_key",
        "role",
        "session_id",
        "session_timeout",
        "session_check",
        "wait_end_of_query",
        "buffer_size",
        "compress",
        "decompress",
        "client_protocol_version",
        "enable_http_compression",
        "http_zlib_compression_level",
        "send_progress_in_http_headers",
        "http_headers_progress_interval_ms",
        "add_http_cors_header",
        "cancel_http_readonly_queries_on_client_close",
        "stacktrace",
        # Every compressed block names its own method.
        "network_compression_method",
        "network_zstd_compression_level",
        "close_session",
        "framing",
        # Set by the endpoint itself, to find a query that must be stopped.
        "log_comment",
        "log_queries",
        # Read-only users are so already, and nobody else gains by asking.
        "readonly",
    }
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Query:
    """One request, decoded: `statement` still has the data of an INSERT behind it."""

    statement: bytes
    parameters: Mapping[str, str]
    settings: Mapping[str, str]
    database: str | None
    format: str
    query_id: str
    whole: bool
    """Nothing should be sent before the end is known."""
    blocks: bool
    """The answer goes out as ClickHouse's own compressed blocks."""
    may_write: bool


def build_query(
    method: str, params: Mapping[str, str], headers: Mapping[str, str], body: bytes, known_settings: frozenset[str]
) -> Query:
    """Join `query` and body, and sort the URL's parameters into what the engine, the protocol and the user mean.

    Raises `QueryError` for a setting the engine does not know.
    """
    return Query(
        statement=join(params.get("query", ""), body),
        parameters={name[6:]: value for name, value in params.items() if name.startswith("param_")},
        settings=_settings(params, known_settings),
        database=params.get("database") or headers.get("X-ClickHouse-Database") or None,
        format=params.get("default_format") or headers.get("X-ClickHouse-Format") or DEFAULT_FORMAT,
        query_id=params.get("query_id") or str(uuid.uuid4()),
        whole=is_true(params.get("wait_end_of_query", "0")),
        blocks=is_true(params.get("compress", "0")),
        may_write=method == "POST",
    )


def join(query: str, body: bytes) -> bytes:
    """The statement is the parameter followed by the body, on a line of its own."""
    head = query.encode("utf-8", "surrogateescape")
    if not head or not body:
        return head or body
    return head + b"\n" + body


def decode_text(statement: bytes) -> str:
    """SQL as text; bytes that are not UTF-8 are a `QueryError`."""
    try:
        return statement.decode()
    except UnicodeDecodeError as error:
        raise QueryError(SYNTAX_ERROR, f"The statement is not UTF-8 at byte {error.start}") from error


def _settings(params: Mapping[str, str], known: frozenset[str]) -> dict[str, str]:
    settings = {}
    for name, value in params.items():
        if name in PROTOCOL_PARAMETERS or name.startswith("param_"):
            continue
        if name not in known or not _NAME.fullmatch(name):
            raise QueryError(UNKNOWN_SETTING, f"Unknown setting '{name}'", "UNKNOWN_SETTING")
        settings[name] = value
    return settings


def is_true(value: str) -> bool:
    """How the URL says yes."""
    return value.lower() in ("1", "true")
