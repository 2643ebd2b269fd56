"""Dead letters as they are stored: found by filters, shown safely, and whether their originals can be put back."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any

from clickhouse_connect.driver.client import Client

from cryptoviz.clickhouse import rows
from cryptoviz.errors import UserError
from cryptoviz.settings import Settings
from cryptoviz.topics import NORMALIZED, RAW, TOPICS

SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|h|d)")
_COLUMNS = (
    "letter, topic, partition, offset, item, source, reason, detail, toUnixTimestamp64Milli(at), "
    "toUnixTimestamp64Milli(filed_at), encoding, length(payload)"
)
HEX_BYTES = 16
_RESULTS = {topic.name for topic in TOPICS if topic.keeping == "result"}


@dataclass(frozen=True)
class Letter:
    """A row of `dead_letters`; times are ms UTC, `size` is the payload's length, `payload` None where not asked for."""

    letter: str
    topic: str
    partition: int | None
    offset: int | None
    item: int | None
    source: str
    reason: str
    detail: str
    at: int
    filed_at: int
    encoding: str
    size: int
    payload: str | None = None

    def as_json(self) -> dict[str, Any]:
        """For programs: the columns; the payload only where it was asked for."""
        return {name: value for name, value in asdict(self).items() if name != "payload" or value is not None}


@dataclass(frozen=True)
class Group:
    """How many letters of one kind there are, and when the first and the last were filed, in ms."""

    topic: str
    source: str
    reason: str
    letters: int
    first: int
    last: int


@dataclass(frozen=True)
class Filter:
    """Which letters are meant; None is any. `names` are letters as the column `letter` says."""

    topic: str | None = None
    source: str | None = None
    reason: str | None = None
    since_s: float | None = None
    names: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether it means every letter there is."""
        return self == Filter()

    def where(self) -> tuple[str, dict[str, Any]]:
        """The condition in SQL and its parameters."""
        wanted = {"topic": self.topic, "source": self.source, "reason": self.reason}
        values: dict[str, Any] = {name: value for name, value in wanted.items() if value is not None}
        parts = [f"{name} = {{{name}:String}}" for name in values]
        if self.since_s is not None:
            values["since_ms"] = round(self.since_s * 1000)
            parts.append("filed_at >= now64(3) - toIntervalMillisecond({since_ms:UInt64})")
        if self.names:
            # A letter of a whole message ends in a slash, which is easily left out.
            values |= {f"name{n}": name for n, name in enumerate(self.names)}
            parts.append(f"trimRight(letter, '/') IN ({', '.join(_bare(n) for n in range(len(self.names)))})")
        return " AND ".join(parts) or "1", values


def _bare(number: int) -> str:
    return f"trimRight({{name{number}:String}}, '/')"


def span_s(text: str) -> float:
    """Seconds of a time span as people write it (`90 s`, `5 min`, `1 h`, `2 d`); raises `ValueError`."""
    found = _SPAN.fullmatch(text.strip())
    seconds = float(found[1]) * SECONDS[found[2]] if found else 0.0
    if not 0 < seconds < 10**10:
        raise ValueError(f"{text!r} is not a time span like 90 s, 5 min, 1 h or 2 d")
    return seconds


def read_letters(
    client: Client, settings: Settings, wanted: Filter, limit: int | None = None, *, payload: bool = False
) -> list[Letter]:
    """The letters meant, newest first; raises `Retryable` or `UserError` as ClickHouse does."""
    where, values = wanted.where()
    columns = f"{_COLUMNS}, payload" if payload else _COLUMNS
    sql = (
        f"SELECT {columns} FROM {settings.clickhouse_database}.dead_letters FINAL WHERE {where} "
        f"ORDER BY filed_at DESC, letter DESC{f' LIMIT {limit}' if limit else ''}"
    )
    return [Letter(*row) for row in rows(client, sql, settings, **values)]


def read_groups(client: Client, settings: Settings, wanted: Filter) -> list[Group]:
    """How many letters of each kind are meant, the most frequent first."""
    where, values = wanted.where()
    sql = (
        "SELECT topic, source, reason, count() AS letters, toUnixTimestamp64Milli(min(filed_at)), "
        f"toUnixTimestamp64Milli(max(filed_at)) FROM {settings.clickhouse_database}.dead_letters FINAL "
        f"WHERE {where} GROUP BY topic, source, reason ORDER BY letters DESC, topic, source, reason"
    )
    return [Group(*row) for row in rows(client, sql, settings, **values)]


def why_not(letter: Letter) -> str | None:
    """Why the original of a letter cannot be put back, whatever it holds; None if it can."""
    if letter.topic.endswith(".dead"):
        return "a dead letter that cannot itself be read: nothing says where its original came from"
    if letter.topic in _RESULTS:
        return "a result: the workers make it from the quotes, and put back now it would count as filed now"
    if letter.topic not in (RAW.name, NORMALIZED.name):
        return "not of a topic that quotes come in by"
    if letter.partition is None or letter.offset is None:
        return "what a source answered, or a part of it, and never a message: the next poll asks again"
    if letter.item is not None:
        return "one item of a message, the rest of which was used: the message is no longer there to be put back"
    return "longer than what is kept of a message: only its beginning is there" if letter.encoding == "cut" else None


def original(letter: Letter) -> bytes:
    """The bytes that were set aside; raises `UserError` if the payload is not what `encoding` says."""
    if letter.encoding in ("utf-8", "cut"):
        return (letter.payload or "").encode("utf-8", "surrogatepass")
    try:
        return base64.b64decode(letter.payload or "", validate=True)
    except (binascii.Error, ValueError) as error:
        raise UserError(f"{printable(letter.letter)}: its payload is not the base64 it is said to be") from error


def readable(value: bytes) -> Iterator[str]:
    """The lines that show an original: JSON indented, other text as it is, the rest in hex; safe for a terminal."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        yield from _hex(value)
        return
    with suppress(ValueError, RecursionError):
        text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    yield from (printable(line) for line in text.split("\n"))


def printable(text: str) -> str:
    """The text with everything escaped that could move a terminal's cursor, colour it or hide."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def _hex(value: bytes) -> Iterator[str]:
    for start in range(0, len(value), HEX_BYTES):
        part = value[start : start + HEX_BYTES]
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
        yield f"{start:08x}  {part.hex(' '):<{HEX_BYTES * 3 - 1}}  {shown}"


def in_log_order(letters: Sequence[Letter]) -> list[Letter]:
    """The letters as their originals lay in the log."""
    return sorted(letters, key=lambda one: (one.topic, one.partition or 0, one.offset or 0))
