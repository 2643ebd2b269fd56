"""Raw messages to normalized ones: the schema and the registry checked again, what fails set aside. Pure."""

from __future__ import annotations

import base64
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import TypeAdapter, ValidationError

from cryptoviz.assets import AssetRegistry
from cryptoviz.clock import FUTURE_MS
from cryptoviz.errors import Invalid
from cryptoviz.messages import MOST_QUOTES, DeadLetter, NormalizedQuotes, Quote, RawQuotes, encode
from cryptoviz.partitions import partition_of
from cryptoviz.topics import RAW
from processors.reading import first_problem

AHEAD_MS = 60_000
"""How far a producer's clock may be ahead of the broker's; a message beyond would make all that follows it late."""
MOST_BYTES = 4 * 1024 * 1024
"""Of a raw message: the normalized one is longer, and must fit into a message as well."""
KEPT_BYTES = 1024 * 1024
"""So much of a payload is kept: escaped it grows up to sixfold, and a letter must fit into a message."""
_RAW: TypeAdapter[RawQuotes] = TypeAdapter(RawQuotes)
_QUOTE: TypeAdapter[Quote] = TypeAdapter(Quote)


@dataclass(frozen=True)
class Position:
    """Where in the log a message lies, and the broker's time of it in ms."""

    topic: str
    partition: int
    offset: int
    timestamp: int


@dataclass(frozen=True)
class Normaliser:
    """Checks raw messages against the registry, the number of partitions and the length of a bar."""

    registry: AssetRegistry
    partitions: int
    interval_s: int

    def normalise(self, value: bytes | None, at: Position) -> tuple[NormalizedQuotes | None, list[DeadLetter]]:
        """The message with its good quotes (None if none of it can be read), and what was set aside with reasons."""
        try:
            raw, dead = self._decode(value or b"", at)
        except Invalid as error:
            return None, [dead_letter(value or b"", error, at)]
        quotes = []
        for item, quote in raw:
            try:
                quotes.append({**quote, "item": item, "feeds": self._check(raw.message, quote, at)})
            except Invalid as error:
                dead.append(dead_letter(encode(quote), error, at, item, raw.message["source"]))
        place = {"topic": at.topic, "partition": at.partition, "offset": at.offset}
        message: Any = {**raw.message, **place, "quotes": quotes}
        return message, dead

    def _decode(self, value: bytes, at: Position) -> tuple[_Raw, list[DeadLetter]]:
        if len(value) > MOST_BYTES:
            raise Invalid("too_large", f"{len(value)} bytes, the most is {MOST_BYTES}")
        try:
            message = _RAW.validate_json(value)
        except ValidationError:
            return self._decode_item_by_item(value, at)
        self._check_message(message, at)
        return _Raw(message, list(enumerate(message["quotes"]))), []

    def _decode_item_by_item(self, value: bytes, at: Position) -> tuple[_Raw, list[DeadLetter]]:
        """The slow way, for a message of which at least one part is wrong: keep every part that is right."""
        try:
            parsed = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise Invalid("not_json", str(error)) from error
        items = parsed.get("quotes") if isinstance(parsed, dict) else None
        if not isinstance(items, list):
            raise Invalid("wrong_schema", "an object with a list of quotes was expected")
        try:
            message = _RAW.validate_python(parsed | {"quotes": []})
        except ValidationError as error:
            raise Invalid("wrong_schema", first_problem(error)) from error
        self._check_message(message, at)
        if len(items) > MOST_QUOTES:  # each would have a letter of its own
            raise Invalid("too_many_quotes", f"{len(items)} in one message, the most is {MOST_QUOTES}")
        good, dead = [], []
        for index, item in enumerate(items):
            try:
                good.append((index, _QUOTE.validate_python(item)))
            except ValidationError as error:
                invalid = Invalid("wrong_schema", first_problem(error))
                dead.append(dead_letter(_written(item), invalid, at, index, message["source"]))
        return _Raw(message, good), dead

    def _check_message(self, message: RawQuotes, at: Position) -> None:
        check_header(message, at, self.interval_s)
        check_source(message, self.registry.sources)

    def _check(self, message: RawQuotes, quote: Quote, at: Position) -> bool:
        """Whether the quote feeds bars; raises `Invalid` if it is not what it says."""
        listing = self.registry.listing(message["source"], quote["symbol"])
        if listing is None or listing.asset != quote["asset"]:
            raise Invalid("unknown_symbol", f"{quote['symbol']} at {message['source']} as {quote['asset']}")
        home = partition_of(quote["asset"], self.partitions)
        if home != at.partition:
            raise Invalid("wrong_partition", f"{quote['asset']} lives in {home}")
        check_times(message, quote)
        high, low = quote["high"], quote["low"]
        if high is not None and low is not None and high < low:
            raise Invalid("inconsistent_candle", f"high {high} < low {low}")
        return listing.feeds


