"""Where the statement of an `INSERT` ends and its data begins; not a parser, the engine still reads the statement."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from cryptoviz.local.clickhouse.literals import quote

# One token: comment, quoted text or name, word, bracket, anything else. Of bytes: what follows the head is no text, and
# may be a hundred megabytes.
_TOKEN = re.compile(
    rb"""\s+ | --[^\n]*(?:\n|$) | \#[!\ ][^\n]*(?:\n|$) | /\*.*?\*/
    | (?P<quoted>'(?:[^'\\]|\\.|'')*' | `(?:[^`\\]|\\.|``)*` | "(?:[^"\\]|\\.|"")*")
    | (?P<word>[A-Za-z_][A-Za-z0-9_]*) | (?P<open>[(\[{]) | (?P<close>[)\]}]) | (?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_INPUT = re.compile(rb"INPUT\s*\(\s*(?P<nothing>\))?", re.IGNORECASE)
_BLANKS = b" \t\r"
_WITHOUT_DATA = (b"INFILE", b"EXPLAIN")


@dataclass(frozen=True)
class Insert:
    """An INSERT whose data came with it: the statement up to FORMAT or VALUES, the input format, the data in place.

    Where it selects from `input(...)`, `head` ends before that word and `tail` is what follows its opening bracket.
    """

    head: str
    format: str
    data: memoryview
    tail: str | None = None

    def reading(self, file: str) -> str:
        """The statement as one that reads the data from `file`."""
        source = f"file({quote(file)}, {quote(self.format)}"
        return f"{self.head} SELECT * FROM {source})" if self.tail is None else f"{self.head}{source}{self.tail}"


def split_insert(statement: bytes) -> Insert | None:
    """Cut an INSERT with inline data in two; None for a SELECT without `input` and all other statements."""
    words: list[bytes] = []
    source: re.Match[bytes] | None = None
    for word, token in _words(statement):
        selects = b"SELECT" in words or b"WITH" in words
        if selects and (opening := _INPUT.match(statement, token.start())):
            source = source or opening
            continue
        words.append(word)
        if words[0] != b"INSERT" or word in _WITHOUT_DATA:
            return None
        if word == b"VALUES" and len(words) > 2 and not selects:
            return _cut(statement, token.start(), "Values", token.end())
        if word == b"FORMAT" and len(words) > 2 and (source or not selects):
            return _with_format(statement, token, source)
    return None


def _words(statement: bytes) -> Iterator[tuple[bytes, re.Match[bytes]]]:
    """Words outside of brackets, in capitals, and `INPUT` anywhere; none of what does not begin with a word."""
    depth = 0
    for number, token in enumerate(token for token in _TOKEN.finditer(statement) if token.lastgroup):
        kind, word = token.lastgroup, token.group().upper()
        if kind == "word" and (depth == 0 or word == b"INPUT"):
            yield word, token
        elif number == 0:
            return
        depth += (kind == "open") - (kind == "close")


def _with_format(statement: bytes, keyword: re.Match[bytes], source: re.Match[bytes] | None) -> Insert | None:
    for token in _TOKEN.finditer(statement, keyword.end()):
        if token.lastgroup == "word":
            start = token.end()
            # As in ClickHouse: blanks, then at most one line feed, belong to the statement; the rest is data.
            while start < len(statement) and statement[start] in _BLANKS:
                start += 1
            if statement[start : start + 1] in (b"\n", b";"):
                start += 1
            return _cut(statement, keyword.start(), token.group().decode(), start, source)
        if token.lastgroup is not None:
            return None
    return None


def _cut(
    statement: bytes, head_end: int, format_name: str, data_start: int, source: re.Match[bytes] | None = None
) -> Insert:
    data = memoryview(statement)[data_start:]
    if source is None:
        return Insert(_text(statement[:head_end]), format_name, data)
    between = ")" if source["nothing"] else ", "
    tail = between + _text(statement[source.end() : head_end])
    return Insert(_text(statement[: source.start()]), format_name, data, tail)


def _text(statement: bytes) -> str:
    return statement.decode("utf-8", "replace")
