"""The views that dashboards read, against the same figures computed from the tables' rows one by one."""

from __future__ import annotations

import math
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from clickhouse_connect.driver.client import Client
from grafana_sql import Period, Value, expand
from independent_indicators import expected_indicators, same_value
from servers import ClickHouseServer
from stored_market import PRICES, SOURCES, fill

from cryptoviz.clickhouse import connect
from cryptoviz.dashboards.variable import any_of, number, one

pytestmark = pytest.mark.stack
MINUTES = 150
INDICATORS = ("rsi", "macd", "macd_signal", "macd_histogram", "stochastic_k", "stochastic_d", "atr")
Row = dict[str, Any]


class Asked:
    """A database of this file's own, every row of it stored twice, asked by a user who must write FINAL."""

    def __init__(self, client: Client, database: str, now_s: int) -> None:
        self.client, self.database, self.now_s = client, database, now_s

    def rows(self, sql: str) -> list[Row]:
        """The answer, with times in seconds since the epoch."""
        answer = self.client.query(sql.replace("FROM ", f"FROM {self.database}."))
        return [{name: _seconds(value) for name, value in row.items()} for row in answer.named_results()]

    def over(self, view: str, where: str = "1", seconds: int = 3600, step_s: int = 0, **parameters: str) -> list[Row]:
        """The rows of a view over the period of that length that ends with the data."""
        given = {"since": f"toDateTime({self.now_s - seconds})", "until": f"toDateTime({self.now_s})"} | parameters
        given |= {"step_s": str(step_s)} if step_s else {}
        arguments = ", ".join(f"{name} = {value}" for name, value in given.items())
        return self.rows(f"SELECT * FROM {view}({arguments}) WHERE {where}")


def _seconds(value: Any) -> Any:
    return value.replace(tzinfo=UTC).timestamp() if isinstance(value, datetime) else value


@pytest.fixture(scope="module")
def asked(clickhouse: ClickHouseServer) -> Iterator[Asked]:
    settings = clickhouse.migrated()
    client = connect(settings)
    now_s = int(time.time())
    fill(client, settings.clickhouse_database, now_s * 1000, MINUTES, copies=2)
    yield Asked(client, settings.clickhouse_database, now_s)
    client.close()


@pytest.fixture(scope="module")
def quotes(asked: Asked) -> list[Row]:
    return asked.rows("SELECT asset, source, at, price FROM quotes FINAL ORDER BY at")


@pytest.fixture(scope="module")
def bars(asked: Asked) -> list[Row]:
    return asked.rows("SELECT *, toUnixTimestamp(start) + interval_s AS ended FROM bars FINAL ORDER BY start")


def series(rows: list[Row], **values: Any) -> list[Row]:
    """Those with these values, in the order they have."""
    return [row for row in rows if all(row[name] == value for name, value in values.items())]


def up(at: float, step_s: int) -> int:
    return math.ceil(at / step_s) * step_s


def test_a_price_is_the_last_one_of_its_step(asked: Asked, quotes: list[Row], bars: list[Row]) -> None:
    since = asked.now_s - 3600
    wanted: dict[Any, float] = {}
    for row in quotes:
        if row["at"] > since:
            wanted[min(up(row["at"], 60), asked.now_s), row["asset"], row["source"]] = row["price"]
    for bar in series(bars, source="all", interval_s=60):
        if bar["start"] >= since and bar["ended"] <= asked.now_s:
            wanted[bar["ended"], bar["asset"], "all"] = bar["close"]
    found = asked.over("v_prices", step_s=60)
    assert {(row["time"], row["asset"], row["source"]): row["price"] for row in found} == wanted
    assert len(found) == len(wanted)


def test_beyond_six_hours_prices_are_closes_of_bars(asked: Asked, bars: list[Row]) -> None:
    found = asked.over("v_prices", "asset = 'ETH'", seconds=7 * 3600, step_s=60)
    wanted = {
        (bar["ended"], bar["source"]): bar["close"]
        for bar in series(bars, asset="ETH", interval_s=60)
        if bar["ended"] <= asked.now_s
    }
    assert {(row["time"], row["source"]): row["price"] for row in found} == wanted


