"""What can go wrong with an answer, turned into a decision: what the source's state is, and when to ask again."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from cryptoviz.errors import Retryable
from cryptoviz.messages import SourceState

MAX_RETRY_AFTER_S = 72 * 3600.0  # Binance bans for three days at most; a longer wish is a broken clock
DETAIL_CHARS = 200
REQUEST_REFUSED = frozenset({"http_400", "http_404", "http_422"})  # something we asked for is not to be had
_BANNED_UNTIL = re.compile(r"until (\d{13})\b")


class Failure(Retryable):
    """A poll that brought nothing: `reason` is a short word that is counted, `again` whether to try within this poll.

    The message is meant for the log: it never holds an address with its parameters, a header or a key.
    """

    def __init__(
        self, state: SourceState, reason: str, detail: str, *, again: bool = False, retry_after_s: float | None = None
    ) -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason, retry_after_s)
        self.state = state
        self.reason = reason
        self.detail = detail
        self.again = again


class Stopped(Exception):
    """The process is ending; whatever was under way is abandoned."""


def failure_of(status: int, headers: Mapping[str, str], payload: Any, now_ms: int) -> Failure:
    """The failure that an HTTP status other than 2xx means; `payload` is its body, decoded where it was JSON."""
    said = error_text(payload)
    retry_after_s = retry_after(headers.get("Retry-After"), now_ms)
    if status in (418, 429):
        named = [wait for wait in (retry_after_s, ban_end(said, now_ms)) if wait is not None]
        return Failure("rate_limited", f"http_{status}", said, retry_after_s=max(named, default=None))
    if status in (401, 403, 451):
        return Failure("blocked", f"http_{status}", said, retry_after_s=retry_after_s)
    if 300 <= status < 400:
        detail = "it answers with a redirect, which is not followed; set the source's URL to the new address"
        return Failure("failing", "redirect", detail)
    busy = status >= 500 or status == 408
    return Failure("failing", f"http_{status}", said, again=busy, retry_after_s=retry_after_s)


def retry_after(value: str | None, now_ms: int) -> float | None:
    """Seconds to wait by a Retry-After header, which holds seconds or an HTTP date; None where it says nothing."""
    if value is None:
        return None
    try:
        return _bounded(float(value))
    except ValueError:
        pass
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    moment = date if date.tzinfo else date.replace(tzinfo=UTC)
    return _bounded((moment - datetime.fromtimestamp(now_ms / 1000, UTC)).total_seconds())


def ban_end(text: str, now_ms: int) -> float | None:
    """Seconds until the end of a ban as Binance writes it into the text (`banned until 1785050129644`)."""
    found = _BANNED_UNTIL.search(text)
    return _bounded((int(found[1]) - now_ms) / 1000) if found else None


def error_text(payload: Any) -> str:
    """What an error body says in words, cut short and in ASCII; '' where it says nothing."""
    if not isinstance(payload, dict):
        return ""
    status = payload.get("status")
    nested = status.get("error_message") if isinstance(status, dict) else None
    error = payload.get("error")
    said = nested or payload.get("msg") or (error.get("message") if isinstance(error, dict) else error)
    return ascii(said)[1:-1][:DETAIL_CHARS] if isinstance(said, str) else ""


def _bounded(seconds: float) -> float | None:
    return None if math.isnan(seconds) else min(max(seconds, 0.0), MAX_RETRY_AFTER_S)
