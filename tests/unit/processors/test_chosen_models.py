"""Which models run is a setting, and may be another one when a worker starts again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from independent import MODELS as DEFINED
from restoring import restored
from unit.processors.streams import MINUTE, T0, message, quote

from cryptoviz.errors import UserError
from cryptoviz.settings import load_settings
from processors.engine import Engine
from processors.models import MODELS, ONLINE_MODELS, chosen
from processors.rules import Rules

ASSETS = ("BTC", "ETH")
ALL_OF_THEM = replace(Rules(), horizons_s=(3600,))
BOTH = ("consensus", "consensus_adaptive")
OTHERS = ("naive", "drift", "ewma", "holt", "online")
CUT, MINUTES = 330, 480


def _rules(*names: str) -> Rules:
    models, online = chosen(names)
    return replace(ALL_OF_THEM, models=models, online=online)


FOUR = _rules(*DEFINED)


def _stream() -> list[Any]:
    walk = np.cumsum(np.random.default_rng(3).normal(0, 0.001, (MINUTES, 2)), axis=0)
    return [
        message([quote(asset, T0 + n * MINUTE, 100 * float(np.exp(move)))
                 for asset, move in zip(ASSETS, moves, strict=True)], offset=n)
        for n, moves in enumerate(walk)
    ]  # fmt: skip


STREAM = _stream()


def _run(engine: Engine, messages: Iterable[Any]) -> list[Any]:
    return [out for entry in messages for out in engine.apply(entry, entry["offset"])]


def _said(out: Iterable[Any], topic: str, part: str) -> dict[Any, Any]:
    """By asset, source, time, model and horizon."""
    return {
        (e["asset"], e["source"], e.get("made_at", e.get("target_at")), one["model"], one["horizon_s"]): one
        for name, _, e in out if name == topic for one in e[part]
    }  # fmt: skip


def _names(out: Iterable[Any], topic: str, part: str) -> set[str]:
    return {model for *_, model, _ in _said(out, topic, part)}


def test_without_a_setting_all_run_and_the_members_of_the_consensus_always() -> None:
    assert chosen(()) == (MODELS, ONLINE_MODELS)
    models, online = chosen(("online", "holt"))
    assert [model.name for model in models] == [*DEFINED, "holt"]
    assert online == ONLINE_MODELS
    assert [model.name for model in chosen(("trend",))[0]] == [*DEFINED]
    assert chosen(("trend",))[1] == ()


def test_the_setting_leads_to_the_rules() -> None:
    rules = Rules.of(load_settings(models="naive, online"))
    assert [model.name for model in rules.models] == [*DEFINED, "naive"]
    assert rules.online == ONLINE_MODELS
    assert Rules.of(load_settings()).models == MODELS


def test_an_unknown_name_is_told_with_those_there_are() -> None:
    with pytest.raises(UserError, match=r"^CRYPTOVIZ_MODELS: unknown model oracle; known are ma_short, .*, online$"):
        Rules.of(load_settings(models="naive,oracle"))


def test_fewer_models_say_what_they_say_among_all() -> None:
    every, few = _run(Engine(ASSETS, ALL_OF_THEM), STREAM), _run(Engine(ASSETS, FOUR), STREAM)
    assert _names(few, "predictions", "forecasts") == {*DEFINED, *BOTH}
    among, alone = (_said(out, "predictions", "forecasts") for out in (every, few))
    assert all(among[key] | {"weight": 0} == said | {"weight": 0}  # of one: shares are those of who takes part
               for key, said in alone.items() if key[3] != "consensus_adaptive")  # fmt: skip
    assert [made for made in every if made[0] == "signals"] == [made for made in few if made[0] == "signals"]


@pytest.mark.parametrize(("before", "after"), [(ALL_OF_THEM, FOUR), (FOUR, ALL_OF_THEM), (_rules("holt"), FOUR)])
def test_another_setting_at_a_start_goes_on_with_what_was_learned(before: Rules, after: Rules) -> None:
    first = Engine(ASSETS, before)
    published = _run(first, STREAM[:CUT])
    found = restored(first, published, ASSETS, after)
    _check_learned(first, found)
    rest = _run(found, STREAM[CUT:])
    running = {*(model.name for model in after.models), *(model.name for model in after.online), *BOTH}
    assert _names(rest, "predictions", "forecasts") == _names(rest, "scores", "scores") == running


def _check_learned(first: Engine, found: Engine) -> None:
    """Interval widths and shares of a name are those of that name; who is new is a beginner."""
    mine, theirs = (engine.track("all").learning for engine in (found, first))
    begun = 0
    for m, name in enumerate(mine.names):
        if name not in theirs.names:
            assert not mine.intervals.scores[m].any()
            continue
        known = theirs.names.index(name)
        assert np.array_equal(mine.intervals.log_quantile[:, m], theirs.intervals.log_quantile[:, known])
        begun += int(mine.intervals.scores[m].sum())
        if m < len(mine.shares.loss):
            assert np.array_equal(mine.shares.loss[m], theirs.shares.loss[known])
    assert begun > 0


def test_what_a_model_that_no_longer_runs_had_filed_is_not_scored_and_nothing_else_is_lost() -> None:
    whole, first = Engine(ASSETS, ALL_OF_THEM), Engine(ASSETS, ALL_OF_THEM)
    published = _run(first, STREAM[:CUT])
    found = restored(first, published, ASSETS, FOUR)
    _run(whole, STREAM[:CUT])
    wanted, scores = (_said(_run(engine, STREAM[CUT:]), "scores", "scores") for engine in (whole, found))
    filed = {made_at for _, _, made_at, *_ in _said(published, "predictions", "forecasts")}
    before = {key: score for key, score in wanted.items() if score["made_at"] in filed}
    assert {model for *_, model, _ in before} == {*DEFINED, *OTHERS, *BOTH}
    assert all(scores[key] == score for key, score in before.items() if key[3] not in OTHERS)
    assert not {model for *_, model, _ in scores} & {*OTHERS}
