"""A worker's state is of the types a worker writes, or of no use: a worker that took it would end at a later quote."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from unit.processors.streams import random_stream

from cryptoviz.errors import Invalid
from processors.engine import Engine
from processors.rules import Rules
from processors.snapshot import dump
from processors.state_schema import check_state

ASSETS = ("BTC", "USDT")


@pytest.fixture(scope="module")
def state() -> bytes:
    """The state in the middle of an hour, with open bars at two sources."""
    engine = Engine(ASSETS, Rules())
    for offset, message in enumerate(random_stream(4, 90)):
        engine.apply(message, offset)
    return dump(engine)


def test_what_workers_write_passes(state: bytes) -> None:
    check_state(state, Rules())
    check_state(dump(Engine(ASSETS, Rules())), Rules())


def series(state: dict[str, Any]) -> dict[str, Any]:
    return next(iter(state["tracks"]["all"]["series"].values()))


def bar(state: dict[str, Any]) -> dict[str, Any]:
    return next(iter(series(state)["open"].values()))


CHANGES: list[Callable[[dict[str, Any]], Any]] = [
    lambda state: state.update(offset="7"),
    lambda state: state.update(raw_offset=2**63),
    lambda state: state["tracks"]["all"].update(clock=None),
    lambda state: state["tracks"]["all"].update(closed_until=True),
    lambda state: state["tracks"]["all"].update(empty_bars={"BTC": "3"}),
    lambda state: series(state).update(close=[]),
    lambda state: series(state).update(next_start=0.5),
    lambda state: series(state).update(open={"9" * 5_000: bar(state)}),
    lambda state: bar(state).update(start=-60_000),
    lambda state: bar(state).update(high="1"),
    lambda state: bar(state).update(quotes=[]),
    lambda state: bar(state).update(quotes=-1),
    lambda state: bar(state).update(close=0),
    lambda state: bar(state).update(origin="rumour"),
    lambda state: state["latest"]["BTC"]["binance"].update(price=None),
    lambda state: state["latest"]["BTC"]["binance"].update(event_at=""),
    lambda state: state["agreements"]["BTC"].update(price="1"),
    lambda state: state["agreements"]["BTC"].update(out="binance"),
    lambda state: state["tracks"]["all"]["standings"]["BTC"].update(until=0.5),
    lambda state: state["tracks"]["all"]["standings"]["BTC"].update(state="well"),
]


@pytest.mark.parametrize("number", range(len(CHANGES)))
def test_what_no_worker_writes_is_refused(state: bytes, number: int) -> None:
    strange = orjson.loads(state)
    CHANGES[number](strange)
    with pytest.raises(ValueError, match="validation error"):
        check_state(orjson.dumps(strange), Rules())


def test_bars_to_be_filled_over_thousands_of_years_are_refused_before_they_take_all_memory(state: bytes) -> None:
    for where in (series, bar):
        strange = orjson.loads(state)
        where(strange).update(fill_until=2**52)
        with pytest.raises(Invalid, match="bars to be filled"):
            check_state(orjson.dumps(strange), Rules())


@pytest.mark.parametrize("data", [b"", b"\xff", b"[]", b"null", b"[" * 100_000])
def test_what_is_no_state_at_all_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="validation error"):
        check_state(data, Rules())


def test_a_bar_whose_start_is_not_the_one_it_is_kept_under_is_refused(state: bytes) -> None:
    strange = orjson.loads(state)
    bar(strange)["start"] *= 1000  # found by fuzzing: results of the year 55,840, which no sink takes
    bar(strange)["fill_until"] *= 1000
    with pytest.raises(Invalid, match="a bar that starts at"):
        check_state(orjson.dumps(strange), Rules())
