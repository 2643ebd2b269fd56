"""Forecasts on demand: the SQL, the command and the stream say the same about the same stored bars."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError
from independent import MODELS as DEFINED
from independent import same_percent, same_price
from pydantic import SecretStr
from servers import ClickHouseServer
from unit.processors.streams import random_stream

from cryptoviz.cli import cryptoviz
from cryptoviz.clickhouse import connect
from cryptoviz.errors import UserError
from cryptoviz.settings import Settings, load_settings
from processors.engine import Engine
from processors.models import MODELS
from processors.models.base import ModelParams
from processors.on_demand import Question, ask
from processors.rules import Rules

pytestmark = pytest.mark.stack
HOUR_S = 3600
T0 = 1_700_000_400_000 // 3_600_000 * 3_600_000
Row = dict[str, Any]
Ask = Callable[..., list[Row]]


def migrated(clickhouse: ClickHouseServer, database: str, **changed: Any) -> Settings:
    return clickhouse.migrated(clickhouse_database=database, health_port=1, **changed)


@pytest.fixture(scope="module")
def settings(clickhouse: ClickHouseServer) -> Settings:
    """One database for this file; every test has an asset of its own."""
    return migrated(clickhouse, f"test_{secrets.token_hex(4)}")


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[Client]:
    client = connect(settings)
    yield client
    client.close()


def insert(client: Client, settings: Settings, bars: Iterable[tuple[Any, ...]], interval_s: int = 60,
           precedence: int = 9) -> None:  # fmt: skip
    """Store (asset, source, start in ms, close, number of quotes; 1 where it is left out) as bars."""
    rows = [
        (asset, source, interval_s, start, close, close, close, close, *(quotes or [1]), "live", 0, precedence)
        for asset, source, start, close, *quotes in bars
    ]
    names = ["asset", "source", "interval_s", "start", "open", "high", "low", "close", "quotes", "origin", "filed_at",
             "precedence"]  # fmt: skip
    client.insert("bars", rows, names, database=settings.clickhouse_database)


def predict_now(client: Client, settings: Settings, question: Question) -> list[Row]:
    answer = client.query(
        f"SELECT * FROM {settings.clickhouse_database}.predict_now(asset = {{a:String}}, source = {{s:String}}, "
        "history_hours = {h:UInt16}, horizon_hours = {f:UInt16}, short = {x:UInt16}, long = {y:UInt16}, "
        "momentum = {m:UInt16})",
        parameters={"a": question.asset, "s": question.source, "h": question.history_h, "f": question.horizon_h,
                    "x": question.short, "y": question.long, "m": question.momentum},
    )  # fmt: skip
    return [dict(zip(answer.column_names, row, strict=True)) for row in answer.result_rows]


def walk(rng: np.random.Generator, asset: str, points: int, interval_s: int = 60, gap: bool = False) -> list[Any]:
    """A series at any level of prices: flat, calm or wild, perhaps with a bar missing."""
    start, scale = rng.choice([9e-6, 0.1, 1.0, 98_000.0]), rng.choice([0.0, 1e-6, 1e-3, 2e-2])
    prices = start * np.exp(np.cumsum(rng.normal(0, scale, points)))
    missing = int(rng.integers(0, points)) if gap else -1
    return [(asset, "all", T0 + i * interval_s * 1000, float(p)) for i, p in enumerate(prices) if i != missing]


def random_question(rng: np.random.Generator, asset: str) -> Question:
    return Question(
        asset, "all", int(rng.integers(6, 73)), int(rng.integers(1, 25)), int(rng.integers(5, 31)),
        int(rng.integers(20, 101)), int(rng.integers(5, 31)),
    )  # fmt: skip


def assert_same(rows: list[Row], answer: Row) -> None:
    """The view's rows against the answer of the models in Python, to what the formulas promise."""
    entries = [entry for entry in answer["forecasts"] if entry["model"] in (*DEFINED, "consensus")]  # the view's own
    assert [row["model"] for row in rows] == [entry["model"] for entry in entries]
    for row, entry in zip(rows, entries, strict=True):
        assert {name: row[name] for name in ("asset", "source", "interval_s", "horizon_s", "price", "points")} == {
            name: answer[name] for name in ("asset", "source", "interval_s", "horizon_s", "price", "points")
        }
        assert [row["made_at"].timestamp() * 1000, row["target_at"].timestamp() * 1000] == [
            answer["made_at"], answer["target_at"],
        ]  # fmt: skip
        assert same_percent(row["volatility"], answer["volatility"])
        assert same_price(row["forecast"], entry["forecast"]), (row, entry)
        assert same_percent(row["variation"], entry["variation"]), (row, entry)
        assert same_percent(row["confidence"], entry["confidence"]), (row, entry)
        assert row["reason"] == entry["reason"]
        signal = answer["signal"]
        assert [row["signal"], row["signal_reason"], row["ma_trend"]] == [
            signal["signal"], signal["reason"], signal["ma_trend"],
        ]  # fmt: skip
        assert same_percent(row["mean_confidence"], signal["confidence"])


