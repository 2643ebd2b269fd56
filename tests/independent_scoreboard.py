"""The scoreboard once more, written from its definitions with plain numpy, as the judge of what the views answer."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from scored_forecasts import INTERVAL_S, Judged

Z_95 = 1.959963984540054
LEVELS = {50: 0.5, 80: 0.8, 95: 0.95}
Row = dict[str, Any]


def kind_of(one: Judged) -> str:
    """Filed in advance, made over history, or made when it was too late."""
    if one.origin != "live":
        return "back_test"
    return "catch_up" if one.late else "filed"


def grouped(forecasts: Iterable[Judged], *more: str) -> dict[tuple[Any, ...], list[Judged]]:
    """Forecasts by (kind, asset, source, interval_s, horizon_s) and these fields."""
    groups: dict[tuple[Any, ...], list[Judged]] = defaultdict(list)
    for one in forecasts:
        key = (kind_of(one), one.asset, one.source, INTERVAL_S, one.horizon_s, *(getattr(one, name) for name in more))
        groups[key].append(one)
    return groups


def scoreboard(forecasts: Iterable[Judged]) -> dict[tuple[Any, ...], Row]:
    """The figures by (kind, asset, source, interval_s, horizon_s, model)."""
    return {key: _figures(group) for key, group in grouped(forecasts, "model").items()}


def _figures(group: Sequence[Judged]) -> Row:
    good = [one for one in group if not one.void]
    row: Row = {
        "counts_from": min(one.made_at for one in group), "counts_until": max(one.target_at for one in group),
        "n": len(good), "n_void": len(group) - len(good), "n_independent": sum(map(independent, good)),
    }  # fmt: skip
    return row | _errors(good) | _directions(good, row["n_independent"]) | _intervals(good)


def independent(one: Judged) -> bool:
    """Whether it was made a whole number of horizons after the epoch: such forecasts do not overlap."""
    return one.made_at % (one.horizon_s * 1000) == 0


def _errors(good: Sequence[Judged]) -> Row:
    names = ("mae", "rmse", "bias", "mae_percent", "rmae")
    if not good:
        return dict.fromkeys(names)
    table = np.array([(one.price, one.forecast, one.actual) for one in good])
    price, forecast, actual = table.T
    error, naive = np.abs(forecast - actual), np.abs(price - actual)
    figures = (
        error.mean(),
        math.sqrt((error**2).mean()),
        forecast.mean() - actual.mean(),
        100 * (error / price).mean(),
        error.mean() / naive.mean() if naive.any() else None,
    )
    return dict(zip(names, figures, strict=True))


def _with_direction(group: Sequence[Judged]) -> list[Judged]:
    return [one for one in group if not one.void and one.price not in (one.forecast, one.actual)]


def _ups(group: Sequence[Judged]) -> tuple[Any, Any]:
    table = np.array([(one.price, one.forecast, one.actual) for one in group])
    return table[:, 1] > table[:, 0], table[:, 2] > table[:, 0]


def _directions(good: Sequence[Judged], n_independent: int) -> Row:
    judged = _with_direction(good)
    row: Row = dict.fromkeys(("hit_rate", "hit_low", "hit_high", "pt_statistic", "pt_p"))
    if judged:
        said_up, went_up = _ups(judged)
        row["hit_rate"] = float((said_up == went_up).mean())
        trials = len(judged) * n_independent / len(good)
        row["hit_low"], row["hit_high"] = wilson(row["hit_rate"], trials)
        row["pt_statistic"], row["pt_p"] = pesaran_timmermann(said_up, went_up, trials)
    return {"n_direction": len(judged)} | row


def wilson(share: float, trials: float) -> tuple[float | None, float | None]:
    """The shares p from which `share` lies z standard errors away, sqrt(p (1 - p) / trials), solved for p."""
    if not trials:
        return None, None
    shrink = Z_95**2 / trials
    low, high = sorted(np.roots([1 + shrink, -(2 * share + shrink), share**2]).real)
    return float(low), float(high)


def pesaran_timmermann(said_up: Any, went_up: Any, trials: float) -> tuple[float | None, float | None]:
    """Statistic and one-sided p value as in the paper, with both of its variances."""
    x, y, p = said_up.mean(), went_up.mean(), (said_up == went_up).mean()
    if not trials or x in (0, 1) or y in (0, 1):
        return None, None
    by_chance = y * x + (1 - y) * (1 - x)
    of_hits = by_chance * (1 - by_chance) / trials
    of_chance = ((2 * y - 1) ** 2 * x * (1 - x) + (2 * x - 1) ** 2 * y * (1 - y)) / trials
    of_chance += 4 * y * x * (1 - y) * (1 - x) / trials**2
    if of_hits - of_chance <= 1e-12:
        return None, None
    statistic = (p - by_chance) / math.sqrt(of_hits - of_chance)
    return float(statistic), math.erfc(statistic / math.sqrt(2)) / 2


def _intervals(good: Sequence[Judged]) -> Row:
    row: Row = {"n_intervals": sum(bool(one.bounds) for one in good)}
    for percent, level in LEVELS.items():
        names = (f"coverage_{percent}", f"width_{percent}_percent", f"winkler_{percent}_percent")
        stated = [(one.price, one.actual, lower, upper) for one in good for a, lower, upper in one.bounds if a == level]
        row |= dict(zip(names, _one_level(level, np.array(stated)) if stated else [None] * 3, strict=True))
    return row


def _one_level(level: float, stated: Any) -> tuple[float, float, float]:
    price, actual, lower, upper = stated.T
    width = upper - lower
    missed_by = np.where(actual < lower, lower - actual, np.where(actual > upper, actual - upper, 0))
    winkler = width + 2 / (1 - level) * missed_by
    return (missed_by == 0).mean(), (100 * width / price).mean(), (100 * winkler / price).mean()


def calibration(forecasts: Iterable[Judged]) -> dict[tuple[Any, ...], Row]:
    """Stated confidence against hits by (kind, asset, source, interval_s, horizon_s, model, confidence_from)."""
    rows: dict[tuple[Any, ...], Row] = {}
    for key, group in grouped(forecasts, "model").items():
        for low in range(0, 100, 10):
            highest = 100 if low == 90 else low + 9.999999
            inside = [one for one in _with_direction(group) if one.confidence and low <= one.confidence <= highest]
            if inside:
                rows[(*key, low)] = {"confidence_to": low + 10} | _calibrated(inside)
    return rows


def _calibrated(inside: Sequence[Judged]) -> Row:
    said_up, went_up = _ups(inside)
    share, trials = float((said_up == went_up).mean()), sum(map(independent, inside))
    low, high = wilson(share, trials)
    return {
        "n": len(inside), "n_independent": trials, "mean_confidence": np.mean([one.confidence for one in inside]),
        "hit_rate": share, "hit_low": low, "hit_high": high,
    }  # fmt: skip


def paper_results(forecasts: Iterable[Judged], fee_percent: float) -> dict[tuple[Any, ...], Row]:
    """What the signals would have come to by (kind, asset, source, interval_s, horizon_s)."""
    followed = [one for one in forecasts if one.model == "consensus" and one.signal and not one.void]
    return {key: _paper(group, fee_percent) for key, group in grouped(followed).items()}


def _paper(group: Sequence[Judged], fee_percent: float) -> Row:
    trades = [one for one in group if one.signal != "HOLD"]
    earned, rises = [], []
    for one in trades:
        units = 1 / one.price  # what one unit of money buys
        assert one.actual is not None
        gain = units * (one.actual - one.price) if one.signal == "BUY" else units * (one.price - one.actual)
        fees = fee_percent / 100 * (units * one.price + units * one.actual)
        earned.append(100 * (gain - fees))
        rises.append(100 * (one.actual / one.price - 1))
    some = bool(trades)
    return {
        "n_signals": len(trades), "n_buy": sum(one.signal == "BUY" for one in trades),
        "n_sell": sum(one.signal == "SELL" for one in trades), "n_hold": len(group) - len(trades),
        "n_independent": sum(map(independent, trades)),
        "mean_return_percent": float(np.mean(earned)) if some else None,
        "total_return_percent": float(np.sum(earned)) if some else None,
        "win_rate": float(np.mean(np.array(earned) > 0)) if some else None,
        "best_percent": max(earned, default=None), "worst_percent": min(earned, default=None),
        "fee_percent": fee_percent, "buy_and_hold_percent": float(np.mean(rises)) if some else None,
    }  # fmt: skip
