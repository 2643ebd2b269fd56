"""Messages of scores: what has come due for many series at once, as dicts to encode."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cryptoviz.messages import Score, Scores, Void, result_id
from processors.learning import Filed
from processors.models.base import Floats
from processors.results import by_row
from processors.rules import Rules
from processors.scoring import LEVELS, Judged


@dataclass(frozen=True)
class Target:
    """A time that forecasts were made for, and what the series of a source came to at it."""

    assets: Sequence[str]
    source: str
    at: int
    scored_at: int
    """How far the series' clock was, in ms."""
    closes: Floats
    """[assets] the close of the bar that ends at the target, NaN without one."""
    void: Sequence[Void]
    """Per asset, why nothing can be judged, or ''."""

    @property
    def actual(self) -> Floats:
        """[assets] what forecasts are judged by, NaN where they are void."""
        return np.where([bool(reason) for reason in self.void], np.nan, self.closes)


@dataclass(frozen=True)
class Due:
    """Forecasts whose time has come for all series of some targets, one after the other, with their judgement."""

    horizons: list[int]
    forecast: Floats
    """[models, horizons, series], as `confidence`."""
    confidence: Floats
    price: Floats
    """[horizons, series], as `move`."""
    move: Floats
    judged: Judged


def scores_messages(
    targets: Sequence[tuple[Target, Sequence[Filed]]], due: Due, names: Sequence[str], rules: Rules
) -> Iterator[Scores]:
    """One message per asset that has a forecast due; with each target comes what was filed for it, by horizon.

    `names` are those of the models, in the order of `due`.
    """
    judged = due.judged
    price, naive = (np.broadcast_to(array, due.forecast.shape) for array in (due.price, judged.naive_error))
    figures = [price, due.forecast, due.confidence, judged.error, naive, judged.relative_error, judged.hit]
    intervals = np.stack([judged.inside, judged.width, judged.winkler], axis=-1)  # [levels, models, horizons, rows, 3]
    # By horizon, then by model: the other way round than predictions.
    numbers_of = by_row(np.stack(figures, axis=-1).swapaxes(0, 1))
    ranges_of = by_row(np.moveaxis(intervals, 0, -2).swapaxes(0, 1))
    judgements = zip(numbers_of, ranges_of, strict=True)
    for target, filed in targets:
        headers = _headers(due.horizons, filed, names, rules)
        for row, (numbers, ranges) in enumerate(itertools.islice(judgements, len(target.assets))):
            known = [entry for entry in zip(headers, numbers, ranges, strict=True) if not math.isnan(entry[1][1])]
            if known:
                yield _message(target, row, [score(*entry) for entry in known], rules)


def _headers(
    horizons: Sequence[int], filed: Sequence[Filed], names: Sequence[str], rules: Rules
) -> list[dict[str, Any]]:  # fmt: skip
    return [
        {
            "made_at": one.made_at,
            "horizon_s": rules.horizons_s[horizon],
            "model": name,
            "version": one.versions[m],
            "origin": one.origin,
        }
        for horizon, one in zip(horizons, filed, strict=True)
        for m, name in enumerate(names)
    ]


def _message(target: Target, row: int, scores: list[Score], rules: Rules) -> Scores:
    asset = target.assets[row]
    return {
        "id": result_id(asset, target.source, rules.interval_s, target.at),
        "asset": asset,
        "source": target.source,
        "interval_s": rules.interval_s,
        "target_at": target.at,
        "scored_at": target.scored_at,
        "actual": _known(float(target.closes[row])),
        "void": target.void[row],
        "scores": scores,
    }


def score(header: Mapping[str, Any], numbers: Sequence[float], ranges: Sequence[Sequence[float]]) -> Score:
    """One score: `header` is the forecast's id, version and origin.

    `numbers` are price, forecast, confidence, error, naive error, relative error and hit; `ranges` are, per level,
    inside, width and Winkler score. NaN is what there is not, as everywhere in a void one.
    """
    price, forecast, confidence, error, naive_error, relative_error, hit = numbers
    entry: Any = {
        **header,
        "price": price,
        "forecast": forecast,
        "confidence": _known(confidence),
        "error": _known(error),
        "naive_error": _known(naive_error),
        "relative_error": _known(relative_error),
        "hit": None if math.isnan(hit) else hit == 1.0,
        "intervals": [
            {"level": level, "inside": inside == 1.0, "width": width, "winkler": winkler}
            for level, (inside, width, winkler) in zip(LEVELS, ranges, strict=True)
            if not math.isnan(winkler)
        ],
    }
    return entry  # type: ignore[no-any-return]


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
