"""Who may use the embedded ClickHouse: the users file, and who a request comes from."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptoviz.errors import UserError
from cryptoviz.local.clickhouse.failures import AUTHENTICATION_FAILED, QueryError
from cryptoviz.local.private_files import is_private, write_private
from cryptoviz.running import is_loopback

WRITER = "cryptoviz"
READERS = ("grafana", "analyst")
ANONYMOUS = "analyst"
# The user every ClickHouse client falls back to when it was told none.
CLIENT_DEFAULT = "default"


@dataclass(frozen=True)
class User:
    """One entry of the users file; `password` None lets anybody in under this name."""

    name: str
    password: str | None = field(repr=False)
    readonly: bool


def ensure_users(path: Path, writer_password: str | None) -> dict[str, User]:
    """Return the users of `path`, first making the file, closing it to others, or adding users it lacks.

    A `writer_password` given from outside wins over the stored one; without either a new one is generated.
    Raises `UserError` when the file is there and cannot be read.
    """
    users = load_users(path) if path.exists() else {}
    known = users.get(WRITER)
    password = writer_password or (known.password if known else None) or secrets.token_urlsafe(24)
    wanted = users | {WRITER: User(WRITER, password, readonly=False)}
    for name in READERS:
        wanted.setdefault(name, User(name, None, readonly=True))
    if wanted != users or not is_private(path):  # who wrote it by hand may have left it open
        _write(path, wanted)
    return wanted


def load_users(path: Path) -> dict[str, User]:
    """Read the users file: `{"name": {"password": text or null, "readonly": true or false}}`."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        return {name: _user(name, entry) for name, entry in entries.items()}
    except OSError as error:
        raise UserError(f"cannot read the ClickHouse users file {path}: {error.strerror}") from error
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        raise UserError(
            f'{path} is not a users file: expected {{"name": {{"password": "..." or null, "readonly": true}}}}'
        ) from error


def check_binding(host: str, users: Mapping[str, User], path: Path) -> None:
    """Refuse to offer users of the file `path` without a password to other machines."""
    open_users = sorted(user.name for user in users.values() if not user.password)
    if open_users and not is_loopback(host):
        raise UserError(
            f"ClickHouse would listen on {host}, but these users have no password: {', '.join(open_users)}; "
            f"give each a password in {path}, or listen on 127.0.0.1"
        )


def authenticate(users: Mapping[str, User], headers: Mapping[str, str], query: Mapping[str, str]) -> User:
    """Find whose request this is, from ClickHouse's headers, Basic authorization or the URL, in this order.

    Raises `QueryError` AUTHENTICATION_FAILED. No credentials at all mean `analyst`, if that user has no password.
    """
    name, password = _credentials(headers, query)
    if name is None or (name == CLIENT_DEFAULT and not password and CLIENT_DEFAULT not in users):
        anonymous = users.get(ANONYMOUS)
        if anonymous is not None and not anonymous.password:
            return anonymous
        raise QueryError(AUTHENTICATION_FAILED, "Authentication is required: give a user and a password")
    user = users.get(name)
    expected = (user.password if user else secrets.token_urlsafe()) or ""
    matches = hmac.compare_digest(password.encode(), expected.encode())
    if user is None or (user.password and not matches):
        raise QueryError(
            AUTHENTICATION_FAILED,
            f"{name}: Authentication failed: password is incorrect, or there is no user with such name.",
        )
    return user


def has_credentials(headers: Mapping[str, str], query: Mapping[str, str]) -> bool:
    """Whether the request names a user at all."""
    try:
        return _credentials(headers, query)[0] is not None
    except QueryError:
        return True


def _credentials(headers: Mapping[str, str], query: Mapping[str, str]) -> tuple[str | None, str]:
    if "X-ClickHouse-User" in headers or "X-ClickHouse-Key" in headers:
        return headers.get("X-ClickHouse-User", CLIENT_DEFAULT), headers.get("X-ClickHouse-Key", "")
    scheme, _, value = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            name, _, password = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise QueryError(AUTHENTICATION_FAILED, "The Authorization header is not valid Basic") from error
        return name, password
    if scheme:
        raise QueryError(AUTHENTICATION_FAILED, f"Authorization by {scheme} is not supported, use Basic")
    if "user" in query or "password" in query:
        return query.get("user", CLIENT_DEFAULT), query.get("password", "")
    return None, ""


def _user(name: str, entry: Mapping[str, object]) -> User:
    password, readonly = entry["password"], entry["readonly"]
    if not isinstance(readonly, bool) or not (password is None or isinstance(password, str)):
        raise TypeError(name)
    return User(name, password, readonly)


def _write(path: Path, users: Mapping[str, User]) -> None:
    entries = {user.name: {"password": user.password, "readonly": user.readonly} for user in users.values()}
    write_private(path, json.dumps(entries, indent=2))
