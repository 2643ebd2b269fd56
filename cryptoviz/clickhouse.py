"""A ClickHouse client as this project uses it, and the decision which of ClickHouse's errors are worth waiting out."""

from __future__ import annotations

import re
import ssl
from typing import Any
from urllib.parse import urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError, DataError, ProgrammingError

from cryptoviz.errors import CryptovizError, Retryable, UserError
from cryptoviz.settings import Settings

# Codes that say "not now": the server is busy, full, starting, stopping or cut off. Every other code would come back.
PASSING = frozenset({
    159,  # TIMEOUT_EXCEEDED
    202,  # TOO_MANY_SIMULTANEOUS_QUERIES
    203,  # NO_FREE_CONNECTION
    209,  # SOCKET_TIMEOUT
    210,  # NETWORK_ERROR
    236,  # ABORTED, while shutting down
    241,  # MEMORY_LIMIT_EXCEEDED
    242,  # TABLE_IS_READ_ONLY, while Keeper is away
    243,  # NOT_ENOUGH_SPACE
    252,  # TOO_MANY_PARTS
    279,  # ALL_CONNECTION_TRIES_FAILED
    394,  # QUERY_WAS_CANCELLED
    425,  # SYSTEM_ERROR
    439,  # CANNOT_SCHEDULE_TASK
    999,  # KEEPER_EXCEPTION
})  # fmt: skip
SYSTEM_ERROR = re.compile(r"\[Errno -?\d+\] ([\w ,]+)")
UNTRUSTED = ("CERTIFICATE_VERIFY_FAILED", "certificate verify failed")
REFUSED_LOGIN = frozenset({192, 193, 194, 516})


def connect(settings: Settings, connect_timeout_s: float = 5, timeout_s: float = 60) -> Client:
    """A client; raises `Retryable` while ClickHouse is away and `UserError` when it refuses the login."""
    address = urlsplit(settings.clickhouse_url)
    if address.scheme not in {"http", "https"} or not address.hostname:
        raise UserError(f"CRYPTOVIZ_CLICKHOUSE_URL: {settings.clickhouse_url!r} is not like http://127.0.0.1:8123")
    try:
        return clickhouse_connect.get_client(
            interface=address.scheme,
            host=address.hostname,
            port=address.port or (8443 if address.scheme == "https" else 8123),
            username=settings.clickhouse_user,
            password=settings.clickhouse_password.get_secret_value(),
            verify=True,
            ca_cert=_authority(settings) if address.scheme == "https" else None,
            compress="lz4",
            query_limit=0,
            connect_timeout=connect_timeout_s,
            send_receive_timeout=timeout_s,
            autogenerate_session_id=False,  # a session runs one query at a time, and nothing here needs one
        )
    except (ClickHouseError, OSError) as error:
        raise judged(error, settings) from error


def _authority(settings: Settings) -> str | None:
    """The file to trust, looked into here: the client would only fail to connect."""
    if settings.clickhouse_ca is None:
        return None
    try:
        ssl.create_default_context(cafile=settings.clickhouse_ca)
    except (ssl.SSLError, OSError) as error:
        raise UserError(f"CRYPTOVIZ_CLICKHOUSE_CA: {settings.clickhouse_ca} holds no certificate (PEM)") from error
    return str(settings.clickhouse_ca)


def judged(error: Exception, settings: Settings) -> CryptovizError:
    """What to do about an error of the client: `Retryable` or `UserError`, with one clear line."""
    code = getattr(error, "code", None)
    where = settings.clickhouse_url
    if code in REFUSED_LOGIN:
        return UserError(
            f"ClickHouse at {where} refuses user {settings.clickhouse_user!r}: "
            "set CRYPTOVIZ_CLICKHOUSE_USER and CRYPTOVIZ_CLICKHOUSE_PASSWORD"
        )
    if any(words in str(error) for words in UNTRUSTED):
        return UserError(
            f"ClickHouse at {where} shows a certificate that is not trusted, or of another name: "
            "set CRYPTOVIZ_CLICKHOUSE_CA to the authority that signed it"
        )
    ours = isinstance(error, (DataError, ProgrammingError))  # the client refused before anything was sent
    if code in PASSING or (code is None and not ours):
        return Retryable(f"ClickHouse at {where} is not available: {first_line(error)}")
    if code in {60, 81}:
        return UserError(f"ClickHouse at {where} lacks a table: run `cryptoviz migrate` ({first_line(error)})")
    return UserError(f"ClickHouse at {where} refuses, which waiting will not mend: {first_line(error)}")


def first_line(error: Exception) -> str:
    """What an error says in one short line: the operating system's words where there are some."""
    text = str(error).strip() or type(error).__name__
    if found := SYSTEM_ERROR.search(text):
        return found[1]
    return text.splitlines()[0][:300]


def rows(client: Client, sql: str, settings: Settings, **parameters: Any) -> list[tuple[Any, ...]]:
    """The rows of one query; client errors become `Retryable` or `UserError`."""
    try:
        return [tuple(row) for row in client.query(sql, parameters=parameters or None).result_rows]
    except (ClickHouseError, OSError) as error:
        raise judged(error, settings) from error
