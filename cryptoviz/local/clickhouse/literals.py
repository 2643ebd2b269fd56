"""Values written as ClickHouse's SQL and parameters want them."""

from __future__ import annotations

_ESCAPES = str.maketrans({"\\": "\\\\", "'": "\\'", "\n": "\\n", "\t": "\\t", "\r": "\\r", "\0": "\\0"})


def quote(text: str) -> str:
    """A string literal of SQL."""
    return "'" + text.translate(_ESCAPES) + "'"


def escape_parameter(text: str) -> str:
    """The value of a `{name:String}` parameter, which the engine reads in the form of TabSeparated."""
    return text.translate(_ESCAPES)
