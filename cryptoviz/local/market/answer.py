"""What an endpoint of the demo market answers, before it becomes an HTTP response, and how it writes times."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptoviz.clock import utc

JSON = "application/json"
HTML = "text/html"


@dataclass(frozen=True)
class Answer:
    """Status, body (JSON value, or text where the type is HTML) and headers."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = JSON


Handler = Callable[[Mapping[str, str], Mapping[str, str], int], Answer]
"""handler(query, headers, now in ms) of a fixed path."""


def iso(ms: int) -> str:
    """A time as both aggregators write it: 2021-05-15T15:59:43.867Z."""
    return utc(ms).isoformat(timespec="milliseconds").replace("+00:00", "Z")
