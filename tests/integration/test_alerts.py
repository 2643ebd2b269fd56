"""Every alert rule against ClickHouse as Grafana asks it: quiet while all is well, told in the situation it is for."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import clickhouse_connect
import pytest
from alert_rows import PRICES, SOURCES, Rows
from alert_rules import ask, firing, watched
from clickhouse_connect.driver.client import Client
from servers import ClickHouseServer
from stored_market import fill

from cryptoviz.alerting import RULES, Rule
from cryptoviz.alerting.rules import (
    dead_letters,
    lag_growing,
    predictions_missing,
    price_moved,
    quotes_stopped,
    signal_changed,
    source_diverges,
    source_silent,
)
from cryptoviz.cli.migrate import run as migrate
from cryptoviz.clickhouse import connect
from cryptoviz.dashboards.query import Query

pytestmark = pytest.mark.stack
EACH = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.uid)
QUERIES = pytest.mark.parametrize(
    ("rule", "name"), [(rule, name) for rule in RULES for name in rule.queries],
    ids=lambda value: value.uid if isinstance(value, Rule) else value,
)  # fmt: skip
BTC = {"asset": "BTC"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    server = ClickHouseServer(tmp_path_factory.mktemp("alerts"))
    try:
        server.start()
        migrate(server.settings())
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def writer(server: ClickHouseServer) -> Iterator[Client]:
    client = connect(server.settings())
    yield client
    client.close()


@pytest.fixture(scope="module")
def reader(server: ClickHouseServer) -> Client:
    """Grafana's user."""
    return clickhouse_connect.get_client(
        host="127.0.0.1", port=server.port, username="grafana", database="crypto", autogenerate_session_id=False
    )


@pytest.fixture
def empty(writer: Client) -> Rows:
    """Before the first quote."""
    rows = Rows(writer)
    rows.clear()
    return rows


@pytest.fixture
def well(empty: Rows) -> Rows:
    """An hour and a half of a quiet market of which nothing is to be told, for tests to add trouble to."""
    empty.quotes(900)
    empty.bars(5400, 60, 98_000.0)
    empty.prediction(200)
    for source in SOURCES:
        empty.state(source, "available", 5400)
    empty.signal(3000, "HOLD")
    empty.signal(300, "HOLD")
    empty.letters(10, 100)
    empty.lag(dict.fromkeys(range(0, 345, 15), 20))
    return empty


def kinds(answer: Any) -> dict[str, str]:
    """The type of each column, whether it may be NULL or not."""
    types = [kind.name.removeprefix("Nullable(") for kind in answer.column_types]
    return dict(zip(answer.column_names, types, strict=True))


@QUERIES
def test_a_query_of_nothing_answers_as_declared(empty: Rows, reader: Client, rule: Rule, name: str) -> None:
    check_columns(rule.queries[name], ask(reader, rule.queries[name]))


def test_queries_of_a_market_answer_as_declared(empty: Rows, reader: Client) -> None:
    fill(empty.client, "crypto", int(time.time()) * 1000, 120)
    for rule in RULES:
        for query in rule.queries.values():
            check_columns(query, ask(reader, query))


def check_columns(query: Query, answer: Any) -> None:
    found = kinds(answer)
    assert (len(query.numbers), query.times) == (1, ())  # more would be no alert to Grafana, or a time series
    assert set(found) == query.columns or not (found or answer.result_rows)
    assert all("String" in found[text] for text in query.texts if found)
    assert all(found[number].startswith(("UInt", "Int", "Float")) for number in query.numbers if found), found


@EACH
def test_an_empty_home_has_nothing_to_tell(empty: Rows, reader: Client, rule: Rule) -> None:
    assert firing(reader, rule) == []


@EACH
def test_a_quiet_market_has_nothing_to_tell(well: Rows, reader: Client, rule: Rule) -> None:
    assert firing(reader, rule) == []


def test_in_a_quiet_market_every_rule_watches_something_but_signals_that_did_not_change(
    well: Rows, reader: Client
) -> None:
    watching = [
        quotes_stopped, source_silent, source_diverges, predictions_missing, lag_growing, dead_letters, price_moved,
    ]  # fmt: skip
    assert [rule for rule in watching if not watched(reader, rule)] == []
    assert watched(reader, signal_changed) == {}


