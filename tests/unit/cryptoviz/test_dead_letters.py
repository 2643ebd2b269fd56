"""Dead letters shown to people: time spans, originals that are JSON, text or neither, and filters."""

from __future__ import annotations

import json

import pytest

from cryptoviz.dead_letters import Filter, printable, readable, span_s


@pytest.mark.parametrize(("text", "seconds"), [("90 s", 90), ("5min", 300), (" 1 h ", 3600), ("1.5 d", 129_600)])
def test_a_span_is_read_as_people_write_it(text: str, seconds: float) -> None:
    assert span_s(text) == seconds


@pytest.mark.parametrize("text", ["", "h", "1", "-1 h", "1 m", "1 week", "0 s", "1e9 d", "9" * 400 + " d", "nan h"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time span"):
        span_s(text)


def test_json_is_indented_with_every_value_kept() -> None:
    value = {"name": "é", "escape": "\x1b[31m", "nan": float("inf"), "huge": 10**400, "list": [1, {}]}
    lines = list(readable(json.dumps(value).encode()))
    assert len(lines) > 5
    assert json.loads("\n".join(lines)) == value
    assert all(line.isprintable() for line in lines)


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        (b"", [""]),
        (b"one\ntwo\x1b[2J\x00", ["one", r"two\x1b[2J\x00"]),
        ("a\u202eb".encode(), [r"a\u202eb"]),
        (b"\xff" * 17, [f"00000000  {'ff ' * 16} {'.' * 16}", f"00000010  ff{' ' * 47}."]),
        (b"\xed\xa0\x80", [f"00000000  ed a0 80{' ' * 41}..."]),
    ],
)
def test_what_is_not_json_is_shown_as_text_or_in_hex(value: bytes, lines: list[str]) -> None:
    assert list(readable(value)) == lines


def test_deep_nesting_is_shown_as_it_is() -> None:
    assert list(readable(b"[" * 50_000)) == ["[" * 50_000]


def test_half_a_surrogate_pair_is_escaped() -> None:
    assert printable("\ud800") == r"\ud800"


def test_a_filter_says_what_it_was_given_and_nothing_of_it_enters_the_query() -> None:
    assert Filter().is_open
    assert Filter().where() == ("1", {})
    evil = "x' OR 1=1 --"
    where, values = Filter(topic=evil, source="", reason=None, since_s=60.5, names=("a/0/1/", evil)).where()
    assert evil not in where
    assert values == {"topic": evil, "source": "", "since_ms": 60_500, "name0": "a/0/1/", "name1": evil}
    assert where.count("AND") == 3
