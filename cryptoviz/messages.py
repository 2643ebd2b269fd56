"""The messages on every topic: their fields, units and ids, from which the JSON Schemas are generated.

All times are UTC milliseconds since 1970. A field a source does not give is null, never 0. A message gains optional
fields only; one that loses or retypes a field becomes a new topic.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import orjson
from pydantic import ConfigDict, Field, TypeAdapter, with_config
from typing_extensions import NotRequired, TypedDict  # noqa: UP035 - pydantic needs these before Python 3.12

Origin = Literal["live", "backfill", "replay"]
SourceState = Literal["available", "late", "rate_limited", "blocked", "failing", "off"]
SeriesState = Literal["available", "late", "stale", "diverging", "backfilled", "gap"]
SignalName = Literal["BUY", "SELL", "HOLD"]
MaTrend = Literal["bullish", "bearish", "neutral"]
SignalReason = Literal[
    "variation_above_threshold",
    "variation_below_threshold",
    "variation_within_threshold",
    "confidence_too_low",
    "not_enough_points",
    "series_broken",
    "stale_source",
]
Void = Literal["", "no_bar", "stale_source"]
ALL = "all"  # the source name of the median over sources
MOST_QUOTES = 10_000  # in one message; far more than any source has in one answer
LONGEST_INTERVAL_S = 31 * 86_400  # between two polls, or of a candle; empty bars are filled for three of them

Ms = Annotated[int, Field(ge=0, lt=2**53)]
Name = Annotated[str, Field(min_length=1, max_length=128)]
# Far beyond any real price, and narrow enough that nothing computed from it overflows: a null would be written for it.
Price = Annotated[float, Field(ge=1e-30, le=1e30)]
Amount = Annotated[float, Field(ge=0, le=1e30)]
Int64 = Annotated[int, Field(ge=-(2**63), lt=2**63)]
_LENIENT = ConfigDict(extra="ignore", allow_inf_nan=False)


@with_config(_LENIENT)
class Quote(TypedDict):
    """One price of one symbol; its id is (asset, source, symbol, at, ref)."""

    asset: Name
    name: Name
    symbol: Name
    ref: Annotated[str, Field(max_length=128)]
    """Trade id, start of the candle in ms, or ''."""
    currency: Name
    price: Price
    open: Price | None
    high: Price | None
    low: Price | None
    volume: Amount | None
    percent_change_24h: float | None
    market_cap: Amount | None
    volume_24h: Amount | None
    event_at: Ms | None
    """The source's own time."""
    received_at: Ms
    """Our time when the answer came."""
    at: Ms
    """The time this quote counts for: received_at of a polled snapshot, event_at of a trade or candle."""
    repeated: NotRequired[bool]
    """The source gave this answer before (same event_at)."""


@with_config(_LENIENT)
class SourceStatus(TypedDict):
    """What a source's producer says of it, and since when; travels in heartbeats."""

    state: SourceState
    since: Ms
    until: Ms | None
    reason: str


@with_config(_LENIENT)
class RawQuotes(TypedDict):
    """Topic quotes.raw: the quotes of one source and one partition from one poll; none makes it a heartbeat."""

    source: Name
    origin: Origin
    received_at: Ms
    """Not before any of its quotes' received_at; moves the clock of the source's series."""
    interval_s: Annotated[int, Field(gt=0)]
    """Length of a bar."""
    poll_interval_s: Annotated[float, Field(gt=0, le=LONGEST_INTERVAL_S)]
    backfill_until: NotRequired[Ms | None]
    """End of the history being backfilled; results begin at its last bar."""
    status: NotRequired[SourceStatus | None]
    quotes: Annotated[list[Quote], Field(max_length=MOST_QUOTES)]


@with_config(_LENIENT)
class NormalizedQuote(Quote):
    """A quote that passed every check; `item` is its place in the raw message."""

    item: Int64
    feeds: bool
    """Whether it feeds bars and `all`; other pairs of the asset are only stored."""


@with_config(_LENIENT)
class NormalizedQuotes(RawQuotes):
    """Topic quotes.normalized: the good quotes of one raw message, with that message's place in the log."""

    topic: str
    partition: Int64
    offset: Int64
    quotes: Annotated[list[NormalizedQuote], Field(max_length=MOST_QUOTES)]  # type: ignore[misc]


@with_config(_LENIENT)
class Bar(TypedDict):
    """Topic bars, one closed bar of one series; id asset/source/interval_s/start."""

    id: str
    asset: str
    source: str
    interval_s: int
    start: int
    open: float
    high: float
    low: float
    close: float
    volume: float | None
    quotes: int
    """Number of quotes in it; 0 means filled with the previous close."""
    origin: Origin


@with_config(_LENIENT)
class StatsWindow(TypedDict):
    """Statistics over the closes with end in (at - window_s, at]."""

    window_s: int
    points: int
    min: float
    max: float
    mean: float
    std: float
    """Population standard deviation."""
    variation: float
    """(last / first - 1) * 100."""
    volatility: float
    """std / mean * 100."""


@with_config(_LENIENT)
class Stats(TypedDict):
    """Topic stats, all windows of one series at the end of one bar; id asset/source/interval_s/at."""

    id: str
    asset: str
    source: str
    interval_s: int
    at: int
    origin: Origin
    windows: list[StatsWindow]


