"""The errors that are decisions: what to retry, what to keep aside, what to tell the user.

* CryptovizError
  * UserError       somebody can mend it by reading the message: one line on stderr, exit 1
  * Retryable       the world is at fault (network, server busy): wait and try again
  * Invalid         the data is at fault: keep it aside with a reason (dead letter)

Anything else is a bug and ends the process; the supervisor restarts it and nothing unacknowledged is passed over.
"""

from __future__ import annotations


class CryptovizError(Exception):
    """Root of the errors this project raises on purpose."""


class UserError(CryptovizError):
    """The user can mend this; the message says how."""


class Retryable(CryptovizError):
    """Try again, after `retry_after_s` seconds when the other side named a time."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Invalid(CryptovizError):
    """This piece of data can never be right; `reason` is a short fixed word that is counted and stored."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail
