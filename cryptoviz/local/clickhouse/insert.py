"""Where the statement of an `INSERT` ends and its data begins; not a parser, the engine still reads the statement."""

from __future__ import annotations

import re
from dataclasses import dataclass

# One token: comment, quoted text or name, word, bracket, anything else. Of bytes: what follows the head is no text, and
# may be a hundred megabytes.
_TOKEN = re.compile(
    rb"""\s+ | --[^\n]*(?:\n|$) | \#[!\ ][^\n]*(?:\n|$) | /\*.*?\*/
    | (?P<quoted>'(?:[^'\\]|\\.|'')*' | `(?:[^`\\]|\\.|``)*` | "(?:[^"\\]|\\.|"")*")
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*) | (?P<open>[(\[{]) | (?P<close>[)\]}]) | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_BLANKS = b" \t\r"


@dataclass(frozen=True)
class Insert:
    """An INSERT whose data came with it: the statement up to FORMAT or VALUES, the input format, the data in place."""

    head: str
    format: str
    data: memoryview


def split_insert(statement: bytes) -> Insert | None:
    """Cut an INSERT with inline data in two; None for `INSERT ... SELECT`, `FROM INFILE` and every other statement."""
    depth = 0
    words: list[bytes] = []
    for token in _TOKEN.finditer(statement):
        kind = token.lastgroup
        if kind == "open":
            depth += 1
        elif kind == "close":
            depth -= 1
        elif kind == "word" and depth == 0:
            word = token.group().upper()
            words.append(word)
            if words[0] != b"INSERT" or word in (b"SELECT", b"WITH", b"INFILE", b"EXPLAIN"):
                return None
            if word == b"VALUES" and len(words) > 2:
                return _cut(statement, token.start(), "Values", token.end())
            if word == b"FORMAT" and len(words) > 2:
                return _with_format(statement, token)
        elif kind is not None and not words:
            return None
    return None


def _with_format(statement: bytes, keyword: re.Match[bytes]) -> Insert | None:
    for token in _TOKEN.finditer(statement, keyword.end()):
        if token.lastgroup == "word":
            start = token.end()
            # As in ClickHouse: blanks, then at most one line feed, belong to the statement; the rest is data.
            while start < len(statement) and statement[start] in _BLANKS:
                start += 1
            if statement[start : start + 1] in (b"\n", b";"):
                start += 1
            return _cut(statement, keyword.start(), token.group().decode(), start)
        if token.lastgroup is not None:
            return None
    return None


def _cut(statement: bytes, head_end: int, format_name: str, data_start: int) -> Insert:
    return Insert(statement[:head_end].decode("utf-8", "replace"), format_name, memoryview(statement)[data_start:])
