"""The views that say how good the models were, against the same figures computed from their definitions."""

from __future__ import annotations

import dataclasses
import math
import re
import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from clickhouse_connect.driver.client import Client
from independent_scoreboard import calibration, paper_results, scoreboard, wilson
from pydantic import SecretStr
from scored_forecasts import Judged, file_all
from servers import ClickHouseServer

from cryptoviz.cli.migrate import run as migrate
from cryptoviz.clickhouse import connect
from cryptoviz.settings import Settings

pytestmark = pytest.mark.stack
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
T0 = 1_700_000_000_000 // DAY_MS * DAY_MS
KEY = ("kind", "asset", "source", "interval_s", "horizon_s", "model")
PERIODS = ("24 h", "7 d", "30 d", "all")
VIEWS = ("scoreboard", "scored", "calibration", "paper_results", "model_weights", "catch_ups")
TABLES = Path(__file__).resolve().parents[2] / "docs" / "tables.md"
BETWEEN = "scoreboard_between(since = '2023-01-01 00:00:00', until = '2024-01-01 00:00:00')"
Row = dict[str, Any]


def migrated(clickhouse: ClickHouseServer, database: str) -> Settings:
    return clickhouse.migrated(clickhouse_database=database)


@pytest.fixture(scope="module")
def settings(clickhouse: ClickHouseServer) -> Settings:
    """One database for this file."""
    return migrated(clickhouse, f"test_{secrets.token_hex(4)}")


@pytest.fixture
def client(settings: Settings) -> Iterator[Client]:
    """A client of the database, whose tables are empty."""
    client = connect(settings)
    for table in ("scores", "predictions", "signals"):
        client.command(f"TRUNCATE TABLE {settings.clickhouse_database}.{table}")
    yield client
    client.close()


def ask(client: Client, settings: Settings, view: str, key: tuple[str, ...], where: str = "1") -> dict[Any, Row]:
    """The view's rows by these columns, times in ms."""
    answer = client.query(f"SELECT * FROM {settings.clickhouse_database}.{view} WHERE {where}")
    rows = [dict(zip(answer.column_names, map(plain, row), strict=True)) for row in answer.result_rows]
    found = {tuple(row.pop(name) for name in key): row for row in rows}
    assert len(found) == len(rows)
    return found


def plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return round(value.replace(tzinfo=UTC).timestamp() * 1000)
    return value


def assert_same(found: Mapping[Any, Row], expected: Mapping[Any, Row]) -> None:
    """Every row and every column, to what sums in another order may differ by."""
    assert found.keys() == expected.keys()
    for key, row in expected.items():
        assert found[key].keys() == row.keys()
        assert {name: (value, row[name]) for name, value in found[key].items() if not same(value, row[name])} == {}, key


def same(value: Any, expected: Any) -> bool:
    if value is None or expected is None:
        return value is expected
    return math.isclose(value, expected, rel_tol=1e-9, abs_tol=1e-9)


