"""Fills every table by SQL alone as weeks of the pipeline would, with waves and noise in place of a market.

Rows of a moment hang on that moment only, so that a home filled before is filled up to now at the next run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from clickhouse_connect.driver.client import Client

from bench.samples import SAMPLE_S, listed
from cryptoviz.assets import AssetRegistry

HOUR_S, DAY_S = 3600, 86_400
SOURCES = ("binance", "coingecko", "coinmarketcap")
BASES = (98_000.0, 3_400.0, 240.0, 2.4, 700.0, 0.4, 0.25, 1.1, 40.0, 22.0, 0.000009, 7.5)
INTERVALS_S = (60, HOUR_S, DAY_S)
HORIZONS_S = (HOUR_S, 4 * HOUR_S, DAY_S)
WINDOWS_S = (HOUR_S, 6 * HOUR_S, DAY_S, 3 * DAY_S)
MODELS = ("ma_short", "ma_long", "trend", "momentum", "naive", "drift", "ewma", "holt", "online", "consensus",
          "consensus_adaptive")  # fmt: skip
FORECAST_S = 300
BACK_TEST_DAYS = 3
"""The first days of it are history that was filled in."""
SAMPLED_DAYS = 14
"""How long samples of the pipeline are kept."""
LATEST = "9223372036854775807"


@dataclass(frozen=True)
class Market:
    """How much there is: quotes over days, of so many assets at three sources; everything else follows."""

    quotes: int
    days: int
    assets: int

    @property
    def spacing_ms(self) -> float:
        """Milliseconds from one quote of a series to the next."""
        return self.days * DAY_S * 1000 * self.assets * len(SOURCES) / self.quotes

    def names(self) -> tuple[str, ...]:
        """The tickers: the first of the registry, as far as it goes."""
        known = list(AssetRegistry().by_ticker)
        return tuple((known + [f"COIN{n}" for n in range(self.assets)])[: self.assets])


def fill(client: Client, database: str, market: Market, until_s: int) -> int:
    """Everything from where it ended, or from the first day on, up to `until_s`; how many inserts that took."""
    times = f"SELECT min(toUnixTimestamp(at)), max(toUnixTimestamp(at)) FROM {database}.quotes"
    begun = client.query(f"SELECT count() FROM {database}.quotes").result_rows[0][0]
    first, last = client.query(times).result_rows[0] if begun else [until_s - market.days * DAY_S] * 2
    pieces = list(_pieces(last, until_s))
    for since_s, to_s in pieces:
        for statement in _statements(market, since_s, to_s, first + BACK_TEST_DAYS * DAY_S, until_s):
            client.command(f"INSERT INTO {database}.{statement}")
    return len(pieces)


def _pieces(since_s: int, until_s: int) -> Iterator[tuple[int, int]]:
    """Days, the last of them in hours, the end in steps of two minutes: parts of all sizes, as merging leaves them."""
    at = since_s
    while at < until_s:
        left = until_s - at
        step = DAY_S if left > DAY_S + HOUR_S else HOUR_S if left > HOUR_S + 1200 else 120
        yield at, min(until_s, at + step)
        at += step


def _statements(market: Market, since_s: int, until_s: int, live_s: int, ends_s: int) -> Iterator[str]:
    span = _Span(market, since_s, until_s, live_s)
    yield _quotes(span)
    yield from (_bars(span, interval_s) for interval_s in INTERVALS_S)
    yield _stats(span)
    yield _indicators(span)
    yield _predictions(span)
    yield _signals(span)
    yield _scores(span)
    yield _health(span)
    yield _letters(span)
    if since_s >= ends_s - SAMPLED_DAYS * DAY_S:
        yield _metrics(span)


@dataclass(frozen=True)
class _Span:
    market: Market
    since_s: int
    until_s: int
    live_s: int

    def moments(self, every_ms: float) -> str:
        """FROM: a row per moment in (since, until] that is a multiple of `every_ms`, its time in ms as `ms`."""
        first, last = int(self.since_s * 1000 // every_ms) + 1, int(self.until_s * 1000 // every_ms)
        return (
            f"(SELECT toInt64(floor((number + {first}) * {every_ms})) AS ms FROM numbers({max(0, last - first + 1)}))"
        )

    def series(self, *sources: str) -> str:
        """FROM: a row per asset and source: `asset`, its place `k`, its usual price `base`, `source`."""
        assets = ", ".join(
            f"('{name}', {place}, {BASES[place % len(BASES)]})" for place, name in enumerate(self.market.names())
        )
        return (
            f"(SELECT entry.1 AS asset, entry.2 AS k, entry.3 AS base, arrayJoin({list(sources)}) AS source"
            f" FROM (SELECT arrayJoin([{assets}]) AS entry))"
        )


def _price(at_s: str, noise: str = "") -> str:
    """SQL for the price of a series at a time; with noise two prices at one time differ."""
    waves = (
        f"0.05 * sin({at_s} / 90000 + k) + 0.02 * sin({at_s} / (17000 + 900 * k)) + 0.006 * sin({at_s} / 2300 + 2 * k)"
        f" + 0.002 * sin({at_s} / 310 + 3 * k)"
    )
    jitter = f" + 0.0004 * randNormal(0, 1, {noise})" if noise else ""
    return f"base * exp({waves}{jitter})"


def _filed(at_ms: str) -> str:
    return f"fromUnixTimestamp64Milli({at_ms} + 10500), {LATEST} - {at_ms} * 1048576"


FILED = "filed_at, precedence"


def _time(ms: str) -> str:
    return f"fromUnixTimestamp64Milli({ms}, 'UTC')"


def _origin(span: _Span, ms: str) -> str:
    return f"if({ms} < {span.live_s * 1000}, 'backfill', 'live')"


def _quotes(span: _Span) -> str:
    price = _price("ms / 1000", "rand(ms)")
    return (
        "quotes (asset, name, source, symbol, ref, currency, price, received_at, at, repeated, feeds, origin, topic,"
        " partition, offset, item, precedence)"
        f" SELECT asset, asset, source, concat(asset, 'USDT'), '', 'USDT', {price}, {_time('ms + 300')},"
        f" {_time('ms')}, false, true, {_origin(span, 'ms')}, 'quotes.raw', k % 4, intDiv(ms, 100), k,"
        f" {LATEST} - ms * 1048576"
        f" FROM {span.moments(span.market.spacing_ms)} AS moment CROSS JOIN {span.series(*SOURCES)} AS series"
    )


def _bars(span: _Span, interval_s: int) -> str:
    open_, close = _price(f"(ms / 1000 - {interval_s})"), _price("ms / 1000")
    quotes = int(interval_s * 1000 / span.market.spacing_ms)
    return (
        f"bars (asset, source, interval_s, start, open, high, low, close, volume, quotes, origin, {FILED})"
        f" SELECT asset, source, {interval_s}, {_time(f'ms - {interval_s} * 1000')}, {open_} AS opened,"
        f" greatest(opened, closed) * 1.0005, least(opened, closed) * 0.9995, {close} AS closed, NULL, {quotes},"
        f" {_origin(span, 'ms')}, {_filed('ms')}"
        f" FROM {span.moments(interval_s * 1000)} AS moment CROSS JOIN {span.series('all', *SOURCES)} AS series"
    )


def _stats(span: _Span) -> str:
    return (
        "stats (asset, source, interval_s, at, window_s, points, min, max, mean, std, variation, volatility, origin,"
        f" {FILED}) SELECT asset, source, 60, {_time('ms')}, arrayJoin({list(WINDOWS_S)}) AS window, window / 60,"
        f" 0.98 * price, 1.02 * price, {_price('ms / 1000')} AS price, 0.01 * price, sin(ms / 1e7), 1 + sin(ms / 2e7),"
        f" {_origin(span, 'ms')}, {_filed('ms')}"
        f" FROM {span.moments(FORECAST_S * 1000)} AS moment CROSS JOIN {span.series('all', *SOURCES)} AS series"
    )


def _indicators(span: _Span) -> str:
    return (
        "indicators (asset, source, interval_s, at, rsi, macd, macd_signal, macd_histogram, bollinger_lower,"
        " bollinger_middle, bollinger_upper, stochastic_k, stochastic_d, atr, ewma_volatility, origin, filed_at,"
        f" precedence) SELECT asset, source, 60, {_time('ms')}, 50 + 30 * sin(ms / 1e6 + k), price * 0.001 * sin(ms /"
        " 9e5), price * 0.001 * sin(ms / 9e5 - 1), price * 0.0002 * sin(ms / 8e5), 0.99 * price,"
        f" {_price('ms / 1000')} AS price, 1.01 * price, 50 + 40 * sin(ms / 7e5), 50 + 35 * sin(ms / 7e5 - 0.3),"
        f" 0.001 * price, 0.8 + 0.2 * sin(ms / 1e7), {_origin(span, 'ms')}, {_filed('ms')}"
        f" FROM {span.moments(60_000)} AS moment CROSS JOIN {span.series('all', *SOURCES)} AS series"
    )


def _forecasts(span: _Span, ms: str) -> str:
    """FROM: a row per series, moment `ms`, horizon and model, with the price then and what was forecast and came."""
    models = "[" + ", ".join(f"'{name}'" for name in MODELS) + "]"
    later = _price("(made_ms + horizon * 1000) / 1000")
    # Each price is computed before the rows are multiplied.
    return (
        " (SELECT *, price + (came - price) * 0.2 * cos(horizon + cityHash64(model) % 7) + price * 0.004 * randNormal("
        "0, 1, rand(cityHash64(model))) AS said, price * 0.01 * sqrt(horizon / 3600) AS wide"
        f" FROM (SELECT *, arrayJoin({models}) AS model"
        f" FROM (SELECT *, {ms} AS made_ms, {_price('made_ms / 1000')} AS price, {later} AS came"
        f" FROM (SELECT *, arrayJoin({list(HORIZONS_S)}) AS horizon"
        f" FROM {span.moments(FORECAST_S * 1000)} AS moment CROSS JOIN {span.series('all', *SOURCES)} AS series))))"
    )


def _predictions(span: _Span) -> str:
    return (
        "predictions (asset, source, interval_s, made_at, horizon_s, target_at, model, version, price, forecast,"
        f" variation, confidence, reason, bounds, weight, points, origin, {FILED})"
        f" SELECT asset, source, 60, {_time('made_ms')}, horizon, {_time('made_ms + horizon * 1000')}, model, '1',"
        " price, said, (said / price - 1) * 100, 97 + 3 * sin(made_ms / 1e6), '',"
        " [(0.5, said - wide / 2, said + wide / 2), (0.8, said - wide, said + wide), (0.95, said - 2 * wide, said + 2 *"
        " wide)], if(startsWith(model, 'consensus'), NULL, 0.11 + 0.05 * sin(made_ms / 1e8 + cityHash64(model) % 9)),"
        f" 1440, {_origin(span, 'made_ms')}, {_filed('made_ms')} FROM {_forecasts(span, 'ms')}"
    )


def _signals(span: _Span) -> str:
    return (
        "signals (asset, source, interval_s, made_at, horizon_s, signal, price, variation, confidence, ma_trend,"
        f" reason, origin, {FILED})"
        f" SELECT asset, source, 60, {_time('ms')}, horizon, multiIf(v > 2, 'BUY', v < -2, 'SELL', 'HOLD'),"
        f" {_price('ms / 1000')}, 2.6 * sin(ms / 2e7 + k + horizon) AS v, 97, 'bullish',"
        f" multiIf(v > 2, 'variation_above_threshold', v < -2, 'variation_below_threshold',"
        f" 'variation_within_threshold'), {_origin(span, 'ms')}, {_filed('ms')} FROM (SELECT *,"
        f" arrayJoin({list(HORIZONS_S)}) AS horizon FROM {span.moments(FORECAST_S * 1000)} AS moment"
        f" CROSS JOIN {span.series('all', *SOURCES)} AS series)"
    )


def _scores(span: _Span) -> str:
    """Of the forecasts whose time came within the span."""
    return (
        "scores (asset, source, interval_s, target_at, actual, void, scored_at, made_at, horizon_s, model, version,"
        " origin, price, forecast, confidence, error, naive_error, relative_error, hit, covered, intervals, filed_at,"
        f" precedence) SELECT asset, source, 60, {_time('ms')}, came, '', {_time('ms')}, {_time('made_ms')}, horizon,"
        f" model, '1', {_origin(span, 'made_ms')}, price, said, 97 + 3 * sin(made_ms / 1e6), said - came,"
        " price - came, abs(said - came) / nullIf(abs(price - came), 0), (said > price) = (came > price),"
        " arrayMap(l -> (l.1, abs(said - came) <= wide * l.2), [(0.5, 0.5), (0.8, 1.), (0.95, 2.)]),"
        " arrayMap(l -> (l.1, 2 * wide * l.2, 2 * wide * l.2 + greatest(0, abs(said - came) - wide * l.2) * 2 / (1 -"
        f" l.1)), [(0.5, 0.5), (0.8, 1.), (0.95, 2.)]), {_filed('ms')} FROM {_forecasts(span, 'ms - horizon * 1000')}"
        f" WHERE made_ms >= {(span.live_s - BACK_TEST_DAYS * DAY_S) * 1000}"
    )


def _health(span: _Span) -> str:
    """A state a day and source, every seventh an outage; seen until the next began, the last one until now."""
    day = f"(SELECT toInt64(number * {DAY_S}) AS began FROM numbers({span.since_s // DAY_S},"
    days = f"{day} {span.until_s // DAY_S - span.since_s // DAY_S + 1}))"
    return (
        "source_health (source, asset, since, state, until, reason, last_seen)"
        f" SELECT arrayJoin({list(SOURCES)}) AS source, '', {_time('began * 1000')}, if((began / {DAY_S} + length("
        "source)) % 7 = 0, 'rate_limited', 'available'), NULL, '',"
        f" {_time(f'least(began + {DAY_S}, {span.until_s}) * 1000')} FROM {days}"
    )


def _letters(span: _Span) -> str:
    return (
        f"dead_letters (letter, topic, partition, offset, item, source, reason, detail, at, encoding, payload, {FILED})"
        f" SELECT concat('quotes.raw-0-', toString(ms)), 'quotes.raw', 0, intDiv(ms, 1000), 0, 'coingecko',"
        " ['price_not_positive', 'duplicate', 'unknown_symbol'][1 + intDiv(ms, 1000) % 3], 'price: -1',"
        f" {_time('ms')}, 'utf-8', repeat('{{}}', 100), {_filed('ms')} FROM {span.moments(300_000)}"
    )


def _metrics(span: _Span) -> str:
    return (
        f"metrics (at, part, name, labels, value) SELECT {_time('ms')}, kind.1, kind.2, kind.3,"
        f" kind.4 * (1 + 0.3 * sin(ms / 1e6)) FROM (SELECT ms, arrayJoin({listed(SOURCES)}) AS kind"
        f" FROM {span.moments(SAMPLE_S * 1000)})"
    )