def test_beyond_three_days_hours_are_read_and_the_hour_that_runs_is_not_missing(asked: Asked, bars: list[Row]) -> None:
    (found,) = asked.over("v_range", "asset = 'BTC' AND source = 'binance'", seconds=4 * 86_400)
    hours = series(bars, asset="BTC", source="binance", interval_s=3600)
    minutes = [bar for bar in series(bars, asset="BTC", source="binance", interval_s=60) if bar["ended"] <= asked.now_s]
    assert found["points"] == len(hours)
    assert found["mean_price"] == pytest.approx(statistics.fmean(bar["close"] for bar in hours))
    assert found["last_price"] == minutes[-1]["close"]
    assert found["last_at"] == minutes[-1]["ended"]


def test_a_period_in_figures(asked: Asked, quotes: list[Row]) -> None:
    for row in asked.over("v_range", "source != 'all'"):
        prices = [
            quote["price"]
            for quote in series(quotes, asset=row["asset"], source=row["source"])
            if quote["at"] > asked.now_s - 3600
        ]
        wanted = {
            "points": len(prices), "first_price": prices[0], "last_price": prices[-1], "min_price": min(prices),
            "max_price": max(prices), "mean_price": statistics.fmean(prices), "change": prices[-1] - prices[0],
            "change_percent": (prices[-1] / prices[0] - 1) * 100,
            "volatility_percent": statistics.pstdev(prices) / statistics.fmean(prices) * 100,
        }  # fmt: skip
        assert {name: row[name] for name in wanted} == pytest.approx(wanted)


def test_changes_start_at_nothing_and_end_at_the_change_of_the_period(asked: Asked) -> None:
    by_series = defaultdict(list)
    for row in sorted(asked.over("v_changes", step_s=60), key=lambda row: row["time"]):
        by_series[row["asset"], row["source"]].append(row)
    assert set(by_series) == {(asset, source) for asset in PRICES for source in (*SOURCES, "all")}
    for rows in by_series.values():
        assert rows[0]["change_percent"] == 0
        assert rows[-1]["change_percent"] == pytest.approx((rows[-1]["price"] / rows[0]["price"] - 1) * 100)


def test_gaps_are_between_sources_that_had_quotes(asked: Asked, bars: list[Row]) -> None:
    chosen = ["binance", "coinmarketcap"]
    by_bar: dict[Any, dict[str, float]] = defaultdict(dict)
    for bar in bars:
        if bar["interval_s"] == 60 and bar["quotes"] and bar["source"] in chosen and bar["ended"] <= asked.now_s:
            by_bar[bar["ended"], bar["asset"]][bar["source"]] = bar["close"]
    wanted = {
        key: (min(said, key=lambda name: said[name]), max(said.values()) - min(said.values()))
        for key, said in by_bar.items()
        if len(said) == 2
    }
    found = asked.over("v_gaps", seconds=MINUTES * 60 + 3600, step_s=1, sources=str(chosen))
    assert {(row["time"], row["asset"]): (row["lowest"], row["gap"]) for row in found} == wanted
    assert 0 < len(wanted) < len(by_bar), "coinmarketcap is silent for a while"
    cheapest = {key: min(said.values()) for key, said in by_bar.items()}
    assert [row["gap_percent"] for row in found] == pytest.approx(
        [row["gap"] / cheapest[row["time"], row["asset"]] * 100 for row in found]
    )


def test_one_source_has_no_gap(asked: Asked) -> None:
    assert asked.over("v_gaps", step_s=60, sources="['binance', 'all']") == []
    assert asked.rows("SELECT * FROM v_gaps_now(sources = ['binance'])") == []