def check_header(message: RawQuotes | NormalizedQuotes, at: Position, interval_s: int) -> None:
    """Raise `Invalid` if a message is of another home, or would set a source's clock ahead of the broker's."""
    if message["interval_s"] != interval_s:
        raise Invalid("wrong_interval", f"bars of {message['interval_s']} s, this home has {interval_s} s")
    if message["received_at"] > at.timestamp + AHEAD_MS:
        raise Invalid("future", f"received at {message['received_at']}, {at.timestamp} by the broker's clock")


def check_source(message: RawQuotes | NormalizedQuotes, sources: Collection[str]) -> None:
    """Raise `Invalid` if a message is of a source that is none of these."""
    if message["source"] not in sources:
        raise Invalid("unknown_source", f"the registry lists nothing at {message['source']}")


def check_times(message: RawQuotes | NormalizedQuotes, quote: Quote) -> None:
    """Raise `Invalid` if a quote would set its source's clock ahead of its message's, or counts for a time to come."""
    if quote["received_at"] > message["received_at"]:
        raise Invalid("received_after_message", f"{quote['received_at']} > {message['received_at']}")
    if max(quote["at"], quote["event_at"] or 0) > quote["received_at"] + FUTURE_MS:
        raise Invalid("future", f"{max(quote['at'], quote['event_at'] or 0)} > {quote['received_at']}")


def check_place(message: NormalizedQuotes, at: Position) -> None:
    """Raise `Invalid` if a normalized message does not come from the same partition of quotes.raw."""
    if (message["topic"], message["partition"]) != (RAW.name, at.partition):
        raise Invalid("wrong_place", f"it comes from {message['topic']}[{message['partition']}]")


@dataclass(frozen=True)
class _Raw:
    message: RawQuotes
    items: list[tuple[int, Quote]]

    def __iter__(self) -> Iterator[tuple[int, Quote]]:
        return iter(self.items)


def dead_letter(payload: bytes, error: Invalid, at: Position, item: int | None = None, source: str = "") -> DeadLetter:
    """What is kept of a message, or of one item of it, that could not be used."""
    text, encoding = _kept(payload)
    detail = error.detail[:500] + (f" (kept: {KEPT_BYTES} of {len(payload)} bytes)" if encoding == "cut" else "")
    return {
        "topic": at.topic,
        "partition": at.partition,
        "offset": at.offset,
        "item": item,
        "source": source,
        "reason": error.reason,
        "detail": detail,
        "at": at.timestamp,
        "encoding": encoding,  # type: ignore[typeddict-item]
        "payload": text,
    }


def _kept(payload: bytes) -> tuple[str, str]:
    """The payload as text, and how it was made text."""
    if len(payload) > KEPT_BYTES:
        return payload[:KEPT_BYTES].decode(errors="backslashreplace"), "cut"
    try:
        return payload.decode(), "utf-8"
    except UnicodeDecodeError:
        return base64.b64encode(payload).decode(), "base64"


def _written(item: Any) -> bytes:
    try:
        return encode(item)
    except orjson.JSONEncodeError:  # it reads what is nested far more deeply than what it writes
        return b'"nested too deeply to be written"'