def test_sql_and_python_agree_for_any_parameters_and_prices(client: Client, settings: Settings) -> None:
    rng = np.random.default_rng(7)
    lengths = [1, 2, 9, 10, 11, 19, 20, 24, 25, 50, 99, 100, 130, *rng.integers(100, 5000, 12).tolist()]
    series = {f"S{n}": walk(rng, f"S{n}", points, gap=n % 3 == 2) for n, points in enumerate(lengths)}
    insert(client, settings, [bar for bars in series.values() for bar in bars])
    signals = set()
    for asset, bars in series.items():
        question = random_question(rng, asset)
        rows = predict_now(client, settings, question)
        if not rows:
            assert not bars
            continue
        assert_same(rows, ask(client, settings, question))
        signals.add(rows[0]["signal_reason"])
    assert {"not_enough_points", "variation_within_threshold"} < signals


def test_bars_of_another_length_and_a_history_shorter_than_the_windows(
    client: Client, clickhouse: ClickHouseServer, database: str
) -> None:
    settings = migrated(clickhouse, database)
    name = f"{settings.clickhouse_database}.home_settings"
    rng = np.random.default_rng(8)
    for interval_s in (300, 3600):
        client.command(f"INSERT INTO {name} (name, value) VALUES ('bar_seconds', '{interval_s}')")
        insert(client, settings, walk(rng, f"B{interval_s}", 200, interval_s), interval_s)
        for history_h in (6, 24, 72):
            question = Question(f"B{interval_s}", history_h=history_h, horizon_h=24)
            rows = predict_now(client, settings, question)
            assert rows[0]["interval_s"] == interval_s
            assert rows[0]["points"] == min(200, history_h * HOUR_S // interval_s)
            assert_same(rows, ask(client, settings, question))


@pytest.mark.parametrize("price", [9e-6, 0.1, 98_000.7])
def test_flat_prices_are_forecast_exactly_and_are_neutral(client: Client, settings: Settings, price: float) -> None:
    insert(client, settings, [("FLAT", "all", T0 + i * 60_000, price) for i in range(300)])
    rows = predict_now(client, settings, Question("FLAT", horizon_h=24))
    assert [row["forecast"] for row in rows[:4]] == [price] * 4
    assert same_price(rows[4]["forecast"], price)
    assert [row["confidence"] for row in rows[:4]] == [100.0] * 4
    assert {row["ma_trend"] for row in rows} == {"neutral"}
    assert {row["volatility"] for row in rows} == {0.0}


def test_a_gap_ends_the_points_and_a_bar_filed_twice_counts_once(client: Client, settings: Settings) -> None:
    bars = [("GAP", "all", T0 + i * 60_000, 100.0 + i) for i in range(60) if i != 29]
    insert(client, settings, bars)
    insert(client, settings, [("GAP", "all", T0 + 59 * 60_000, 1e6)], precedence=1)
    rows = predict_now(client, settings, Question("GAP"))
    assert {row["points"] for row in rows} == {30}
    assert {row["price"] for row in rows} == {159.0}
    assert {row["model"]: row["reason"] for row in rows} == {
        "ma_short": "", "ma_long": "not_enough_points", "trend": "", "momentum": "", "consensus": "",
    }  # fmt: skip


def test_a_rise_and_a_fall_are_signals(client: Client, settings: Settings) -> None:
    for asset, step in (("UP", 0.02), ("DOWN", -0.02)):
        insert(client, settings, [(asset, "all", T0 + i * 60_000, 100.0 + step * i) for i in range(200)])
    for asset, signal, ma_trend in (("UP", "BUY", "bullish"), ("DOWN", "SELL", "bearish")):
        question = Question(asset, horizon_h=24)
        rows = predict_now(client, settings, question)
        assert {(row["signal"], row["ma_trend"]) for row in rows} == {(signal, ma_trend)}
        assert_same(rows, ask(client, settings, question))


def test_on_demand_and_streamed_forecasts_are_the_same_at_the_defaults(client: Client, settings: Settings) -> None:
    engine = Engine(("ADA",), Rules())
    made = [output for n, message in enumerate(random_stream(5, 600, ("ADA",), gap=0.001))
            for output in engine.apply(message, n)]  # fmt: skip
    *_, prediction = (said for topic, _, said in made if topic == "predictions" and said["source"] == "all")
    *_, signal = (said for topic, _, said in made if topic == "signals" and said["source"] == "all")
    bars = [said for topic, _, said in made if topic == "bars" and said["interval_s"] == 60]
    insert(client, settings, [(bar["asset"], bar["source"], bar["start"], bar["close"], bar["quotes"]) for bar in bars
                              if bar["start"] < prediction["made_at"]])  # fmt: skip
    for horizon_h in (1, 4, 24):
        question = Question("ADA", horizon_h=horizon_h)
        answer = ask(client, settings, question)
        known = {entry["model"] for entry in answer["forecasts"]}  # what learns from its scores is in the stream alone
        streamed = [entry for entry in prediction["forecasts"]
                    if entry["horizon_s"] == horizon_h * HOUR_S and entry["model"] in known]  # fmt: skip
        assert answer["made_at"] == prediction["made_at"]
        assert answer["points"] == prediction["points"] > 50
        # The command runs the very models of the stream, so not a bit differs.
        assert answer["forecasts"] == [{name: entry[name] for name in answer["forecasts"][0]} for entry in streamed]
        assert (
            answer["signal"].items()
            <= next(entry for entry in signal["signals"] if entry["horizon_s"] == horizon_h * HOUR_S).items()
        )
        assert_same(predict_now(client, settings, question), answer)


ALWAYS = {"series_broken", "stale_source", "variation_within_threshold", "variation_above_threshold"}


@pytest.mark.parametrize(("changed", "reasons"), [
    ({}, {*ALWAYS, "not_enough_points"}),
    ({"signal_variation_percent": 0.05, "signal_confidence_percent": 99.0, "stale_seconds": 90},
     {*ALWAYS, "not_enough_points", "confidence_too_low"}),
    ({"stale_seconds": 4000, "max_gap_seconds": 7200, "history_hours": 1},
     {"not_enough_points", "stale_source", "variation_within_threshold"}),
    ({"bar_seconds": 300, "stale_seconds": 301, "signal_variation_percent": 1e-7},
     {"not_enough_points", "series_broken", "stale_source", "variation_above_threshold"}),
])  # fmt: skip
def test_signals_of_sparse_series_are_those_of_the_stream_under_any_settings(
    clickhouse: ClickHouseServer, database: str, changed: dict[str, Any], reasons: set[str]
) -> None:
    settings = migrated(clickhouse, database, **changed)
    signals, bars = sparse(Rules.of(settings))
    seen = set()
    client = connect(settings)
    for n, (made_at, entry) in enumerate(signals):
        # A series of its own for each moment, as it was stored then: what is on demand always looks at the last bar.
        insert(client, settings, [
            ("SPARSE", f"at{n}", bar["start"], bar["close"], bar["quotes"]) for bar in bars
            if bar["start"] < made_at
        ], settings.bar_seconds)  # fmt: skip
        question = Question("SPARSE", f"at{n}", settings.history_hours, entry["horizon_s"] // HOUR_S,
                            thresholds=Rules.of(settings).thresholds)  # fmt: skip
        answer = ask(client, settings, question)
        assert answer["signal"].items() <= entry.items(), (made_at, entry, answer)
        assert_same(predict_now(client, settings, question), answer)
        seen.add(entry["reason"])
    client.close()
    assert reasons <= seen


def sparse(rules: Rules) -> tuple[list[tuple[int, Row]], list[Row]]:
    """A series with silence of all lengths up to 2 h 20 min: signals, up to six for every reason, and its bars."""
    engine = Engine(("ADA",), rules)
    silence = range(T0 + 300 * 60_000, T0 + 440 * 60_000)
    stream = [entry for entry in random_stream(11, 1000, ("ADA",), gap=0.4) if entry["received_at"] not in silence]
    made = [said for n, message in enumerate(stream) for topic, _, said in engine.apply(message, n)
            if said["source"] == "all" and topic in ("bars", "signals")]  # fmt: skip
    found: dict[str, list[tuple[int, Row]]] = {}
    for said in made:
        for entry in said.get("signals", ()):
            found.setdefault(entry["reason"], []).append((said["made_at"], entry))
    chosen = [some for entries in found.values() for some in entries[:: len(entries) // 6 + 1]]
    return chosen, [said for said in made if said.get("interval_s") == rules.interval_s and "start" in said]


def test_a_stack_started_with_other_settings_changes_what_the_view_says(
    clickhouse: ClickHouseServer, database: str
) -> None:
    settings = migrated(clickhouse, database)
    client = connect(settings)
    insert(client, settings, [("UP", "all", T0 + i * 60_000, 100.0 + 0.02 * i, int(i < 195)) for i in range(200)])
    for changed, reason in (
        ({}, "variation_above_threshold"), ({"stale_seconds": 300}, "stale_source"),
        ({"signal_variation_percent": 90.0}, "variation_within_threshold"),
        ({"signal_confidence_percent": 99.9}, "confidence_too_low"), ({}, "variation_above_threshold"),
    ):  # fmt: skip
        migrated(clickhouse, database, **changed)
        assert {row["signal_reason"] for row in predict_now(client, settings, Question("UP", horizon_h=24))} == {reason}
    client.close()


def reader_sql(asset: str, history: object = 24, short: object = 20) -> str:
    return (
        f"SELECT * FROM crypto.predict_now(asset = {asset}, source = 'all', history_hours = {history}, "
        f"horizon_hours = 4, short = {short}, long = 50, momentum = 14)"
    )


@pytest.fixture(scope="module")
def reader(clickhouse: ClickHouseServer) -> Iterator[Client]:
    """The user analyst, who reads the database `crypto`, with bars of the made-up asset PREDICTED in it."""
    readable = migrated(clickhouse, "crypto")
    writer = connect(readable)
    insert(writer, readable, [("PREDICTED", "all", T0 + i * 60_000, 100.0) for i in range(60)])
    writer.close()
    reader = connect(readable.model_copy(update={"clickhouse_user": "analyst", "clickhouse_password": SecretStr("")}))
    yield reader
    reader.close()


def test_readers_may_ask_both_and_nothing_is_said_of_what_is_not_there(reader: Client) -> None:
    settings, question = load_settings(clickhouse_database="crypto"), Question("PREDICTED")
    assert_same(predict_now(reader, settings, question), ask(reader, settings, question))
    assert reader.query(reader_sql("'NOTHING'")).result_rows == []


@pytest.mark.parametrize("name", ["x' OR '1'='1", "PREDICTED' --", "') UNION ALL SELECT 1 --", "\\' OR 1=1 --", "%"])
def test_a_parameter_is_never_read_as_sql(reader: Client, name: str) -> None:
    assert reader.query(reader_sql("{name:String}"), {"name": name}).result_rows == []
    quoted = name.replace("\\", "\\\\").replace("'", "\\'")
    assert reader.query(reader_sql(f"'{quoted}'")).result_rows == []


@pytest.mark.parametrize(
    ("history", "short", "says"),
    [
        ("73", "20", "history_hours is 1-72"), ("0", "20", "history_hours is 1-72"), ("24", "4", "short 5-30"),
        ("'24 OR 1'", "20", "cannot be parsed"), ("-1", "20", "cannot be parsed"), ("24", "'x'", "cannot be parsed"),
    ],
)  # fmt: skip
def test_parameters_out_of_range_are_refused_with_the_ranges(
    reader: Client, history: str, short: str, says: str
) -> None:
    with pytest.raises(DatabaseError, match=says):
        reader.query(reader_sql("'PREDICTED'", history, short))


@pytest.fixture
def command(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """`cryptoviz predict` with these settings in its environment."""
    for name in ("clickhouse_url", "clickhouse_user", "clickhouse_database", "health_port"):
        monkeypatch.setenv(f"CRYPTOVIZ_{name.upper()}", str(getattr(settings, name)))
    monkeypatch.setenv("CRYPTOVIZ_CLICKHOUSE_PASSWORD", settings.clickhouse_password.get_secret_value())
    return lambda *arguments: CliRunner().invoke(cryptoviz, ["predict", *arguments])


def test_the_command_prints_a_table_or_json(client: Client, settings: Settings, command: Callable[..., Any]) -> None:
    insert(client, settings, [("BTC", "all", T0 + i * 60_000, 60_000.0 + 12 * i) for i in range(200)])
    shown = command("btc", "--hours", "24")
    assert shown.exit_code == 0, shown.output
    for words in ("price 62,388.00", "200 points of 60 s", "momentum", "consensus", "BUY: variation above threshold",
                  "bullish", "Not financial advice."):  # fmt: skip
        assert words in shown.output
    answer = json.loads(command("BTC", "--json", "--models", "trend,momentum", "--history", "6").output)
    assert [entry["model"] for entry in answer["forecasts"]] == ["trend", "momentum", "consensus"]
    assert answer["points"] == 200
    assert answer["signal"]["ma_trend"] is None


def test_what_is_not_stored_is_one_clear_line(client: Client, settings: Settings, command: Callable[..., Any]) -> None:
    nothing = command("ETH").exception
    assert isinstance(nothing, UserError)
    assert "no bars of ETH are stored yet" in str(nothing)
    insert(client, settings, [("ETH", "kraken", T0, 1.0)])
    elsewhere = command("ETH", "--source", "nobody").exception
    assert isinstance(elsewhere, UserError)
    assert "no bars of ETH from source 'nobody'; there are some from kraken" in str(elsewhere)


def test_one_bar_is_a_price_without_forecasts(client: Client, settings: Settings, command: Callable[..., Any]) -> None:
    insert(client, settings, [("SOL", "all", T0, 5.0)])
    shown = command("SOL")
    assert shown.exit_code == 0, shown.output
    silent = [model for model in MODELS if model.needs(ModelParams(60)) > 1]
    assert shown.output.count("not enough points") == len([*silent, "consensus", "signal"])
