"""The newest quote of every series, however long ago it came, and scores in the period in which their time came."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from servers import ClickHouseServer

from cryptoviz.clickhouse import connect

pytestmark = pytest.mark.stack
NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture(scope="module")
def migrated(clickhouse: ClickHouseServer) -> Iterator[tuple[Client, str]]:
    settings = clickhouse.migrated()
    client = connect(settings)
    yield client, settings.clickhouse_database
    client.close()


@pytest.fixture
def asked(migrated: tuple[Client, str]) -> tuple[Client, str]:
    """A client and its database, without rows."""
    client, database = migrated
    for table in ("quotes", "scores"):
        client.command(f"TRUNCATE TABLE {database}.{table}")
    return migrated


def insert(client: Client, table: str, rows: list[dict[str, Any]]) -> None:
    client.insert(table, [list(row.values()) for row in rows], list(rows[0]))


def quote(source: str, price: float, ago: timedelta, **more: Any) -> dict[str, Any]:
    at = NOW - ago
    return {"asset": "BTC", "source": source, "symbol": "BTCUSDT", "price": price, "received_at": at, "at": at,
            "feeds": True, "ref": "", "precedence": 100} | more  # fmt: skip


def latest(client: Client, database: str) -> dict[str, float]:
    return dict(client.query(f"SELECT source, price FROM {database}.v_latest").result_rows)


SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
STREAM = [
    quote("binance", 1.0, 2 * SECOND), quote("binance", 2.0, SECOND),
    quote("kraken", 3.0, 50 * DAY), quote("kraken", 4.0, 40 * DAY),
    quote("coinbase", 5.0, timedelta(hours=2)),
    quote("other", 6.0, 3 * SECOND), quote("other", 7.0, SECOND, feeds=False),
]  # fmt: skip


def test_a_series_silent_for_weeks_still_has_its_newest_quote(asked: tuple[Client, str]) -> None:
    client, database = asked
    for rows in (STREAM, STREAM[::-1]):  # every row twice
        insert(client, f"{database}.quotes", rows)
    assert latest(client, database) == {"binance": 2.0, "kraken": 4.0, "coinbase": 5.0, "other": 6.0}


def test_of_quotes_with_one_time_the_last_filed_is_the_newest(asked: tuple[Client, str]) -> None:
    client, database = asked
    for ago, source in ((SECOND, "binance"), (3 * DAY, "kraken")):
        both = [quote(source, 1.0, ago, ref="a", precedence=90), quote(source, 2.0, ago, ref="b", precedence=80)]
        insert(client, f"{database}.quotes", both)
    assert latest(client, database) == {"binance": 2.0, "kraken": 2.0}


def test_a_quote_from_the_future_hides_no_other(asked: tuple[Client, str]) -> None:
    client, database = asked
    insert(client, f"{database}.quotes", [*STREAM, quote("ahead", 9.0, -2 * DAY)])
    found = latest(client, database)
    assert found == {"binance": 2.0, "kraken": 4.0, "coinbase": 5.0, "other": 6.0, "ahead": 9.0}


def test_no_quotes_no_rows(asked: tuple[Client, str]) -> None:
    assert latest(*asked) == {}


@pytest.mark.parametrize("hours", [1, 24, 24 * 30])
def test_scores_of_any_horizon_are_in_the_period_in_which_their_time_came(
    asked: tuple[Client, str], hours: int
) -> None:
    """However long the horizon, and beside short ones, which alone would let much more be skipped."""
    client, database = asked
    target = NOW - timedelta(minutes=10)
    scores = [
        {"asset": "BTC", "source": "all", "interval_s": 60, "made_at": target - timedelta(hours=ahead),
         "target_at": target, "horizon_s": ahead * 3600, "model": model, "price": 100.0, "forecast": 102.0,
         "actual": 101.0, "error": 1.0, "naive_error": -1.0, "hit": True, "confidence": 95.0, "origin": "live"}
        for ahead in {1, hours} for model in ("naive", "holt")
    ]  # fmt: skip
    for _ in range(2):
        insert(client, f"{database}.scores", scores)
    wanted = {(ahead * 3600, model) for ahead in {1, hours} for model in ("naive", "holt")}
    since, until = (f"toDateTime({int((NOW - timedelta(minutes=minutes)).timestamp())})" for minutes in (30, 0))
    period = f"since = {since}, until = {until}"
    for view in (f"scoreboard_between({period})", f"calibration_between({period})", f"v_errors({period}, step_s = 60)"):
        rows = client.query(f"SELECT horizon_s, model, n FROM {database}.{view}").result_rows
        assert {(horizon_s, model) for horizon_s, model, _ in rows} == wanted, view
        assert {n for _, _, n in rows} == {1}, view
    assert set(client.query(f"SELECT horizon_s, model FROM {database}.v_scored").result_rows) == wanted
