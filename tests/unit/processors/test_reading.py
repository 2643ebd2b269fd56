from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
import sink_messages as made
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from cryptoviz.errors import Invalid
from cryptoviz.messages import (
    Bar,
    DeadLetter,
    Indicators,
    NormalizedQuotes,
    Prediction,
    Scores,
    Signal,
    Stats,
)
from processors.reading import Reader

MESSAGES: list[tuple[Any, Any]] = [
    (NormalizedQuotes, made.quotes(1, 3)),
    (NormalizedQuotes, made.heartbeat(1)),
    (Bar, made.bar(1)),
    (Stats, made.stats(1)),
    (Indicators, made.indicators(1)),
    (Prediction, made.prediction(1)),
    (Signal, made.signal(1)),
    (Scores, made.scores(1)),
    (DeadLetter, made.letter(1)),
]
READERS = {message: (Reader(message), TypeAdapter(message)) for message, _ in MESSAGES}
# JSON for the place of a value: what is near the edges of types and bounds, and what is not JSON at all.
STRANGE = [
    b"null", b"true", b"0", b"-1", b"1", b"1.0", b"1e3", b"0.5", b"-0.0", b"1e-31", b"1e31", b"1e308", b"1e999",
    b"NaN", b"Infinity", b"4102444800000", b"9007199254740991", b"9007199254740992", b"9223372036854775807",
    b"9223372036854775808", b"-9223372036854775809", b"9" * 60, b'""', b'"x"', b'"1"', b'"live"', b'"BUY"',
    b'"%s"' % (b"x" * 128), b'"%s"' % (b"x" * 129), b'"\\ud83d\\ude00"', b'"\\ud800"', b'"\\u0000"', b'"\xff"', b"[]",
    b"[[]]", b"{}", b'{"level": 0.8}', b"[" * 3000 + b"]" * 3000, b"", b"}",
]  # fmt: skip
HOLE = "@hole@"


def holes(value: Any) -> list[Any]:
    """The message with one of its values, at any depth, a hole; and with a field too many, and one too few."""
    if isinstance(value, dict):
        changed = [value | {name: inner} for name, each in value.items() for inner in holes(each)]
        return [HOLE, value | {"strange": HOLE}, *changed, *[_without(value, name) for name in value]]
    if isinstance(value, list):
        return [
            HOLE,
            [*value, HOLE],
            *[[*value[:n], inner, *value[n + 1 :]] for n, e in enumerate(value) for inner in holes(e)],
        ]
    return [HOLE]


def _without(value: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: each for key, each in value.items() if key != name}


DAMAGED = [(message, orjson.dumps(hole)) for message, whole in MESSAGES for hole in holes(whole)]


@pytest.mark.parametrize("strange", STRANGE, ids=lambda value: repr(value[:20]))
def test_what_is_read_is_what_pydantic_reads_and_nothing_it_refuses_is_read(strange: bytes) -> None:
    for message, text in DAMAGED:
        value = text.replace(f'"{HOLE}"'.encode(), strange)
        if b'"strange":"\xff"' in value:  # text that is passed over is not looked at
            continue
        reader, judge = READERS[message]
        try:
            wanted = judge.validate_json(value)
        except ValidationError:
            with pytest.raises(Invalid, match="wrong_schema"):
                reader.read(value)
        else:  # as JSON, because 1 == 1.0 == True
            assert json.dumps(reader.read(value), sort_keys=True) == json.dumps(wanted, sort_keys=True)


@pytest.mark.parametrize(("message", "value"), MESSAGES)
def test_what_is_right_does_not_go_the_slow_way(message: Any, value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = Reader(message)
    monkeypatch.setattr(reader, "_judge", None)
    assert reader.read(orjson.dumps(value)) == value


@given(st.integers(-(2**70), 2**70), st.sampled_from(["windows", "at"]))
@example(99, "at")
@example(100, "at")
@example(100, "windows")
def test_a_whole_number_beyond_its_limit_is_out_of_range_wherever_it_stands(number: int, place: str) -> None:
    reader = Reader(Stats, {"at": 100, "points": 100})
    stats: Any = made.stats(0) | {"at": 7}
    if place == "at":
        stats["at"] = "@"
    else:
        stats["windows"][-1]["points"] = "@"
    value = orjson.dumps(stats).replace(b'"@"', str(number).encode())
    if 0 <= number < 100:
        assert reader.read(value)
    else:
        with pytest.raises(Invalid, match="out_of_range"):
            reader.read(value)


def test_what_is_wrong_is_said() -> None:
    bar: Any = made.bar(0) | {"close": "high"}
    with pytest.raises(Invalid, match="wrong_schema: close: Input should be a valid number"):
        Reader(Bar).read(orjson.dumps(bar))
