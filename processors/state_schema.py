"""Of what types a worker's state must be: read back as anything else it would stop the worker at a later message.

Only types are said here, and which numbers can be computed with in a time; what is missing, `snapshot.load` finds out.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, TypeAdapter, with_config
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

from cryptoviz.errors import Invalid
from cryptoviz.messages import LONGEST_INTERVAL_S, Amount, Ms, Origin, Price, SeriesState
from processors.rules import Rules

_LENIENT = ConfigDict(extra="ignore", allow_inf_nan=False, strict=True)
Whole = Annotated[int, Field(gt=-(2**53), lt=2**53)]
Count = Annotated[int, Field(ge=0, lt=2**53)]
Start = Annotated[str, Field(pattern=r"^\d{1,16}$")]


@with_config(_LENIENT)
class _Bar(TypedDict, total=False):
    start: Ms
    open: Price
    high: Price
    low: Price
    close: Price
    volume: float | None
    quotes: Count
    first_at: Whole
    last_at: Whole
    fill_until: Whole
    origin: Origin


@with_config(_LENIENT)
class _Series(TypedDict, total=False):
    open: dict[Start, _Bar]
    next_start: Whole | None
    close: Amount
    fill_until: Whole
    rollups: dict[Start, _Bar]


@with_config(_LENIENT)
class _Standing(TypedDict, total=False):
    state: SeriesState | None
    until: Ms
    late: bool
    distance: float | None


@with_config(_LENIENT)
class _Track(TypedDict, total=False):
    clock: Whole
    closed_until: Whole
    empty_bars: dict[str, Whole]
    series: dict[str, _Series]
    standings: dict[str, _Standing]


@with_config(_LENIENT)
class _Latest(TypedDict, total=False):
    price: Price
    received_at: Whole
    event_at: Whole | None
    poll_interval_s: Annotated[float, Field(gt=0)]


@with_config(_LENIENT)
class _Agreement(TypedDict, total=False):
    price: Price | None
    apart_since: Whole | None
    out: list[str]


@with_config(_LENIENT)
class State(TypedDict, total=False):
    """The small record: places in the log, clocks and open bars."""

    version: Whole
    interval_s: Whole
    offset: Whole
    raw_offset: Whole
    learned: Whole
    latest: dict[str, dict[str, _Latest]]
    agreements: dict[str, _Agreement]
    tracks: dict[str, _Track]


_STATE: TypeAdapter[State] = TypeAdapter(State)


def check_state(data: bytes, rules: Rules) -> None:
    """Raise `ValueError` or `Invalid` if a state holds something that no worker writes."""
    longest_ms = 2 * rules.bridge_ms(LONGEST_INTERVAL_S)
    for track in _STATE.validate_json(data).get("tracks", {}).values():
        for series in track.get("series", {}).values():
            _check_fill(series.get("fill_until", 0), series.get("next_start"), longest_ms)
            for key, bar in series.get("open", {}).items():
                _check_fill(bar.get("fill_until", 0), bar.get("start"), longest_ms)
                _check_start(int(key), bar.get("start"))


def _check_start(key: int, start: int | None) -> None:
    """A bar is closed by its key: with another start inside, its results would be of a time that is no time."""
    if start != key:
        raise Invalid("out_of_range", f"a bar that starts at {start} kept as one of {key}")


def _check_fill(until: int, start: int | None, longest_ms: int) -> None:
    """Empty bars are made one by one: over thousands of years they would take all memory there is."""
    if start is not None and until - start > longest_ms:
        raise Invalid("out_of_range", f"bars to be filled from {start} to {until}")
