from __future__ import annotations

import re
from typing import Any, get_type_hints

import orjson
import pytest
import sink_messages as made
from row_columns import columns

from cryptoviz.errors import Invalid
from cryptoviz.messages import (
    Bar,
    DeadLetter,
    Forecast,
    Indicators,
    NormalizedQuote,
    NormalizedQuotes,
    Prediction,
    Score,
    Scores,
    Signal,
    SignalAt,
    SourceStatus,
    Stats,
    StatsWindow,
)
from processors.normalise import Position
from processors.sink_columns import COLUMNS
from processors.sink_rows import (
    MOST_SOURCES,
    Health,
    Tables,
    add_message,
    add_unreadable_letter,
    precedence,
)
from sql.migrate import FOLDER

FILED = {"filed_at", "precedence"}
# What a message says that its rows do not repeat: ids made of other columns, the lists that become the rows, and what
# only those who compute further need.
LEFT_OUT = {"id", "windows", "forecasts", "signals", "scores", "usual_move"}
ENVELOPE = {"received_at", "interval_s", "poll_interval_s", "backfill_until", "status", "quotes"}


def rows_of(topic: str, message: Any, offset: int = 7, timestamp: int = 1_700_000_000_123) -> Tables:
    tables: Tables = {}
    add_message(orjson.dumps(message), Position(topic, 2, offset, timestamp), tables, Health())
    return tables


def fields(*messages: type) -> set[str]:
    return {name for message in messages for name in get_type_hints(message)} - LEFT_OUT


def table_columns(table: str) -> set[str]:
    text = "\n".join(path.read_text() for path in sorted(FOLDER.glob("*.sql")))
    found = re.search(rf"\{{database\}}\.{table}\n\((.*?)\n\)", text, re.DOTALL)
    assert found, table
    added = [
        line.split()[0]
        for alter in re.findall(rf"ALTER TABLE \{{database\}}\.{table}\n(.*?);\n", text, re.DOTALL)
        for line in re.findall(r"ADD COLUMN IF NOT EXISTS ((?:(?!ADD COLUMN).)*)", alter, re.DOTALL)
        if " ALIAS " not in line
    ]
    return {line.split()[0] for line in found[1].strip().splitlines()} | set(added)


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ("quotes", fields(NormalizedQuote) | (fields(NormalizedQuotes) - ENVELOPE) | {"precedence"}),
        ("bars", fields(Bar) | FILED),
        ("stats", fields(Stats, StatsWindow) | FILED),
        ("indicators", fields(Indicators) | FILED),
        ("predictions", fields(Prediction, Forecast) | FILED),
        ("signals", fields(Signal, SignalAt) | FILED | {"signal"}),
        ("scores", fields(Scores, Score) | FILED | {"covered"}),
        ("dead_letters", fields(DeadLetter) | FILED | {"letter"}),
        ("source_health", fields(SourceStatus) | {"source", "asset", "last_seen"}),
    ],
)
def test_the_fields_of_a_message_are_the_columns_of_its_table(table: str, expected: set[str]) -> None:
    assert set(COLUMNS[table]) == expected
    assert table_columns(table) == expected | {"inserted_at"}


def test_a_message_of_quotes_becomes_a_row_per_quote_with_the_place_of_the_raw_message() -> None:
    rows = rows_of("quotes.normalized", made.quotes(5, 3))["quotes"]
    assert rows.count == 3
    assert {len(row) for row in rows.rows} == {len(COLUMNS["quotes"])}
    assert columns(rows)["item"] == [0, 1, 2]
    assert columns(rows)["topic"] == ["quotes.raw"] * 3
    assert columns(rows)["offset"] == [5] * 3
    assert columns(rows)["repeated"] == [False] * 3
    assert columns(rows)["market_cap"] == [None] * 3


def test_a_heartbeat_gives_one_row_of_health_per_state_and_minute() -> None:
    tables: Tables = {}
    health = Health()
    beats = [made.heartbeat(0), made.heartbeat(5), made.heartbeat(59), made.heartbeat(61), made.heartbeat(62, "late")]
    for offset, beat in enumerate(beats):
        add_message(orjson.dumps(beat), Position("quotes.normalized", 0, offset, 1), tables, health)
    rows = columns(tables["source_health"])
    assert rows["last_seen"] == [made.T0, made.T0 + 61_000, made.T0 + 62_000]
    assert rows["state"] == ["available", "available", "late"]
    assert list(tables) == ["source_health"]


def test_no_number_of_sources_makes_the_memory_of_their_states_grow() -> None:
    tables: Tables = {}
    health = Health()
    for number in range(MOST_SOURCES + 50):
        for source in ("binance", f"stranger-{number}"):
            beat = made.heartbeat(number % 50) | {"source": source}
            add_message(orjson.dumps(beat), Position("quotes.normalized", 0, 2 * number, 1), tables, health)
    assert len(health._last) == MOST_SOURCES
    assert columns(tables["source_health"])["source"].count("binance") == 1  # the one that is heard of is kept