def test_gaps_now_are_between_the_newest_quotes(asked: Asked, quotes: list[Row]) -> None:
    newest = {(quote["asset"], quote["source"]): quote["price"] for quote in quotes}
    found = asked.rows("SELECT * FROM v_gaps_now(sources = ['binance', 'coingecko', 'coinmarketcap'])")
    assert {row["asset"] for row in found} == set(PRICES)
    for row in found:
        assert (row["lowest"], row["highest"], row["n_sources"]) == ("coinmarketcap", "coingecko", 3)
        assert row["gap"] == newest[row["asset"], "coingecko"] - newest[row["asset"], "coinmarketcap"]
        assert row["gap_percent"] == pytest.approx((1.0008 / 0.9985 - 1) * 100)


def test_candles_join_bars_and_bands_are_those_of_the_stream(asked: Asked, bars: list[Row]) -> None:
    mine = series(bars, asset="DOGE", source="all", interval_s=60)
    found = asked.over("v_candles", seconds=5400, step_s=300, asset="'DOGE'", source="'all'", short="20", long="50")
    filed = {
        row["at"]: row for row in asked.rows("SELECT * FROM indicators FINAL WHERE asset = 'DOGE' AND source = 'all'")
    }
    assert len(found) > 15
    for candle in found:
        inside = [
            (place, bar)
            for place, bar in enumerate(mine)
            if candle["time"] <= bar["start"] < candle["time"] + 300 and bar["start"] >= asked.now_s - 5400
        ]
        last_place, last = inside[-1]
        assert candle["open"] == inside[0][1]["open"]
        assert candle["high"] == max(bar["high"] for _, bar in inside)
        assert candle["low"] == min(bar["low"] for _, bar in inside)
        assert candle["close"] == last["close"]
        assert candle["volume"] == sum(bar["quotes"] for _, bar in inside), "no source says what was traded"
        closes = [bar["close"] for bar in mine[: last_place + 1]]
        assert candle["ma_short"] == pytest.approx(statistics.fmean(closes[-20:]))
        wanted = pytest.approx(statistics.fmean(closes[-50:])) if len(closes) >= 50 else None
        assert candle["ma_long"] == wanted
        stored = filed[last["ended"]]
        for band in ("bollinger_lower", "bollinger_middle", "bollinger_upper"):
            assert candle[band] == pytest.approx(stored[band], rel=1e-9)


def test_indicators_are_those_of_the_stream(asked: Asked) -> None:
    for asset in ("BTC", "DOGE"):
        found = asked.over("v_indicators", f"time < {asked.now_s}", step_s=60, asset=f"'{asset}'", source="'all'")
        filed = {
            row["at"]: row for row in asked.rows(f"SELECT * FROM indicators FINAL WHERE asset = '{asset}'")
            if row["source"] == "all"
        }  # fmt: skip
        assert len(found) >= 59
        for row in found:
            for name in INDICATORS:
                assert same_value(name, row[name], filed[row["time"]][name], PRICES[asset]), name


@pytest.mark.parametrize("interval_s", [60, 3600])
def test_indicators_need_no_stream_and_begin_anew_after_a_gap(asked: Asked, interval_s: int) -> None:
    rng = np.random.default_rng(5)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.01, 120)))
    high, low = close * 1.004, close * 0.997
    flat = slice(70, 100)  # where nothing moves
    close[flat] = high[flat] = low[flat] = close[70]
    wanted = [
        {name: values[place] for name, values in expected_indicators(high[part], low[part], close[part]).items()}
        for part, length in ((slice(0, 50), 50), (slice(50, 120), 70))
        for place in range(length)
    ]
    end_s = asked.now_s // 3600 * 3600 - 3600
    places = [*range(50), *range(60, 130)]  # ten bars are missing
    starts = [datetime.fromtimestamp(end_s - (130 - place) * interval_s, UTC) for place in places]
    asset, names = f"HISTORY{interval_s}", ["asset", "source", "interval_s", "start", "open", "high", "low", "close"]
    rows = [[asset, "x", interval_s, start, *(4 * [0.0])] for start in starts]
    for row, values in zip(rows, zip(close, high, low, close, strict=True), strict=True):
        row[4:] = map(float, values)
    asked.client.insert("bars", rows, names, database=asked.database)
    try:
        found = asked.over("v_indicators", seconds=131 * interval_s + 7200, step_s=interval_s, asset=f"'{asset}'",
                           source="'x'")  # fmt: skip
    finally:
        asked.client.command(f"DELETE FROM {asked.database}.bars WHERE asset = '{asset}'")
    found.sort(key=lambda row: row["time"])
    assert [row["time"] for row in found] == [start.timestamp() + interval_s for start in starts]
    for row, expected in zip(found, wanted, strict=True):
        for name in INDICATORS:
            assert same_value(name, row[name], expected[name], 100.0), (row["time"], name)


