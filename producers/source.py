"""What a source is: where it is asked, how often, and how its answers read; it does no I/O of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from cryptoviz.assets import AssetRegistry, Listing
from producers.quote import Parsed


@dataclass(frozen=True)
class Request:
    """A GET request relative to the source's address."""

    path: str
    params: Mapping[str, str] = field(default_factory=dict)


class History(ABC):
    """How a source tells the past of one symbol."""

    hours: ClassVar[int]
    """How far back it reaches."""
    step_s: ClassVar[int]
    """Seconds between two of its points."""

    @abstractmethod
    def requests(self, listing: Listing, start: int, end: int) -> Sequence[Request]:
        """The requests, oldest first, that together bring the points in (start, end], in ms."""

    @abstractmethod
    def parse(self, payload: Any, registry: AssetRegistry, listing: Listing, now: int) -> Parsed:
        """Quotes with at = received_at = the point's own time, none after `now`; raises as `Source.parse`."""


class Source(ABC):
    """One source; the class attributes are its defaults, each of which the settings can replace."""

    name: ClassVar[str]
    url: ClassVar[str]
    interval_s: ClassVar[float]
    requests_per_minute: ClassVar[float]
    """Rate budget, retries included."""
    needs_key: ClassVar[bool] = False
    key_header: ClassVar[str | None] = None
    """The header that carries the API key; None where the source takes none."""
    history: ClassVar[History | None] = None

    @abstractmethod
    def request(self, listings: Sequence[Listing]) -> Request:
        """The one request that asks for all of `listings`."""

    @abstractmethod
    def parse(self, payload: Any, registry: AssetRegistry, received_at: int) -> Parsed:
        """Quotes and rejections of an answer, which is any JSON value.

        Raises `Failure` for an error sent as an ordinary answer, `Invalid` for an answer of another shape.
        """