def test_a_prediction_becomes_a_row_per_model_and_horizon() -> None:
    rows = columns(rows_of("predictions", made.prediction(0))["predictions"])
    assert rows["model"] == ["trend", "trend", "ma_long", "ma_long"]
    assert rows["forecast"] == [101.0, 101.0, None, None]
    assert rows["bounds"] == [[(0.8, 90.0, 110.0)], [(0.8, 90.0, 110.0)], [], []]
    assert rows["filed_at"] == [1_700_000_000_123] * 4


def test_bars_statistics_indicators_and_signals_become_rows() -> None:
    assert columns(rows_of("bars", made.bar(1))["bars"])["close"] == [3.0]
    assert columns(rows_of("stats", made.stats(1))["stats"])["window_s"] == [3600, 86400]
    indicators = columns(rows_of("indicators", made.indicators(1))["indicators"])
    assert (indicators["rsi"], indicators["macd"]) == ([51.0], [None])
    assert indicators["more"] == [{"rate_of_change": -1.25, "other": 2.0}]
    assert columns(rows_of("signals", made.signal(1))["signals"])["ma_trend"] == ["bullish", None]


def test_scores_become_a_row_per_forecast_with_what_was_covered_and_how_well() -> None:
    rows = columns(rows_of("scores", made.scores(0))["scores"])
    assert rows["horizon_s"] == [3600, 14400]
    assert rows["made_at"] == [made.T0 - 3_600_000, made.T0 - 14_400_000]
    assert rows["target_at"] == [made.T0] * 2
    assert rows["origin"] == ["live", "backfill"]
    assert rows["covered"] == [[(0.8, False)], []]
    assert rows["intervals"] == [[(0.8, 1.0, 6.0)], []]
    assert rows["hit"] == [True, None]


def test_a_message_of_no_forecasts_becomes_no_row() -> None:
    assert rows_of("scores", made.scores(0) | {"scores": []}) == {}
    assert rows_of("predictions", made.prediction(0) | {"forecasts": []}) == {}


def test_the_first_filed_has_the_greatest_precedence() -> None:
    at = [(5, 9), (5, 10), (6, 0), (1_700_000_000_000, 2**20 - 1)]
    found = [precedence(Position("bars", 0, offset, timestamp)) for timestamp, offset in at]
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == len(found)
    assert all(0 <= value < 2**63 for value in found)


def test_a_dead_letter_is_named_by_its_place_in_the_log_or_else_by_its_own() -> None:
    assert columns(rows_of("quotes.raw.dead", made.letter(9))["dead_letters"])["letter"] == ["quotes.raw/1/9/2"]
    homeless = made.letter(9, partition=None, offset=None, item=None)
    assert columns(rows_of("quotes.raw.dead", homeless, 4)["dead_letters"])["letter"] == ["quotes.raw.dead/2/4/"]


@pytest.mark.parametrize("value", [b"", b"{", b"\xff\xfe", b"[]", b'{"source": "x"}', b'{"asset": "\\ud800"}'])
@pytest.mark.parametrize(
    "topic",
    ["quotes.normalized", "bars", "stats", "indicators", "predictions", "signals", "scores", "quotes.raw.dead"],
)
def test_garbage_is_invalid_on_every_topic(topic: str, value: bytes) -> None:
    tables: Tables = {}
    with pytest.raises(Invalid):
        add_message(value, Position(topic, 0, 0, 1), tables, Health())
    assert tables == {}


@pytest.mark.parametrize(
    ("topic", "message"),
    [
        ("quotes.normalized", made.quotes(0, 2, partition=70_000)),
        ("quotes.normalized", made.quotes(0, 2, offset=-1)),
        ("bars", made.bar(0) | {"quotes": -1}),
        ("bars", made.bar(0) | {"start": 10**15}),
        ("stats", made.stats(0) | {"interval_s": 2**32}),
        ("indicators", made.indicators(0) | {"at": -1}),
        ("predictions", made.prediction(0) | {"points": -5}),
        ("scores", made.scores(0) | {"scored_at": 10**15}),
        ("quotes.raw.dead", made.letter(0, item=2**40)),
    ],
)
def test_a_number_that_no_column_can_hold_is_invalid_and_leaves_nothing_behind(topic: str, message: Any) -> None:
    tables: Tables = {}
    with pytest.raises(Invalid, match="out_of_range"):
        add_message(orjson.dumps(message), Position(topic, 0, 0, 1), tables, Health())
    assert not any(rows.count for rows in tables.values())


def test_an_unreadable_dead_letter_is_kept_with_what_is_known_of_it() -> None:
    tables: Tables = {}
    at = Position("bars.dead", 1, 3, 1_700_000_000_000)
    add_unreadable_letter(b"\xff\xfe", Invalid("schema", "not JSON"), at, tables)
    rows = columns(tables["dead_letters"])
    assert rows["letter"] == ["bars.dead/1/3/"]
    assert rows["reason"] == ["unreadable_letter"]
    assert rows["encoding"] == ["base64"]
    assert rows["payload"] == ["//4="]
