"""Messages of scores: what has come due for many series at once, as dicts to encode."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from cryptoviz.messages import Origin, Score, ScoredInterval, Scores, Void, result_id
from processors.learning import Filed
from processors.models.base import Floats
from processors.results import by_level, by_row, counts_of, shared_out
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


class Header(NamedTuple):
    """What a score begins with: its forecast's id, version and origin."""

    made_at: int
    horizon_s: int
    model: str
    version: str
    origin: Origin


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
    # By horizon, then by model: the other way round than predictions.
    numbers_of = by_row(none_for_nan(np.stack(figures, axis=-1).swapaxes(0, 1)))
    sides = [by_level(side.swapaxes(1, 2)) for side in (judged.inside, judged.width, judged.winkler)]
    intervals_of = map(intervals, *sides, counts_of(judged.winkler.swapaxes(1, 2)))
    judgements = zip(numbers_of, intervals_of, strict=True)
    for target, filed in targets:
        headers = _headers(due.horizons, filed, names, rules)
        for row, (numbers, held) in enumerate(itertools.islice(judgements, len(target.assets))):
            known = [entry for entry in zip(headers, numbers, held, strict=True) if entry[1][1] is not None]
            if known:
                yield _message(target, row, list(itertools.starmap(score, known)), rules)


def _headers(
    horizons: Sequence[int], filed: Sequence[Filed], names: Sequence[str], rules: Rules
) -> list[Header]:  # fmt: skip
    return [
        Header(one.made_at, rules.horizons_s[horizon], name, one.versions[m], one.origin)
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


def score(header: Header, numbers: Sequence[float | None], intervals: list[ScoredInterval]) -> Score:
    """One score; `numbers` are price, forecast, confidence, error, naive error, relative error and hit.

    None is what there is not, as everywhere in a void one.
    """
    made_at, horizon_s, model, version, origin = header
    price, forecast, confidence, error, naive_error, relative_error, hit = numbers
    entry: Any = {
        "made_at": made_at,
        "horizon_s": horizon_s,
        "model": model,
        "version": version,
        "origin": origin,
        "price": price,
        "forecast": forecast,
        "confidence": confidence,
        "error": error,
        "naive_error": naive_error,
        "relative_error": relative_error,
        "hit": None if hit is None else hit == 1.0,
        "intervals": intervals,
    }
    return entry  # type: ignore[no-any-return]


def intervals(
    inside: Sequence[bool], width: Sequence[float], winkler: Sequence[float], counts: Iterable[int]
) -> list[list[ScoredInterval]]:  # fmt: skip
    """How intervals did, [forecasts x levels], as a list for each forecast; `counts` is how many it had."""
    entries: list[ScoredInterval] = [
        {"level": level, "inside": held, "width": wide, "winkler": penalised}
        for level, held, wide, penalised in zip(itertools.cycle(LEVELS), inside, width, winkler, strict=False)
        if not math.isnan(penalised)
    ]
    return shared_out(entries, counts)


def none_for_nan(array: Floats) -> Any:
    """The same numbers, of Python, with None for NaN: found all at once, not one by one."""
    numbers = array.astype(object)
    numbers[np.isnan(array)] = None
    return numbers


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