def test_history_that_was_just_filled_in_is_nothing_to_tell(empty: Rows, reader: Client) -> None:
    """Quotes and bars of a day, stored at this moment, one forecast at their end and a backlog that is being read."""
    empty.quotes(86_000, 60, every_s=60, stored_s=86_400, origin="backfill")
    empty.bars(86_000, 60, 98_000.0)
    for source in SOURCES:
        empty.state(source, "late", 20, reason="starting")
    empty.signal(60, "BUY")
    empty.lag({130: 0, 115: 9000, 100: 18_000, 85: 18_000, 70: 15_000, 55: 12_000, 40: 9000, 25: 6000, 10: 3000})
    assert [rule.uid for rule in RULES if firing(reader, rule)] == []


def test_quotes_that_stopped_are_told_until_they_come_again(empty: Rows, reader: Client) -> None:
    empty.quotes(2000, 700)
    assert firing(reader, quotes_stopped) == []  # the home is not as old as that
    made_at = "UPDATE applied_at = now64(3) - toIntervalHour(3) WHERE 1 SETTINGS mutations_sync = 2"
    empty.client.command(f"ALTER TABLE crypto.schema_migrations {made_at}")
    assert firing(reader, quotes_stopped) == [{}]
    empty.quotes(0, sources=("kraken",))
    assert firing(reader, quotes_stopped) == []
    empty.clear()
    assert firing(reader, quotes_stopped) == [{}], "not one quote in three hours"


def test_a_silent_source_is_told_alone_until_it_speaks(well: Rows, reader: Client) -> None:
    well.clear()
    well.quotes(900, sources=("binance",))
    well.quotes(3000, 700, sources=("kraken",))
    well.state("coingecko", "blocked", 5000, reason="http_403")
    assert firing(reader, source_silent) == [{"source": "coingecko"}, {"source": "kraken"}]
    well.quotes(0, sources=("kraken", "coingecko"))
    assert firing(reader, source_silent) == []


def test_a_source_is_given_three_times_its_usual_spacing(empty: Rows, reader: Client) -> None:
    empty.quotes(7200, 800, every_s=320, sources=("slow",))
    empty.quotes(40_000, 1800, every_s=1800, sources=("slower",))
    assert firing(reader, source_silent) == []
    empty.clear()
    empty.quotes(7200, 800, every_s=200, sources=("slow",))
    assert firing(reader, source_silent) == [{"source": "slow"}]


def test_sources_that_are_off_or_not_polled_any_more_are_not_missed(
    empty: Rows, reader: Client, server: ClickHouseServer
) -> None:
    empty.quotes(30_000, 20_000, every_s=100, sources=("binance", "coinmarketcap"))
    empty.state("coinmarketcap", "off", 5000, reason="no key")
    assert firing(reader, source_silent) == [{"source": "binance"}]
    migrate(server.settings(sources="kraken,coingecko"))
    assert firing(reader, source_silent) == []
    migrate(server.settings(sources="kraken,binance"))
    assert firing(reader, source_silent) == [{"source": "binance"}]
    migrate(server.settings())
    empty.clear()
    empty.quotes(86_400 * 3, 86_400 * 2, every_s=3600, sources=("gone",))
    assert watched(reader, source_silent) == {}


def test_the_source_that_is_off_the_others_is_told_until_it_agrees(well: Rows, reader: Client) -> None:
    well.quotes(0, sources=("kraken",), assets=("ETH",), factor=1.021)
    assert firing(reader, source_diverges) == [{"asset": "ETH", "source": "kraken"}]
    assert len(watched(reader, source_diverges)) == len(SOURCES) * len(PRICES)
    well.clear()
    well.quotes(10, sources=("kraken",), factor=1.019)
    well.quotes(10, sources=("binance", "coingecko"))
    assert firing(reader, source_diverges) == []


def test_of_two_sources_that_are_apart_both_are_told_and_of_stale_ones_none(empty: Rows, reader: Client) -> None:
    empty.quotes(10, sources=("kraken",), assets=("BTC",), factor=1.03)
    empty.quotes(10, sources=("binance",), assets=("BTC",))
    empty.quotes(900, 700, sources=("coingecko",), assets=("BTC",), factor=3)
    assert firing(reader, source_diverges) == [BTC | {"source": "binance"}, BTC | {"source": "kraken"}]


def test_predictions_that_stay_away_while_quotes_come_are_told(empty: Rows, reader: Client) -> None:
    empty.quotes(1000)
    empty.prediction(950, assets=("BTC",))
    empty.prediction(60, assets=("BTC",), source="binance")
    assert firing(reader, predictions_missing) == [BTC, {"asset": "ETH"}]
    empty.prediction(0)
    assert firing(reader, predictions_missing) == []


def test_predictions_are_not_missed_after_a_pause_or_without_quotes(empty: Rows, reader: Client) -> None:
    empty.quotes(50_000, 40_000, every_s=100)
    empty.prediction(40_000)
    assert watched(reader, predictions_missing) == {}
    empty.quotes(120)
    assert firing(reader, predictions_missing) == []
    assert {values["waiting"] for values in watched(reader, predictions_missing).values()} != {0.0}


