"""One item of an answer becomes a valid quote, or is rejected with a reason; pure, the same for every source."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from pydantic import TypeAdapter, ValidationError

from cryptoviz.assets import AssetRegistry, Listing
from cryptoviz.clock import FUTURE_MS
from cryptoviz.errors import Invalid
from cryptoviz.messages import Quote

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_QUOTE: TypeAdapter[Quote] = TypeAdapter(Quote)
_BLANK: dict[str, Any] = dict.fromkeys(
    ("open", "high", "low", "volume", "percent_change_24h", "market_cap", "volume_24h", "event_at")
)


@dataclass(frozen=True)
class Rejection:
    """An item that cannot be used: what it is about, why, and the item itself for the dead letter."""

    symbol: str
    reason: str
    detail: str
    item: Any


@dataclass
class Parsed:
    """What an answer held."""

    quotes: list[Quote] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)


def quote_of(registry: AssetRegistry, listing: Listing, received_at: int, fields: Mapping[str, Any]) -> Quote:
    """A quote from the fields a source gives; `at` is received_at unless given.

    Raises `Invalid`: `no_price`, `future`, or `bad_<field>` for a value that is not what the contract says.
    """
    if fields.get("price") is None:
        raise Invalid("no_price", "the item has no price")
    for name, value in fields.items():
        if isinstance(value, bool):
            raise Invalid(f"bad_{name}", "a truth value where a number belongs")
    draft = _BLANK | {
        "asset": listing.asset, "name": registry.by_ticker[listing.asset].name, "symbol": listing.symbol,
        "currency": listing.currency, "ref": "", "received_at": received_at, "at": received_at,
    } | dict(fields)  # fmt: skip
    try:
        quote = _QUOTE.validate_python(draft)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise Invalid(f"bad_{problem['loc'][0]}", problem["msg"]) from None
    if quote["event_at"] is not None and quote["event_at"] > received_at + FUTURE_MS:
        raise Invalid("future", f"its time is {quote['event_at'] - received_at} ms ahead of ours")
    return quote


def iso_ms(value: Any) -> int | None:
    """Milliseconds of an ISO 8601 time (UTC where it names no zone), None for None; raises `Invalid`."""
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return int((aware - EPOCH).total_seconds() * 1000 + 0.5)
    except (ValueError, TypeError, OverflowError) as error:
        raise Invalid("bad_event_at", f"not a time: {ascii(value)[:40]}") from error


def sift(
    source: str,
    items: Iterable[tuple[str | None, Any]],
    registry: AssetRegistry,
    received_at: int,
    fields_of: Callable[[dict[str, Any]], Mapping[str, Any]],
) -> Parsed:
    """Quotes and rejections of the (symbol, item) pairs of one answer; what was asked for and is absent is `missing`.

    Only the first usable item of a symbol counts: two quotes of one symbol and moment would have the same id.
    """
    parsed = Parsed()
    taken: set[str] = set()
    named: set[str] = set()
    for symbol, item in items:
        named.add(symbol or "")
        try:
            listing = _listing(source, symbol, item, registry)
            quote = quote_of(registry, listing, received_at, fields_of(item))
            if quote["symbol"] in taken:
                raise Invalid("duplicate", "the answer holds this symbol twice")
        except Invalid as error:
            parsed.rejections.append(Rejection((symbol or "")[:128], error.reason, error.detail, item))
        else:
            taken.add(quote["symbol"])
            parsed.quotes.append(quote)
    missing = [listing.symbol for listing in registry.feeding(source) if listing.symbol not in named | taken]
    parsed.rejections += [Rejection(symbol, "missing", "not in the answer", None) for symbol in missing]
    return parsed


def _listing(source: str, symbol: str | None, item: Any, registry: AssetRegistry) -> Listing:
    if not isinstance(item, dict):
        raise Invalid("wrong_shape", "the item is not an object")
    if not symbol:
        raise Invalid("no_symbol", "the item does not say what it is")
    listing = registry.listing(source, symbol)
    if listing is None:
        raise Invalid("unknown_symbol", "the registry does not know it")
    return listing
