"""Errors as ClickHouse's HTTP interface tells them: a code, a name, one line of text and a status."""

from __future__ import annotations

import re

from cryptoviz.errors import CryptovizError

CANNOT_DECODE = 117
NOT_IMPLEMENTED = 48
SYNTAX_ERROR = 62
UNKNOWN_FORMAT = 73
UNKNOWN_DATABASE = 81
UNKNOWN_SETTING = 115
TIMEOUT = 159
READONLY = 164
TOO_MANY_QUERIES = 202
SETTING_CONSTRAINT = 452
ACCESS_DENIED = 497
AUTHENTICATION_FAILED = 516
INTERNAL = 1002

_NAMES = {
    CANNOT_DECODE: "INCORRECT_DATA",
    NOT_IMPLEMENTED: "NOT_IMPLEMENTED",
    SYNTAX_ERROR: "SYNTAX_ERROR",
    UNKNOWN_FORMAT: "UNKNOWN_FORMAT",
    UNKNOWN_DATABASE: "UNKNOWN_DATABASE",
    UNKNOWN_SETTING: "UNKNOWN_SETTING",
    TIMEOUT: "TIMEOUT_EXCEEDED",
    READONLY: "READONLY",
    TOO_MANY_QUERIES: "TOO_MANY_SIMULTANEOUS_QUERIES",
    SETTING_CONSTRAINT: "SETTING_CONSTRAINT_VIOLATION",
    ACCESS_DENIED: "ACCESS_DENIED",
    AUTHENTICATION_FAILED: "AUTHENTICATION_FAILED",
    INTERNAL: "UNKNOWN_EXCEPTION",
}

# The statuses of the real server, by code; whatever is not listed is 500 there as well.
_STATUSES = {
    **dict.fromkeys((26, 27, 38, 41, 42, 43, 44, 47, 53, 69, 70, 72, 117, 131, 183, 456, 457), 400),
    **dict.fromkeys((36, 62, 1001), 400),
    **dict.fromkeys((46, 50, 56, 60, 63, 73, 78, 81, 110, 115), 404),
    **dict.fromkeys((164, 452, 497, 516), 403),
    159: 408,
    48: 501,
    202: 503,
    209: 503,
}
_MESSAGE = re.compile(r"Code: (\d+)\. DB::Exception: (.*)", re.DOTALL)
_NAME_AT_END = re.compile(r"\(([A-Z][A-Z0-9_]*)\)\s*$")
# What the engine adds about the call that asked it to parse, not about the user's own statement.
_SCOPE_OF_PARSER = re.compile(
    r": In scope SELECT (?:parseQueryToJSON|formatQuery\w*)\(.*\)\.?(?= \([A-Z_]+\)\s*$)", re.DOTALL
)


class QueryError(CryptovizError):
    """A statement failed or was refused; `code` and `name` are ClickHouse's."""

    def __init__(self, code: int, message: str, name: str | None = None) -> None:
        self.code = code
        self.name = name or _NAMES.get(code, "UNKNOWN_EXCEPTION")
        self.message = message
        super().__init__(self.text)

    @property
    def text(self) -> str:
        """The line sent to the client: `Code: N. DB::Exception: message (NAME)`."""
        return f"Code: {self.code}. DB::Exception: {self.message} ({self.name})"

    @property
    def status(self) -> int:
        """HTTP status the real server answers with."""
        return _STATUSES.get(self.code, 500)


def from_engine(error: Exception) -> QueryError:
    """Read code, name and message out of what chDB raised."""
    found = _MESSAGE.search(str(error))
    if not found:
        return QueryError(INTERNAL, str(error))
    message = _SCOPE_OF_PARSER.sub("", found.group(2)).strip()
    name = _NAME_AT_END.search(message)
    if name:
        message = message[: name.start()].strip()
    return QueryError(int(found.group(1)), message, name.group(1) if name else None)