@with_config(_LENIENT)
class Indicators(TypedDict):
    """Topic indicators, those of one series at the end of one bar; id asset/source/interval_s/at.

    Null while the series has too few bars since it began or began anew; formulas and units in docs/indicators.md.
    """

    id: str
    asset: str
    source: str
    interval_s: int
    at: int
    origin: Origin
    rsi: float | None
    macd: float | None
    macd_signal: float | None
    macd_histogram: float | None
    bollinger_lower: float | None
    bollinger_middle: float | None
    bollinger_upper: float | None
    stochastic_k: float | None
    stochastic_d: float | None
    atr: float | None
    ewma_volatility: float | None
    """In percent, per bar."""
    more: dict[str, float]
    """Values that have no field of their own, by name; missing while there are too few bars."""


@with_config(_LENIENT)
class Bound(TypedDict):
    """An interval that should hold the price with probability `level`."""

    level: float
    lower: float
    upper: float


@with_config(_LENIENT)
class Forecast(TypedDict):
    """One model's forecast for one horizon; percents are in percent."""

    horizon_s: int
    target_at: int
    model: str
    version: str
    forecast: float | None
    variation: float | None
    confidence: float | None
    reason: str
    """'' or why there is no forecast."""
    bounds: list[Bound]
    """Empty until the model has enough scored forecasts for this series and horizon."""
    weight: NotRequired[float | None]
    """Its share in consensus_adaptive at this horizon, null for what has none."""


@with_config(_LENIENT)
class Prediction(TypedDict):
    """Topic predictions, all models and horizons of one series; id asset/source/interval_s/made_at."""

    id: str
    asset: str
    source: str
    interval_s: int
    made_at: int
    price: float
    points: int
    usual_move: NotRequired[float | None]
    """Root mean square of the price's change over an hour, in percent, by which bounds are scaled; null at first."""
    origin: Origin
    forecasts: list[Forecast]


@with_config(_LENIENT)
class SignalAt(TypedDict):
    """The signal for one horizon."""

    horizon_s: int
    signal: SignalName
    variation: float | None
    confidence: float | None
    """Plain mean of the members' confidences."""
    ma_trend: MaTrend | None
    reason: SignalReason


@with_config(_LENIENT)
class Signal(TypedDict):
    """Topic signals, all horizons of one series; id asset/source/interval_s/made_at."""

    id: str
    asset: str
    source: str
    interval_s: int
    made_at: int
    price: float
    origin: Origin
    signals: list[SignalAt]


@with_config(_LENIENT)
class ScoredInterval(TypedDict):
    """One of a forecast's intervals against what happened, in the unit of the price."""

    level: float
    inside: bool
    width: float
    winkler: float
    """The width, plus 2 / (1 - level) times the distance by which the price fell outside (Winkler, 1972)."""


@with_config(_LENIENT)
class Score(TypedDict):
    """One forecast against what happened; errors and the hit are null where it is void."""

    made_at: int
    horizon_s: int
    model: str
    version: str
    origin: Origin
    """Of the forecast: backfill for one of a back-test over the history, which nobody filed in advance."""
    price: float
    """At made_at: what "the price stays the same" forecasts."""
    forecast: float
    confidence: float | None
    error: float | None
    """forecast - actual."""
    naive_error: float | None
    """price - actual."""
    relative_error: float | None
    """|error| / |naive_error|, null where the latter is 0."""
    hit: bool | None
    """Whether the forecast's change has the sign of the actual one; null where either is 0."""
    intervals: list[ScoredInterval]


@with_config(_LENIENT)
class Scores(TypedDict):
    """Topic scores, all forecasts of one series whose time has come; id asset/source/interval_s/target_at."""

    id: str
    asset: str
    source: str
    interval_s: int
    target_at: int
    scored_at: int
    """The stream's time: how far the series' clock was."""
    actual: float | None
    """Close of the bar that ends at target_at, null where there is none."""
    void: Void
    """'' or why these forecasts cannot be judged."""
    scores: list[Score]


@with_config(_LENIENT)
class LedgerEntry(TypedDict):
    """Topic ledger, a series that stands differently than before; id asset/source/since."""

    id: str
    asset: str
    source: str
    since: int
    """The start of the first bar of which it is true, or where a gap begins."""
    state: SeriesState
    reason: str
    origin: Origin


@with_config(_LENIENT)
class DeadLetter(TypedDict):
    """Topics *.dead: what could not be used, why, and the original bytes as text or base64."""

    topic: str
    partition: int | None
    offset: int | None
    item: int | None
    source: str
    reason: str
    detail: str
    at: int
    """When it was set aside."""
    encoding: Literal["utf-8", "base64", "cut"]
    """`cut`: the payload is the beginning of what was too long to be kept, as readable text."""
    payload: str


def result_id(asset: str, source: str, interval_s: int, at: int) -> str:
    """The id that result messages carry for consumers to dedupe on."""
    return f"{asset}/{source}/{interval_s}/{at}"


def encode(message: Any) -> bytes:
    """A message as JSON bytes; NaN and infinity cannot be written (they become null)."""
    return orjson.dumps(message, option=orjson.OPT_SERIALIZE_NUMPY)


def schema_of(message: type) -> dict[str, Any]:
    """The JSON Schema of a message type."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **TypeAdapter(message).json_schema()}