def test_indicators_do_not_depend_on_where_the_period_begins(asked: Asked) -> None:
    long, short = (
        {row["time"]: row for row in asked.over("v_indicators", f"time < {asked.now_s}", seconds=seconds, step_s=60,
                                                asset="'BTC'", source="'all'")}
        for seconds in (7200, 1200)
    )  # fmt: skip
    assert len(short) >= 19
    for at, row in short.items():
        for name in INDICATORS:
            assert row[name] == pytest.approx(long[at][name], rel=1e-9)


def test_averages_are_missing_after_a_gap(asked: Asked) -> None:
    start = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=60)
    places = [*range(20), *range(25, 50)]
    rows = [["GAP", "all", 60, start + timedelta(minutes=place), 1.0, 1.0, 1.0, 1.0, 1] for place in places]
    names = ["asset", "source", "interval_s", "start", "open", "high", "low", "close", "quotes"]
    asked.client.insert("bars", rows, names, database=asked.database)
    try:
        found = asked.over("v_candles", seconds=7200, step_s=60, asset="'GAP'", source="'all'", short="5", long="20")
        known = {
            name: {round((row["time"] - start.timestamp()) / 60) for row in found if row[name] is not None}
            for name in ("ma_short", "ma_long")
        }
    finally:
        asked.client.command(f"DELETE FROM {asked.database}.bars WHERE asset = 'GAP'")
    assert known == {"ma_short": {*range(4, 20), *range(29, 50)}, "ma_long": {19, *range(44, 50)}}


def test_volume_is_what_was_traded_where_the_source_says_so(asked: Asked) -> None:
    start = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=10)
    rows = [["VOL", "all", 60, start + timedelta(minutes=place), 1.0, 1.0, 1.0, 1.0, 0.5, 3] for place in range(5)]
    names = ["asset", "source", "interval_s", "start", "open", "high", "low", "close", "volume", "quotes"]
    asked.client.insert("bars", rows, names, database=asked.database)
    try:
        found = asked.over("v_candles", step_s=60, asset="'VOL'", source="'all'", short="5", long="20")
    finally:
        asked.client.command(f"DELETE FROM {asked.database}.bars WHERE asset = 'VOL'")
    assert [row["volume"] for row in found] == [0.5] * 5


