"""Every stored score, and what was learned from them, against a recomputation from the stored forecasts and bars."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clickhouse_connect.driver.client import Client
from independent_scores import NO_MEMBERS, Bars, Filed, Learner, Scored, scored, usual_moves

FORECAST_MS = 300_000
HOUR_MS = 3_600_000
Key = tuple[int, int, str]
"""(made_at in ms, horizon in ms, model)"""
FILED = """
SELECT toUnixTimestamp64Milli(made_at), horizon_s * 1000, model, price, forecast, arrayMap(b -> (b.2, b.3), bounds),
       weight, confidence
FROM predictions WHERE asset = {asset:String} AND source = {source:String} AND forecast IS NOT NULL
"""
SCORED = """
SELECT toUnixTimestamp64Milli(made_at), horizon_s * 1000, model, price, forecast, confidence,
       toUnixTimestamp64Milli(target_at), actual, void, error, naive_error, relative_error, hit,
       covered.inside, intervals.width, intervals.winkler, covered.level, intervals.level
FROM scores WHERE asset = {asset:String} AND source = {source:String}
"""
BARS = """
SELECT asset, source, toUnixTimestamp64Milli(start), close, quotes FROM bars WHERE interval_s = {interval_s:UInt32}
"""


@dataclass(frozen=True)
class Forecast:
    """A stored forecast, with what goes beside it."""

    filed: Filed
    weight: float | None
    confidence: float


def bars_of(client: Client, interval_ms: int) -> dict[tuple[str, str], dict[int, tuple[float, int]]]:
    """(close, quotes) by bar end in ms, per series."""
    found: dict[tuple[str, str], dict[int, tuple[float, int]]] = defaultdict(dict)
    for asset, source, start, close, quotes in _rows(client, BARS, interval_s=interval_ms // 1000):
        found[asset, source][start + interval_ms] = close, quotes
    return found


def filed_of(client: Client, asset: str, source: str) -> dict[Key, Forecast]:
    """The stored forecasts of a series."""
    return {
        (made_at, horizon, model): Forecast(Filed(made_at, horizon, model, price, forecast, bounds), weight, confidence)
        for made_at, horizon, model, price, forecast, bounds, weight, confidence in _rows(
            client, FILED, asset=asset, source=source
        )
    }


def check_scores(client: Client, interval_ms: int) -> int:
    """Every forecast whose time has come has one row, every row is what it should be; returns how many there are."""
    bars, checked = bars_of(client, interval_ms), 0
    closed = {source: max(end for (_, name), ends in bars.items() if name == source for end in ends)
              for _, source in bars}  # fmt: skip
    for asset, source in bars:
        due = {key: one for key, one in filed_of(client, asset, source).items()
               if one.filed.target_at <= closed[source]}  # fmt: skip
        for row in _rows(client, SCORED, asset=asset, source=source):
            one = due.pop((row[0], row[1], row[2]))
            check_score(row, one, scored(one.filed, bars[asset, source], interval_ms))
            checked += 1
        assert due == {}, (asset, source)
    return checked


def check_score(row: Sequence[Any], one: Forecast, wanted: Scored) -> None:
    """One row of `scores` against what it should be: the same arithmetic on the same numbers gives the same bits."""
    filed = one.filed
    assert row[3:7] == (filed.price, filed.forecast, one.confidence, filed.target_at), row
    assert row[7:9] == (wanted.actual, wanted.void), row
    assert row[9:11] == (wanted.error, wanted.naive_error), row
    assert _near(row[11], wanted.relative_error), row
    assert row[12] == wanted.hit, row
    inside, widths, winklers, *levels = row[13:]
    assert [bool(said) for said in inside] == [said for said, _, _ in wanted.intervals], row
    assert all(map(_near, widths, [width for _, width, _ in wanted.intervals])), row
    assert all(map(_near, winklers, [winkler for _, _, winkler in wanted.intervals])), row
    assert len(widths) == len(winklers) == len(wanted.intervals), row
    assert levels == [[0.5, 0.8, 0.95][: len(wanted.intervals)]] * 2, row


def check_learned(client: Client, interval_ms: int, series: Sequence[tuple[str, str]]) -> tuple[int, int]:
    """Bounds, shares and the adaptive consensus of all forecasts of these series; returns how many have what."""
    bars, bounded, shared = bars_of(client, interval_ms), 0, 0
    for asset, source in series:
        by_horizon: dict[int, dict[int, dict[str, Forecast]]] = defaultdict(lambda: defaultdict(dict))
        for (made_at, horizon, model), one in filed_of(client, asset, source).items():
            by_horizon[horizon][made_at][model] = one
        for horizon, moments in by_horizon.items():
            for wanted, said in _learned(horizon, moments, bars[asset, source], interval_ms):
                bounded += check_bounds(wanted, said)
                shared += check_shares(wanted, said)
    return bounded, shared


@dataclass(frozen=True)
class Known:
    """What a series had learned when a moment's forecasts were made, and the scale of these."""

    learner: Learner
    scale: float | None


def _learned(
    horizon: int, moments: Mapping[int, Mapping[str, Forecast]], bars: Bars, interval_ms: int
) -> Iterator[tuple[Known, Mapping[str, Forecast]]]:
    """The moments of one horizon in order, each with what was known by then: scores come before forecasts."""
    learner = Learner(horizon, FORECAST_MS)
    moves = usual_moves(bars, sorted(moments), interval_ms)
    for at in sorted({*moments, *(made_at + horizon for made_at in moments)}):
        for model, one in moments.get(at - horizon, {}).items():
            move, score = moves[at - horizon], scored(one.filed, bars, interval_ms)
            if move is not None and score.error is not None:
                learner.learn(model, score.error, learner.scale(one.filed.price, move))
        if at in moments:
            move, price = moves[at], next(iter(moments[at].values())).filed.price
            yield Known(learner, None if move is None else learner.scale(price, move)), moments[at]


def check_bounds(known: Known, said: Mapping[str, Forecast]) -> int:
    """The bounds of one moment; returns how many forecasts have some."""
    bounded = 0
    for model, one in said.items():
        filed = one.filed
        wanted = [] if known.scale is None else known.learner.bounds(model, filed.forecast, known.scale)
        assert len(filed.bounds) == len(wanted), (filed, wanted)
        for pair, both in zip(filed.bounds, wanted, strict=True):
            assert all(map(_near, pair, both, [abs(filed.forecast)] * 2)), (filed, wanted)
        bounded += bool(wanted)
    return bounded


def check_shares(known: Known, said: Mapping[str, Forecast]) -> int:
    """The shares of one moment, and the consensus they make; returns how many there are."""
    wanted = known.learner.shares([model for model in said if model not in NO_MEMBERS])
    for model, one in said.items():
        assert _near(one.weight, wanted.get(model)), (one, wanted)
    consensus = said["consensus_adaptive"]
    assert _near(consensus.filed.forecast, sum(share * said[model].filed.forecast for model, share in wanted.items()))
    assert _near(consensus.confidence, sum(share * said[model].confidence for model, share in wanted.items()))
    return len(wanted)


def _near(actual: float | None, wanted: float | None, size: float = 0.0) -> bool:
    """Equal to 1e-9 of itself, or of `size`; both may be missing."""
    if actual is None or wanted is None:
        return actual is wanted
    return abs(actual - wanted) <= 1e-9 * max(abs(wanted), size)


def _rows(client: Client, query: str, **parameters: Any) -> Sequence[tuple[Any, ...]]:
    found: Sequence[tuple[Any, ...]] = client.query(query, parameters=parameters).result_rows
    return found
