"""Up to 6 hours panels read quotes, up to 3 days bars, beyond that bars of an hour: told apart by their prices."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from servers import ClickHouseServer

from cryptoviz.clickhouse import connect

pytestmark = pytest.mark.stack
HOUR_S, DAY_S = 3600, 86_400
QUOTES, MINUTES, HOURS = 1.0, 2.0, 3.0
"""The price of everything stored in that form at the first source; at the second it is twice as much."""
PERIODS = {
    HOUR_S: QUOTES, 6 * HOUR_S: QUOTES, 6 * HOUR_S + 1: MINUTES, DAY_S: MINUTES, 3 * DAY_S: MINUTES,
    3 * DAY_S + 1: HOURS, 7 * DAY_S: HOURS,
}  # fmt: skip
BARS_ONLY = {period: max(MINUTES, price) for period, price in PERIODS.items()}
SOURCES = {"binance": 1, "coingecko": 2}
Ask = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="module")
def ask(clickhouse: ClickHouseServer) -> Iterator[Ask]:
    settings = clickhouse.migrated()
    client, database = connect(settings), settings.clickhouse_database
    until_s = int(time.time()) // HOUR_S * HOUR_S
    store(client, database, until_s)

    def over(view: str, seconds: int, where: str = "1", **parameters: str) -> list[dict[str, Any]]:
        given = {"since": f"toDateTime({until_s - seconds})", "until": f"toDateTime({until_s})"} | parameters
        arguments = ", ".join(f"{name} = {value}" for name, value in given.items())
        answer = client.query(f"SELECT * FROM {database}.{view}({arguments}) WHERE {where}")
        return list(answer.named_results())

    yield over
    client.close()


def store(client: Client, database: str, until_s: int) -> None:
    """Eight days of hours and of minutes, eight hours of quotes; a quote a minute, four in a bar of a minute."""
    for source, factor in {**SOURCES, "all": 1}.items():
        for interval_s, price, quotes in ((60, MINUTES, 4), (HOUR_S, HOURS, 9 * 60), (DAY_S, 99.0, 1)):
            client.command(
                f"INSERT INTO {database}.bars (asset, source, interval_s, start, open, high, low, close, quotes)"
                f" SELECT 'BTC', '{source}', {interval_s}, toDateTime({until_s} - (number + 1) * {interval_s}),"
                f" {price * factor} AS p, p, p, p, {quotes} FROM numbers({8 * DAY_S // interval_s})"
            )
    for source, factor in SOURCES.items():
        client.command(
            f"INSERT INTO {database}.quotes (asset, source, symbol, price, received_at, at, feeds)"
            f" SELECT 'BTC', '{source}', 'BTCUSDT', {QUOTES * factor}, toDateTime({until_s} - number * 60) AS at, at,"
            f" true FROM numbers({8 * 60})"
        )


@pytest.mark.parametrize("seconds", PERIODS)
def test_prices_changes_and_figures_of_a_source(ask: Ask, seconds: int) -> None:
    for source, factor in SOURCES.items():
        where, price = f"source = '{source}'", PERIODS[seconds] * factor
        if seconds <= 3 * DAY_S:  # beyond, short bars go on from the last hour that is complete
            for view in ("v_prices", "v_changes"):
                assert {row["price"] for row in ask(view, seconds, where, step_s="60")} == {price}
        else:
            early = ask("v_prices", seconds, f"{where} AND time <= now() - 10800", step_s="60")
            assert {row["price"] for row in early} == {price}
        (figures,) = ask("v_range", seconds, where)
        spacing_s = HOUR_S if seconds > 3 * DAY_S else 60
        assert (figures["mean_price"], figures["points"]) == (price, seconds // spacing_s)


@pytest.mark.parametrize("seconds", PERIODS)
def test_prices_of_all_sources_together(ask: Ask, seconds: int) -> None:
    (figures,) = ask("v_range", seconds, "source = 'all'")
    assert figures["mean_price"] == BARS_ONLY[seconds]


@pytest.mark.parametrize("seconds", PERIODS)
def test_candles(ask: Ask, seconds: int) -> None:
    rows = ask("v_candles", seconds, asset="'BTC'", source="'binance'", step_s="1", short="5", long="50")
    assert {row["close"] for row in rows} == {BARS_ONLY[seconds]}


@pytest.mark.parametrize("seconds", PERIODS)
def test_gaps(ask: Ask, seconds: int) -> None:
    rows = ask("v_gaps", seconds, step_s="1", sources=str(list(SOURCES)))
    assert {row["gap"] for row in rows} == {BARS_ONLY[seconds]}


@pytest.mark.parametrize("seconds", PERIODS)
def test_quotes_per_minute(ask: Ask, seconds: int) -> None:
    per_minute = {QUOTES: 1, MINUTES: 4, HOURS: 9}[PERIODS[seconds]]
    assert {row["per_minute"] for row in ask("v_quote_rate", seconds, step_s="60")} == {per_minute}
