"""Where the statement of an `INSERT` ends and its data begins; not a parser, the engine still reads the statement."""

from __future__ import annotations

import re
from dataclasses import dataclass

# One token: comment, quoted text or name, word, bracket, anything else. Latin-1 keeps one character per byte.
_TOKEN = re.compile(
    r"""\s+ | --[^\n]*(?:\n|$) | \#[!\ ][^\n]*(?:\n|$) | /\*.*?\*/
    | (?P<quoted>'(?:[^'\\]|\\.|'')*' | `(?:[^`\\]|\\.|``)*` | "(?:[^"\\]|\\.|"")*")
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*) | (?P<open>[(\[{]) | (?P<close>[)\]}]) | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_BLANKS = " \t\r"


@dataclass(frozen=True)
class Insert:
    """An INSERT whose data came with it: the statement up to FORMAT or VALUES, the input format, the data."""

    head: str
    format: str
    data: bytes


def split_insert(statement: bytes) -> Insert | None:
    """Cut an INSERT with inline data in two; None for `INSERT ... SELECT`, `FROM INFILE` and every other statement."""
    text = statement.decode("latin-1")
    depth = 0
    words: list[str] = []
    for token in _TOKEN.finditer(text):
        kind = token.lastgroup
        if kind == "open":
            depth += 1
        elif kind == "close":
            depth -= 1
        elif kind == "word" and depth == 0:
            word = token.group().upper()
            words.append(word)
            if words[0] != "INSERT" or word in ("SELECT", "WITH", "INFILE", "EXPLAIN"):
                return None
            if word == "VALUES" and len(words) > 2:
                return _cut(statement, token.start(), "Values", token.end())
            if word == "FORMAT" and len(words) > 2:
                return _with_format(statement, text, token)
        elif kind is not None and not words:
            return None
    return None


def _with_format(statement: bytes, text: str, keyword: re.Match[str]) -> Insert | None:
    for token in _TOKEN.finditer(text, keyword.end()):
        if token.lastgroup == "word":
            start = token.end()
            # As in ClickHouse: blanks, then at most one line feed, belong to the statement; the rest is data.
            while start < len(text) and text[start] in _BLANKS:
                start += 1
            if text[start : start + 1] in ("\n", ";"):
                start += 1
            return _cut(statement, keyword.start(), token.group(), start)
        if token.lastgroup is not None:
            return None
    return None


def _cut(statement: bytes, head_end: int, format_name: str, data_start: int) -> Insert:
    return Insert(statement[:head_end].decode("utf-8", "replace"), format_name, statement[data_start:])
