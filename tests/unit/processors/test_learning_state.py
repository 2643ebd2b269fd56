"""What was learned, written down and read back, also where assets, models or horizons have come or gone between."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pytest

from processors.intervals import LIMIT
from processors.learning import Learning
from processors.learning_state import dump_learning, restore_learning
from processors.models import MODELS
from processors.models.base import Model
from processors.models.online import OnlineRegression
from processors.rules import Rules

RULES = Rules(interval_s=300, horizons_s=(3600, 14_400))
ASSETS = ("BTC", "ETH", "SOL")
LOOK_BACK = 49


def _learning(
    assets: tuple[str, ...] = ASSETS, rules: Rules = RULES, models: tuple[Model, ...] = MODELS, online: bool = True
) -> Learning:
    regressions = (OnlineRegression(rules.interval_s, rules.hours),) if online else ()
    return Learning(rules, models, regressions, len(assets))


def _taught() -> Learning:
    """Numbers that are different in every place, and a regression that knows something."""
    learning, rng = _learning(), np.random.default_rng(1)
    learning.begun = True
    for array in (learning.intervals.log_quantile, learning.intervals.scores, learning.shares.loss,
                  learning.shares.scores):  # fmt: skip
        array[:] = rng.random(array.shape)
    closes = 100 + rng.random((3, LOOK_BACK))
    for horizon in range(2):
        features = learning.online[0].features(closes, np.ones(3))
        learning.online[0].learn([0, 1, 2], horizon, features, rng.random(3))
    return learning


def _written(learning: Learning, assets: tuple[str, ...] = ASSETS) -> Any:
    data = orjson.dumps(dump_learning(learning, assets), option=orjson.OPT_SERIALIZE_NUMPY)
    return orjson.loads(data)


def _places(learning: Learning, assets: tuple[str, ...]) -> dict[Any, tuple[Any, ...]]:
    """Everything known by model, horizon and asset."""
    found = {}
    for m, model in enumerate(learning.names):
        for h, horizon_s in enumerate(learning.rules.horizons_s):
            for row, asset in enumerate(assets):
                at = (m, h, row)
                member = m < len(learning.shares.loss)
                shares = (learning.shares.loss[at], learning.shares.scores[at]) if member else ()
                quantiles = tuple(learning.intervals.log_quantile[(slice(None), *at)].tolist())
                found[model, horizon_s, asset] = (quantiles, learning.intervals.scores[at].item(), *map(float, shares))
    return found


def _regressions(learning: Learning, assets: tuple[str, ...]) -> dict[Any, Any]:
    horizons_s = learning.rules.horizons_s
    return {(assets[row], horizons_s[h]): rest for model in learning.online for row, h, *rest in model.dump()}


def _check(assets: tuple[str, ...], rules: Rules, models: tuple[Model, ...]) -> Learning:
    """What both know is as it was, what is new is as at the beginning."""
    learning, before = _learning(assets, rules, models), _taught()
    fresh, old = _places(learning, assets), _places(before, ASSETS)
    restore_learning(learning, _written(before), assets)
    assert _places(learning, assets) == {key: old.get(key, new) for key, new in fresh.items()}
    known = _regressions(before, ASSETS)
    both = {key: value for key, value in known.items() if key[0] in assets and key[1] in rules.horizons_s}
    assert _regressions(learning, assets) == both
    assert learning.begun
    return learning


@pytest.mark.parametrize("assets", [
    ASSETS, ("SOL", "BTC", "ETH"), ("SOL",), ("AVAX", "ETH", "BTC", "XRP", "SOL"), ("XRP", "DOGE"), (),
])  # fmt: skip
@pytest.mark.parametrize("horizons_s", [(3600, 14_400), (14_400,), (1800, 3600, 14_400, 86_400), (7200,)])
def test_assets_and_horizons_are_found_again_by_name(assets: tuple[str, ...], horizons_s: tuple[int, ...]) -> None:
    _check(assets, replace(RULES, horizons_s=horizons_s), MODELS)


def test_models_are_found_again_by_name_and_others_begin_as_beginners() -> None:
    stranger = replace(MODELS[0], name="stranger")
    for models in (MODELS[::-1], MODELS[3:], (stranger, *MODELS), (*MODELS[:2], stranger), (stranger,)):
        _check(ASSETS, RULES, models)


def test_what_is_written_twice_is_the_same() -> None:
    learning = _check(ASSETS, RULES, MODELS)
    assert _written(learning) == _written(_taught())


def test_an_online_model_of_another_version_begins_anew() -> None:
    kept, learning = _written(_taught()), _learning()
    kept["online"]["online"][0] = "0"
    restore_learning(learning, kept, ASSETS)
    assert learning.online[0].dump() == []


def test_an_online_model_may_go_and_come() -> None:
    without, learning = _learning(online=False), _learning()
    restore_learning(without, _written(_taught()), ASSETS)
    assert without.begun
    restore_learning(learning, _written(without), ASSETS)
    assert learning.online[0].dump() == []
    assert np.array_equal(learning.intervals.scores[:8], _taught().intervals.scores[:8])


@pytest.mark.parametrize("kept", [{}, {"begun": True}, [], None, 7])
def test_what_is_no_such_state_is_refused(kept: Any) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        restore_learning(_learning(), kept, ASSETS)


def test_state_with_arrays_of_another_shape_is_refused() -> None:
    kept = _written(_taught())
    kept["log_quantile"] = kept["log_quantile"][:2]
    with pytest.raises(ValueError, match="shorter"):
        restore_learning(_learning(), kept, ASSETS)


def test_intervals_of_a_strange_record_come_back_within_their_limits() -> None:
    kept, learning = _written(_taught()), _learning()
    kept["log_quantile"][0][0][0] = [1e300, -1e300, 0.5]
    restore_learning(learning, kept, ASSETS)
    assert learning.intervals.log_quantile[0, 0, 0] == pytest.approx([LIMIT, -LIMIT, 0.5])