def test_a_lag_is_told_while_it_is_large_and_grows(empty: Rows, reader: Client) -> None:
    samples = range(15, 345, 15)
    empty.lag({ago_s: 3000 - 5 * ago_s for ago_s in samples})
    empty.lag({ago_s: 500 - ago_s for ago_s in samples}, topic="quotes.normalized")
    empty.lag({ago_s: 900 - ago_s for ago_s in samples}, consumer="worker")
    empty.lag(dict.fromkeys(samples, 5000), consumer="stuck but steady")
    assert firing(reader, lag_growing) == [{"consumer": "sink"}]
    values = watched(reader, lag_growing)[frozenset({("consumer", "sink")})]
    assert values["messages"] == 3000 - 75 + 500 - 15
    assert values["before"] == 3000 - 300 + 500 - 60, "a minute ago, as five minutes ago it was less"
    empty.lag({0: 1200})
    assert firing(reader, lag_growing) == []


def test_an_old_sample_of_the_lag_is_none(empty: Rows, reader: Client) -> None:
    empty.lag({300: 10, 90: 50_000})
    assert watched(reader, lag_growing) == {}


def test_dead_letters_are_told_by_kind_for_ten_minutes(empty: Rows, reader: Client) -> None:
    empty.letters(11, 30)
    empty.letters(6, 30, source="kraken")
    empty.letters(6, 50, source="kraken", reason="future")
    assert firing(reader, dead_letters) == [{"topic": "quotes.raw", "source": "binance", "reason": "no_price"}]
    empty.clear()
    empty.letters(500, 610)
    assert firing(reader, dead_letters) == []
    assert [values["letters"] for values in watched(reader, dead_letters).values()] == [0]


@pytest.mark.parametrize("factor", [1.06, 0.94])
def test_a_price_that_moved_is_told_whichever_way(empty: Rows, reader: Client, factor: float) -> None:
    empty.bars(5400, 1860, 98_000.0)
    empty.bars(1800, 60, 98_000.0 * factor)
    assert firing(reader, price_moved) == [BTC]
    empty.clear()
    empty.bars(7200, 4200, 98_000.0)
    empty.bars(4140, 60, 98_000.0 * factor)
    assert firing(reader, price_moved) == [], "it moved more than an hour ago"


def test_a_price_without_one_an_hour_before_or_without_one_now_has_not_moved(empty: Rows, reader: Client) -> None:
    empty.bars(1800, 1500, 98_000.0)
    empty.bars(900, 60, 120_000.0)
    assert watched(reader, price_moved) == {}
    empty.bars(9000, 5400, 3_400.0, asset="ETH")
    empty.bars(3000, 1500, 4_400.0, asset="ETH")
    assert watched(reader, price_moved) == {}


def test_a_signal_that_changed_is_told_for_a_quarter_of_an_hour(empty: Rows, reader: Client) -> None:
    for hours in (1, 4, 24):
        empty.signal(600, "HOLD", hours=hours)
        empty.signal(300, "SELL", hours=hours)
    empty.signal(600, "HOLD", asset="ETH", source="kraken")
    empty.signal(300, "BUY", asset="ETH", source="kraken")
    change = BTC | {"before": "HOLD", "signal": "SELL"}
    assert firing(reader, signal_changed) == [change | {"horizon": "1 h"}, change | {"horizon": "4 h"}]
    empty.clear()
    empty.signal(1300, "HOLD")
    empty.signal(1000, "SELL")
    empty.signal(700, "SELL")
    assert firing(reader, signal_changed) == []
    assert len(watched(reader, signal_changed)) == 1


def test_limits_are_those_of_the_settings(well: Rows, reader: Client, server: ClickHouseServer) -> None:
    well.quotes(0, sources=("kraken",), assets=("ETH",), factor=1.03)
    well.bars(0, 0, 104_000.0)
    well.letters(20, 10)
    well.lag({0: 1500})
    well.signal(0, "BUY", hours=1)
    told = (source_diverges, price_moved, dead_letters, lag_growing, signal_changed)
    assert [len(firing(reader, rule)) for rule in told] == [1] * 5
    generous = {
        "alert_divergence_percent": 4, "alert_price_move_percent": 8, "alert_dead_letters": 30,
        "alert_lag_messages": 2000, "alert_signal_hours": "4,24",
    }  # fmt: skip
    try:
        migrate(server.settings(**generous))
        assert [len(firing(reader, rule)) for rule in told] == [0] * 5
    finally:
        migrate(server.settings())
