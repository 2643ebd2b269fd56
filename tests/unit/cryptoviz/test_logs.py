"""Lines are text or JSON; the log of an outage stays short, and says how much of the same was left out."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from fakes import FakeTime

from cryptoviz.logs import MOST_KINDS, REPEATED_AFTER_S, JsonFormatter, Repeats, logging_config


def _record(text: str, *arguments: object, name: str = "aiokafka.client") -> logging.LogRecord:
    return logging.LogRecord(name, logging.ERROR, "", 0, text, arguments, None)


def test_a_kafka_client_s_line_passes_once_a_minute_and_tells_how_many_were_like_it() -> None:
    clock = FakeTime()
    repeats = Repeats(clock)
    assert repeats.filter(_record("Unable connect to node with id %s: [Errno %d] refused", 1, 111))
    for _ in range(5):
        assert not repeats.filter(_record("Unable connect to node with id %s: [Errno %d] refused", 2, 111))
    assert repeats.filter(_record("Unable to update metadata from %s", [1]))
    clock.now += REPEATED_AFTER_S
    late = _record("Unable connect to node with id %s: [Errno %d] refused", 1, 111)
    assert repeats.filter(late)
    assert late.getMessage() == "Unable connect to node with id 1: [Errno 111] refused (and 5 lines like it)"
    assert not repeats.filter(_record("Unable connect to node with id %s: [Errno %d] refused", 1, 111))


def test_our_own_lines_are_never_held_back() -> None:
    repeats = Repeats(FakeTime())
    assert all(repeats.filter(_record("late", name="processors.app")) for _ in range(3))


def test_what_the_sink_says_of_a_message_is_told_once_a_minute_per_kind() -> None:
    """So that the log grows with the kinds of trouble, not with the quotes."""
    repeats, said = Repeats(FakeTime()), "%s/%d/%d cannot be stored: %s"
    bad = [_record(said, "bars", 0, offset, "schema", name="processors.sink") for offset in range(1000)]
    assert sum(map(repeats.filter, bad)) == 1
    assert repeats.filter(_record(said, "bars", 0, 1, "out_of_range", name="processors.sink"))


def test_what_is_remembered_is_bounded() -> None:
    clock = FakeTime()
    repeats = Repeats(clock)
    for number in range(MOST_KINDS * 2):
        assert repeats.filter(_record("x" * (number + 1)))
    assert len(repeats._passed) <= MOST_KINDS


def test_a_json_line_is_one_object_whatever_is_said() -> None:
    record = _record("two\nlines, a \ud800 and %s", 'a "quote"', name="processors.sink")
    record.created = 1_700_000_000.5
    record.msecs = 500.0
    line = JsonFormatter().format(record)
    assert "\n" not in line
    assert json.loads(line) == {
        "time": "2023-11-14T22:13:20.500Z", "level": "ERROR", "logger": "processors.sink",
        "message": 'two\nlines, a \\ud800 and a "quote"',
    }  # fmt: skip


def test_a_json_line_carries_the_exception_whole() -> None:
    record = _record("failed")
    try:
        raise ValueError("no\nsuch thing")
    except ValueError:
        record.exc_info = sys.exc_info()
    told = json.loads(JsonFormatter().format(record))
    assert told["message"] == "failed"
    assert re.fullmatch(r"Traceback .*ValueError: no\nsuch thing", told["exception"], re.DOTALL)


def test_both_formats_go_through_the_same_filter() -> None:
    for form in ("text", "json"):
        assert logging_config("info", form)["handlers"]["stderr"]["filters"] == ["repeats"]


@pytest.mark.parametrize(
    ("form", "said"),
    [("text", "cryptoviz: CRYPTOVIZ_MONITOR_TARGETS"), ("json", '"level":"CRITICAL","logger":"cryptoviz"')],
)
def test_the_last_words_of_a_command_are_in_the_format_of_its_log(form: str, said: str, tmp_path: Path) -> None:
    env = {**os.environ, "CRYPTOVIZ_LOG_FORMAT": form, "CRYPTOVIZ_MONITOR_TARGETS": "nonsense"}
    argv = [sys.executable, "-m", "cryptoviz", "monitor"]
    done = subprocess.run(argv, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert said in done.stderr.splitlines()[-1]