def test_the_rate_counts_quotes_once_and_only_in_complete_steps(asked: Asked, quotes: list[Row]) -> None:
    found = asked.over("v_quote_rate", step_s=15)
    counted: dict[Any, int] = defaultdict(int)
    for quote in quotes:
        counted[(int(quote["at"]) // 60 + 1) * 60, quote["source"]] += 1
    wanted = {key: n for key, n in counted.items() if asked.now_s - 3600 < key[0] <= asked.now_s}
    assert {(row["time"], row["source"]): row["per_minute"] for row in found} == wanted


def test_the_market_is_the_last_bar_of_all_sources_and_the_newest_signal(asked: Asked, bars: list[Row]) -> None:
    signals = asked.rows("SELECT * FROM signals FINAL WHERE source = 'all' AND horizon_s = 14400 ORDER BY made_at")
    found = {row["asset"]: row for row in asked.rows("SELECT * FROM v_market(horizon_s = 14400)")}
    assert set(found) == set(PRICES)
    for asset, row in found.items():
        mine = series(bars, asset=asset, source="all", interval_s=60)
        before = next(bar for bar in mine if bar["start"] == mine[-1]["start"] - 3600)
        assert row["price"] == mine[-1]["close"]
        assert row["change_1h"] == pytest.approx((mine[-1]["close"] / before["close"] - 1) * 100)
        assert row["change_24h"] is None, "there is not a day of data"
        newest = series(signals, asset=asset)[-1]
        assert (row["signal"], row["confidence"]) == (newest["signal"], newest["confidence"])
        assert row["age_s"] == pytest.approx(time.time() - mine[-1]["ended"], abs=20)


def test_market_caps_are_the_last_that_any_source_told(asked: Asked) -> None:
    now = datetime.now(UTC)
    told = [("CAP", "a", 5.0, 30), ("CAP", "b", 7.0, 20), ("CAP", "b", None, 10), ("OLD", "a", 9.0, 7200)]
    rows = [[asset, source, asset, cap, now - timedelta(seconds=ago), 1.0, True] for asset, source, cap, ago in told]
    names = ["asset", "source", "symbol", "market_cap", "at", "price", "feeds"]
    asked.client.insert("quotes", rows, names, database=asked.database)
    try:
        found = {row["asset"]: row["market_cap"] for row in asked.rows("SELECT * FROM v_market_caps")}
        assert found == {"CAP": 7.0}
    finally:
        asked.client.command(f"DELETE FROM {asked.database}.quotes WHERE asset IN ('CAP', 'OLD')")


def test_a_change_of_signal_is_where_it_differs_from_the_one_before(asked: Asked) -> None:
    signals = asked.rows("SELECT * FROM signals FINAL WHERE asset = 'DOGE' AND source = 'all' ORDER BY made_at")
    wanted = []
    for horizon_s in (3600, 14_400):
        mine = series(signals, horizon_s=horizon_s)
        for before, after in zip([{"signal": ""}, *mine[:-1]], mine, strict=True):
            if after["signal"] != before["signal"] and after["made_at"] >= asked.now_s - 3600:
                wanted.append((horizon_s, after["made_at"], before["signal"], after["signal"]))
    found = asked.over("v_signal_changes", "asset = 'DOGE' AND source = 'all'")
    assert sorted((row["horizon_s"], row["time"], row["before"], row["signal"]) for row in found) == sorted(wanted)


def test_an_outage_lasts_until_the_next_state_and_the_present_one_until_it_was_last_seen(asked: Asked) -> None:
    since = asked.now_s - MINUTES * 60
    (found,) = asked.rows("SELECT * FROM v_outages")
    assert (found["source"], found["state"], found["reason"]) == ("coinmarketcap", "rate_limited", "it's 429")
    assert (found["time"], found["time_end"]) == (since + MINUTES * 40, since + MINUTES * 50)
    began, seen = datetime.now(UTC) - timedelta(minutes=9), datetime.now(UTC) - timedelta(minutes=2)
    names = ["source", "asset", "since", "state", "until", "reason", "last_seen"]
    rows = [["other", "", began, "failing", None, "http_500", seen - timedelta(minutes=last)] for last in (3, 0)]
    asked.client.insert("source_health", rows, names, database=asked.database)
    (found,) = asked.rows("SELECT * FROM v_outages WHERE source = 'other'")
    assert (found["time"], found["time_end"]) == pytest.approx((began.timestamp(), seen.timestamp()), abs=0.002)
    (told,) = asked.rows("SELECT * FROM v_sources WHERE source = 'other'")
    assert (told["state"], told["age_s"]) == ("failing", None), "it never gave a quote"
    asked.client.command(f"DELETE FROM {asked.database}.source_health WHERE source = 'other'")


def test_of_several_values_a_choice_of_one_takes_the_first(asked: Asked) -> None:
    values: dict[str, Value] = {"asset": ["ETH", "it's"], "horizon": ["3600", "14400"], "source": "all", "none": ""}
    sql = f"SELECT {one('asset')}, {number('horizon')}, {one('source')}, {any_of('asset')}, {number('none')}"
    (found,) = asked.client.query(expand(sql, Period(0, 3600), values)).result_rows
    assert found == ("ETH", 3600, "all", ["ETH", "it's"], 0)


def test_totals_do_not_merge_to_count(asked: Asked, quotes: list[Row]) -> None:
    """Every row is there twice, and ClickHouse may have merged some; readers ask with `final`."""
    answer = asked.client.query(f"SELECT * FROM {asked.database}.v_totals", settings={"final": 1})
    (found,) = answer.named_results()
    assert found["assets"] == len(PRICES)
    plain = asked.client.query(f"SELECT count() FROM {asked.database}.quotes").result_rows[0][0]
    assert len(quotes) <= plain == found["quotes"]


def test_prices_are_told_with_five_digits(asked: Asked) -> None:
    decimals = {row["asset"]: row["decimals"] for row in asked.rows("SELECT * FROM v_decimals")}
    assert decimals == {"BTC": 2, "ETH": 2, "DOGE": 10}


@pytest.mark.parametrize(
    ("spacing_s", "age_s", "state"),
    [(20, 5, "live"), (20, 55, "live"), (20, 100, "late"), (20, 590, "late"), (20, 700, "stopped"),
     (300, 700, "live"), (300, 1000, "stopped")],
)  # fmt: skip
def test_it_streams_as_long_as_quotes_come_as_they_use_to(
    clickhouse: ClickHouseServer, database: str, spacing_s: int, age_s: int, state: str
) -> None:
    settings = clickhouse.migrated(clickhouse_database=database)
    client = connect(settings)
    assert Asked(client, database, 0).rows("SELECT * FROM v_streaming")[0]["state"] == "stopped"
    newest = datetime.now(UTC) - timedelta(seconds=age_s)
    times = [newest - timedelta(seconds=spacing_s * number) for number in range(5)]
    names = ["asset", "source", "price", "received_at", "at", "feeds"]
    client.insert("quotes", [["BTC", "binance", 1.0, at, at, True] for at in times], names, database=database)
    (found,) = Asked(client, database, 0).rows("SELECT * FROM v_streaming")
    client.close()
    assert found["state"] == state
    assert found["age_s"] == pytest.approx(age_s, abs=5)
    assert found["active_sources"] == (1 if age_s < 600 else 0)


def test_errors_are_summed_by_the_step_in_which_their_time_came(asked: Asked) -> None:
    since = asked.now_s - 5400
    wanted: dict[Any, list[float]] = defaultdict(lambda: [0, 0.0, 0.0])
    for row in asked.rows("SELECT * FROM scores FINAL WHERE void = ''"):
        if since < row["target_at"] <= asked.now_s:
            key = min(up(row["target_at"], 3600), asked.now_s), row["asset"], row["source"], row["model"]
            for place, more in enumerate((1, abs(row["error"]), abs(row["naive_error"]))):
                wanted[key][place] += more if place == 0 else more / row["price"] * 100
    found = asked.over("v_errors", seconds=5400, step_s=60)
    assert {row["kind"] for row in found} == {"filed"}
    assert {row["horizon_s"] for row in found} == {3600}
    summed = {
        (row["time"], row["asset"], row["source"], row["model"]): [row["n"], row["error_percent"], row["naive_percent"]]
        for row in found
    }
    assert summed == {key: pytest.approx(figures) for key, figures in wanted.items()}
    assert len(found) == len(summed)
    assert len({time for time, *_ in summed}) > 1


def test_confidence_is_held_against_the_outcomes_of_the_period(asked: Asked) -> None:
    everything = asked.rows("SELECT * FROM calibration")
    key = ("kind", "asset", "source", "horizon_s", "model", "confidence_from")
    told = {tuple(row[name] for name in key): row for row in everything}
    over_all = asked.over("calibration_between", seconds=30 * 86_400)
    assert len(over_all) == len(everything) > 0
    for row in over_all:
        same = told[tuple(row[name] for name in key)]
        for name in ("n", "n_independent", "mean_confidence", "hit_rate", "hit_low", "hit_high"):
            assert row[name] == (None if same[name] is None else pytest.approx(same[name]))
    since = asked.now_s - 1200
    (counted,) = asked.rows(
        f"SELECT count() AS n FROM scored WHERE isNotNull(hit) AND isNotNull(confidence) AND target_at >= {since}"
        f" AND target_at < {asked.now_s}"
    )
    part = sum(row["n"] for row in asked.over("calibration_between", seconds=1200))
    assert part == counted["n"]
    assert 0 < part < sum(row["n"] for row in everything)


def test_forecasts_now_are_the_newest_filed_with_their_intervals(asked: Asked) -> None:
    of = "asset = 'ETH' AND source = 'all'"
    newest: dict[Any, Row] = {}
    for row in asked.rows(f"SELECT * FROM predictions FINAL WHERE {of} ORDER BY made_at"):
        newest[row["horizon_s"], row["model"]] = row
    found = asked.rows("SELECT * FROM v_forecasts_now(asset = 'ETH', source = 'all')")
    assert len(found) == len(newest)
    for row in found:
        filed = newest[row["horizon_s"], row["model"]]
        for name in ("made_at", "target_at", "price", "forecast", "variation", "confidence", "reason"):
            assert row[name] == filed[name]


def test_intervals_are_told_where_the_newest_forecast_has_them(asked: Asked) -> None:
    names = ["asset", "source", "interval_s", "made_at", "horizon_s", "model", "price", "forecast", "bounds"]
    said = [  # minutes ago, horizon, bounds
        (10, 3600, [(0.5, 9.0, 11.0), (0.8, 8.0, 12.0), (0.95, 7.0, 13.0)]),
        (5, 3600, [(0.5, 9.5, 10.5), (0.8, 9.0, 11.0), (0.95, 8.0, 12.0)]),
        (5, 14_400, []),
        (150, 86_400, [(0.8, 1.0, 19.0)]),
    ]
    rows = [
        (
            "MADE-UP",
            "all",
            60,
            datetime.fromtimestamp(asked.now_s - minutes * 60, UTC),
            horizon_s,
            "holt",
            10.0,
            10.0,
            at,
        )
        for minutes, horizon_s, at in said
    ]
    asked.client.insert("predictions", rows, names, database=asked.database)
    found = asked.rows("SELECT * FROM v_forecasts_now(asset = 'MADE-UP', source = 'all') ORDER BY horizon_s")
    levels = ("horizon_s", "lower_80", "upper_80", "lower_95", "upper_95")
    assert [tuple(row[name] for name in levels) for row in found] == [
        (3600, 9.0, 11.0, 8.0, 12.0),
        (14_400, None, None, None, None),
    ]


def test_outcomes_stand_beside_what_happened(asked: Asked) -> None:
    of = "asset = 'BTC' AND source = 'binance' AND model = 'ma_short'"
    scores = asked.rows(f"SELECT * FROM scores FINAL WHERE {of} AND void = '' ORDER BY target_at")
    outcomes = "v_outcomes(asset = 'BTC', source = 'binance', model = 'ma_short')"
    found = asked.rows(f"SELECT * FROM {outcomes} ORDER BY target_at")
    assert len(found) == len(scores) > 5
    said = {True: "right", False: "wrong", None: "no direction"}
    for row, score in zip(found, scores, strict=True):
        assert (row["target_at"], row["forecast"]) == (score["target_at"], score["forecast"])
        assert (row["happened"], row["direction"]) == (score["actual"], said[score["hit"]])
        assert row["error_percent"] == pytest.approx(score["error"] / score["price"] * 100)
        assert row["naive_error_percent"] == pytest.approx(score["naive_error"] / score["price"] * 100)