def random_forecasts(seed: int, asset: str = "BTC") -> list[Judged]:
    """Forecasts every 20 minutes of a day and a half: some void, late, flat, without intervals, or over history."""
    rng = np.random.default_rng(seed)
    made: list[Judged] = []
    for moment in range(108):
        made_at = T0 + moment * 20 * 60_000
        price = 60_000 * float(np.exp(rng.normal(0, 0.01)))
        late = bool(rng.random() < 0.1)
        for horizon_s in (3600, 14400):
            actual = price * float(np.exp(rng.normal(0, 0.02))) if rng.random() < 0.9 else price
            void = str(rng.choice(["", "", "", "", "", "", "no_bar", "stale_source"]))
            signal = str(rng.choice(["BUY", "SELL", "HOLD", "HOLD"]))
            for model in ("naive", "trend", "consensus"):
                spread = price * float(rng.uniform(0.001, 0.03))
                forecast = price if model == "naive" else price * float(np.exp(rng.normal(0, 0.02)))
                bounds = [(level, forecast - part * spread, forecast + part * spread)
                          for level, part in ((0.5, 0.4), (0.8, 1.0), (0.95, 1.7))]  # fmt: skip
                made.append(Judged(
                    made_at, horizon_s, price, forecast, None if void == "no_bar" else actual, model, asset,
                    confidence=None if model == "naive" else float(rng.choice([0.5, 55.0, 60.0, 89.9, 95.0, 100.0])),
                    bounds=tuple(bounds[: int(rng.choice([0, 2, 3, 3]))]), void=void, late=late, signal=signal,
                ))  # fmt: skip
    origins = {moment: ("replay", "backfill", "live", "live")[moment % 4] for moment in range(108)}
    return [
        dataclasses.replace(one, origin=(origin := origins[(one.made_at - T0) // (20 * 60_000)]),
                            late=one.late and origin == "live",
                            signal=one.signal if origin != "backfill" else None)
        for one in made
    ]  # fmt: skip


def test_every_column_of_the_scoreboard_is_what_its_definition_gives(client: Client, settings: Settings) -> None:
    made = random_forecasts(1) + random_forecasts(2, "ETH")
    file_all(client, settings.clickhouse_database, made)
    expected = scoreboard(made)
    assert {key[0] for key in expected} == {"filed", "back_test", "catch_up"}
    assert any(row["pt_p"] is not None for row in expected.values())
    assert any(row["hit_rate"] is None for row in expected.values())
    found = ask(client, settings, "scoreboard", (*KEY, "period"))
    assert {key[-1] for key in found} == {"all"}  # the forecasts are years old
    assert_same({key[:-1]: row for key, row in found.items()}, expected)
    assert_same(ask(client, settings, BETWEEN, KEY), expected)


def test_a_score_that_comes_twice_counts_once_and_the_first_filed_stays(client: Client, settings: Settings) -> None:
    made = random_forecasts(3)
    file_all(client, settings.clickhouse_database, made)
    file_all(client, settings.clickhouse_database, made, offset=1)
    others = [dataclasses.replace(one, forecast=one.forecast * 2) for one in made]
    file_all(client, settings.clickhouse_database, others, offset=2)
    assert_same(ask(client, settings, BETWEEN, KEY), scoreboard(made))


def test_a_forecast_filed_in_time_and_sent_again_after_its_target_is_no_catch_up(
    client: Client, settings: Settings
) -> None:
    one = Judged(T0, 3600, 100.0, 101.0, 102.0)
    file_all(client, settings.clickhouse_database, [one])
    file_all(client, settings.clickhouse_database, [dataclasses.replace(one, late=True)], offset=1)
    assert [key[0] for key in ask(client, settings, BETWEEN, KEY)] == ["filed"]
    assert ask(client, settings, "catch_ups", ("asset",)) == {}


def test_a_model_that_was_late_makes_no_catch_up_of_the_others(client: Client, settings: Settings) -> None:
    one = Judged(T0, 3600, 100.0, 101.0, 102.0)
    made = [one, dataclasses.replace(one, model="prophet", late=True)]
    file_all(client, settings.clickhouse_database, made)
    found = ask(client, settings, BETWEEN, KEY)
    assert {(key[0], key[-1]) for key in found} == {("filed", "trend"), ("catch_up", "prophet")}


def test_a_period_takes_in_what_had_its_target_since_and_those_after_it_the_younger_ones(
    client: Client, settings: Settings
) -> None:
    now = round(datetime.now(tz=UTC).timestamp() * 1000)
    ages_h = [1, 23, 25, 100, 167, 169, 700, 719, 721, 3000]
    made = [
        Judged(now - age_h * HOUR_MS - 3600_000, 3600, 100.0, 100.0 + n, 103.0, confidence=80.0)
        for n, age_h in enumerate(ages_h)
    ]
    file_all(client, settings.clickhouse_database, made)
    found = ask(client, settings, "scoreboard", (*KEY, "period"))
    for period, hours in zip(PERIODS, (24, 168, 720, 10**6), strict=True):
        expected = scoreboard(one for one, age_h in zip(made, ages_h, strict=True) if age_h < hours)
        assert_same({key[:-1]: row for key, row in found.items() if key[-1] == period}, expected)


def test_between_takes_in_its_beginning_and_leaves_out_its_end(client: Client, settings: Settings) -> None:
    week_s = 7 * 24 * 3600
    made = [Judged(T0 + n * HOUR_MS, horizon_s, 100.0, 101.0, 99.0) for n in range(200) for horizon_s in (3600, week_s)]
    file_all(client, settings.clickhouse_database, made)
    since, until = T0 + 180 * HOUR_MS, T0 + 190 * HOUR_MS
    view = "scoreboard_between(since = fromUnixTimestamp64Milli({}), until = fromUnixTimestamp64Milli({}))"
    found = ask(client, settings, view.format(since, until), KEY)
    assert_same(found, scoreboard(one for one in made if since <= one.target_at < until))
    assert {row["n"] for row in found.values()} == {10}


@pytest.mark.parametrize(
    # Newcombe, R. G., 1998: Two-sided confidence intervals for the single proportion, table I, method 3.
    ("hits", "trials", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0000, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_of_the_hit_rate_is_the_published_one(
    client: Client, settings: Settings, hits: int, trials: int, low: float, high: float
) -> None:
    made = [
        Judged(T0 + n * HOUR_MS, 3600, 100.0, 101.0, 102.0 if n < hits else 98.0, confidence=75.0)
        for n in range(trials)
    ]
    file_all(client, settings.clickhouse_database, made)
    for view in (BETWEEN, "calibration"):
        ((_, row),) = ask(client, settings, view, KEY).items()
        assert (row["hit_low"], row["hit_high"]) == (pytest.approx(low, abs=5e-5), pytest.approx(high, abs=5e-5))
        assert row["n_independent"] == trials


def test_forecasts_that_overlap_make_no_figure_surer(client: Client, settings: Settings) -> None:
    """The same day once with a forecast an hour and once with twelve: only n grows."""
    hours = [(100.0 + hour % 3, 99.0 + (hour * 7) % 5) for hour in range(24)]
    made = [
        Judged(T0 + hour * HOUR_MS + part * 300_000, 3600, 100.5, forecast, actual, asset=asset)
        for asset, parts in (("BTC", 1), ("ETH", 12))
        for hour, (forecast, actual) in enumerate(hours)
        for part in range(parts)
    ]
    file_all(client, settings.clickhouse_database, made)
    once, often = (ask(client, settings, BETWEEN, KEY, f"asset = '{asset}'").values() for asset in ("BTC", "ETH"))
    (one,), (other,) = once, often
    assert (one["n"], other["n"]) == (24, 288)
    for name in ("n_independent", "hit_rate", "hit_low", "hit_high", "pt_statistic", "pt_p", "mae"):
        assert one[name] == pytest.approx(other[name], rel=1e-12)
    assert one["pt_statistic"] is not None


def test_a_model_that_only_ever_says_up_has_no_statistic_of_direction(client: Client, settings: Settings) -> None:
    made = [Judged(T0 + n * HOUR_MS, 3600, 100.0, 101.0, 99.0 + 2 * (n % 2)) for n in range(30)]
    file_all(client, settings.clickhouse_database, made)
    (row,) = ask(client, settings, BETWEEN, KEY).values()
    assert (row["hit_rate"], row["pt_statistic"], row["pt_p"]) == (0.5, None, None)


def test_where_nothing_could_be_judged_figures_are_null_and_the_void_are_counted(
    client: Client, settings: Settings
) -> None:
    made = [Judged(T0 + n * HOUR_MS, 3600, 100.0, 101.0, None, void="no_bar", signal="BUY") for n in range(3)]
    made = [dataclasses.replace(one, model=model) for one in made for model in ("trend", "consensus")]
    file_all(client, settings.clickhouse_database, made)
    for row in ask(client, settings, BETWEEN, KEY).values():
        known = {name: value for name, value in row.items() if value is not None}
        assert known == {
            "counts_from": T0, "counts_until": T0 + 3 * HOUR_MS, "n": 0, "n_void": 3, "n_independent": 0,
            "n_direction": 0, "n_intervals": 0,
        }  # fmt: skip
    assert ask(client, settings, "paper_results", KEY[:-1]) == {}
    assert ask(client, settings, "calibration", KEY) == {}


def test_confidence_is_held_against_hits_in_steps_of_ten_percent(client: Client, settings: Settings) -> None:
    made = random_forecasts(4)
    file_all(client, settings.clickhouse_database, made)
    expected = calibration(made)
    assert {key[-1] for key in expected} == {0, 50, 60, 80, 90}
    assert_same(ask(client, settings, "calibration", (*KEY, "confidence_from")), expected)


def test_following_the_signals_is_reckoned_with_the_fee_of_the_settings(client: Client, settings: Settings) -> None:
    made = random_forecasts(5)
    file_all(client, settings.clickhouse_database, made)
    file_all(client, settings.clickhouse_database, made, offset=1)
    for fee_percent in (0.1, 0.0, 0.75):
        migrate(settings.model_copy(update={"fee_percent": fee_percent}))
        found = ask(client, settings, "paper_results", KEY[:-1])
        assert_same(found, paper_results(made, fee_percent))
    assert {key[0] for key in found} == {"filed", "back_test", "catch_up"}


def test_holding_alone_earns_nothing_and_pays_nothing(client: Client, settings: Settings) -> None:
    made = [Judged(T0 + n * HOUR_MS, 3600, 100.0, 101.0, 99.0, "consensus", signal="HOLD") for n in range(3)]
    file_all(client, settings.clickhouse_database, made)
    (row,) = ask(client, settings, "paper_results", KEY[:-1]).values()
    assert (row["n_hold"], row["n_signals"]) == (3, 0)
    assert {row[name] for name in row if name.endswith(("return_percent", "_rate", "hold_percent"))} == {None}


def test_weights_are_those_of_the_forecasts_that_have_one(client: Client, settings: Settings) -> None:
    made = [one for one in random_forecasts(6) if one.origin != "backfill"]
    file_all(client, settings.clickhouse_database, made)
    found = ask(client, settings, "model_weights", ("made_at", "horizon_s", "model"))
    assert found.keys() == {(one.made_at, one.horizon_s, one.model) for one in made if one.model != "naive"}
    assert {row["weight"] for row in found.values()} == {0.25}


def test_an_empty_database_answers_with_no_rows(client: Client, settings: Settings) -> None:
    for view in (*VIEWS, BETWEEN):
        assert client.query(f"SELECT * FROM {settings.clickhouse_database}.{view}").result_rows == []


def test_readers_see_what_the_writer_sees(clickhouse: ClickHouseServer) -> None:
    settings = migrated(clickhouse, "crypto")  # the one readers may read
    asset = f"R{secrets.token_hex(4)}"
    writer = connect(settings)
    reader = connect(settings.model_copy(update={"clickhouse_user": "analyst", "clickhouse_password": SecretStr("")}))
    try:
        file_all(writer, "crypto", random_forecasts(7, asset))
        for view in (*VIEWS, BETWEEN):
            sql = f"SELECT * FROM crypto.{view} WHERE asset = '{asset}' ORDER BY ALL"
            rows = reader.query(sql).result_rows
            assert rows
            assert rows == writer.query(sql).result_rows
    finally:
        writer.close()
        reader.close()


def test_every_query_of_the_documents_runs_as_it_stands_there(clickhouse: ClickHouseServer) -> None:
    settings = migrated(clickhouse, "crypto")
    blocks = re.findall(r"```sql\n(.*?)```", TABLES.read_text(), re.DOTALL)
    queries = [query for block in blocks for query in block.split("\n\n")]
    assert len(queries) >= 8
    reader = connect(settings.model_copy(update={"clickhouse_user": "analyst", "clickhouse_password": SecretStr("")}))
    try:
        for query in queries:
            reader.query(query)
            assert reader.query(f"DESCRIBE ({query})").result_rows
    finally:
        reader.close()


def test_the_judge_of_these_tests_knows_the_published_interval_too() -> None:
    assert wilson(81 / 263, 263) == (pytest.approx(0.2553, abs=5e-5), pytest.approx(0.3662, abs=5e-5))
