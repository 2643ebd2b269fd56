"""What was learned as plain data and back: rows, models and horizons are found again by name, new ones start anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from processors.intervals import LIMIT
from processors.learning import Learning


def dump_learning(learning: Learning, assets: Sequence[str]) -> dict[str, Any]:
    """Everything but the forecasts under way, which the topic of predictions holds. JSON keeps the bits of a float."""
    return {
        "begun": learning.begun,
        "assets": assets,
        "models": learning.names,
        "horizons_s": learning.rules.horizons_s,
        "log_quantile": learning.intervals.log_quantile,
        "interval_scores": learning.intervals.scores,
        "loss": learning.shares.loss,
        "share_scores": learning.shares.scores,
        "online": {model.name: [model.version, model.dump()] for model in learning.online},
    }


def restore_learning(learning: Learning, kept: Mapping[str, Any], assets: Sequence[str]) -> None:
    """Take over what `dump_learning` wrote; raises `ValueError`, `KeyError` or `TypeError` if it is something else.

    Intervals come back no wider and no narrower than they may become, whatever the record says.
    """
    learning.begun = kept["begun"]
    models = _both(learning.names, kept["models"])
    horizons = _both(learning.rules.horizons_s, kept["horizons_s"])
    rows = _both(assets, kept["assets"])
    members = {mine: theirs for mine, theirs in models.items() if mine < len(learning.shares.loss)}
    for mine, name, known in (
        (learning.intervals.scores, "interval_scores", models), (learning.shares.loss, "loss", members),
        (learning.shares.scores, "share_scores", members),
    ):  # fmt: skip
        _take_over(mine, np.array(kept[name]), known, horizons, rows)
    log_quantile = np.clip(np.array(kept["log_quantile"]), -LIMIT, LIMIT)
    for mine, theirs in zip(learning.intervals.log_quantile, log_quantile, strict=True):
        _take_over(mine, theirs, models, horizons, rows)
    for model in learning.online:
        version, state = kept["online"].get(model.name, (None, None))
        if version == model.version:
            model.restore(state, {theirs: mine for mine, theirs in rows.items()},
                          {theirs: mine for mine, theirs in horizons.items()})  # fmt: skip


def _take_over(
    mine: np.ndarray, theirs: np.ndarray, models: dict[int, int], horizons: dict[int, int], rows: dict[int, int]
) -> None:
    if models and horizons and rows:
        ours = np.ix_(list(models), list(horizons), list(rows))
        mine[ours] = theirs[np.ix_(list(models.values()), list(horizons.values()), list(rows.values()))]


def _both(mine: Sequence[Any], theirs: Sequence[Any]) -> dict[int, int]:
    """The place of each thing both know, in mine and in theirs."""
    return {i: list(theirs).index(name) for i, name in enumerate(mine) if name in theirs}
