"""When the engine scores a forecast, and when it says why it cannot: every filed forecast once, whatever comes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from independent_scores import Filed, scored
from restoring import restored
from unit.processors.streams import MINUTE, T0, heartbeat, message, quote, random_stream

from cryptoviz.messages import NormalizedQuotes, encode
from processors.engine import Engine
from processors.rules import Rules
from processors.snapshot import dump_learned

HOUR = 60 * MINUTE
ASSETS = ("BTC", "USDT")
RULES = replace(Rules(), horizons_s=(3600,))
GRACE = RULES.grace_ms
FORECAST = RULES.forecast_ms
END = 10**6  # an offset behind all others


def _run(messages: Iterable[NormalizedQuotes], engine: Engine | None = None, rules: Rules = RULES) -> list[Any]:
    engine = engine or Engine(ASSETS, rules)
    return [out for entry in messages for out in engine.apply(entry, entry["offset"])]


def _of(out: Iterable[Any], topic: str, source: str = "binance") -> list[Any]:
    return [entry for name, _, entry in out if name == topic and entry["source"] == source]


def _minutes(first: int, last: int, source: str = "binance", price: float = 100.0, **fields: Any) -> list[Any]:
    """A quote in each of the minutes from `first` to `last`, the price a little higher every time."""
    return [
        message([quote(at=T0 + n * MINUTE, price=price + n / 10)], source, offset=n, **fields)
        for n in range(first, last + 1)
    ]


def _check_all(out: list[Any], rules: Rules, closed: dict[str, int]) -> int:
    """Every forecast whose target is closed has one score, what it should be, and there are no others."""
    bars: dict[Any, dict[int, Any]] = defaultdict(dict)
    for _, asset, bar in (entry for entry in out if entry[0] == "bars" and entry[2]["interval_s"] == rules.interval_s):
        bars[asset, bar["source"]][bar["start"] + rules.interval_ms] = bar["close"], bar["quotes"]
    filed = {
        (asset, entry["source"], said["target_at"], said["horizon_s"], said["model"]): (entry, said)
        for topic, asset, entry in out if topic == "predictions" for said in entry["forecasts"]
        if said["forecast"] is not None and said["target_at"] <= closed[entry["source"]]
    }  # fmt: skip
    found = 0
    for asset, entry in ((asset, entry) for topic, asset, entry in out if topic == "scores"):
        assert entry["scores"]
        for score in entry["scores"]:
            key = (asset, entry["source"], entry["target_at"], score["horizon_s"], score["model"])
            made, said = filed.pop(key)
            bounds = [(bound["lower"], bound["upper"]) for bound in said["bounds"]]
            one = Filed(
                made["made_at"], said["horizon_s"] * 1000, said["model"], made["price"], said["forecast"], bounds
            )
            wanted = scored(one, bars[asset, entry["source"]], rules.interval_ms, rules.stale_ms)
            assert (entry["actual"], entry["void"]) == (wanted.actual, wanted.void)
            assert [score[name] for name in ("made_at", "price", "forecast", "confidence", "origin")] == [
                made["made_at"], made["price"], said["forecast"], said["confidence"], made["origin"]]  # fmt: skip
            assert [score[name] for name in ("error", "naive_error", "hit")] == [
                wanted.error, wanted.naive_error, wanted.hit]  # fmt: skip
            relative = [score["relative_error"], wanted.relative_error]
            assert relative == [None, None] or relative[0] == pytest.approx(relative[1], rel=1e-12)
            assert [(i["inside"], i["width"]) for i in score["intervals"]] == [i[:2] for i in wanted.intervals]
            winklers = [interval["winkler"] for interval in score["intervals"]]
            assert winklers == pytest.approx([winkler for _, _, winkler in wanted.intervals], rel=1e-12)
            found += 1
    assert filed == {}
    return found


def _closed(engine: Engine) -> dict[str, int]:
    return {source: track.closed_until for source, track in engine.tracks.items()}


def test_a_forecast_is_scored_by_the_bar_that_ends_at_its_target_when_that_closes_and_not_before() -> None:
    engine = Engine(ASSETS, RULES)
    first = _run(_minutes(0, 65), engine)
    assert _of(first, "scores") == []
    target = T0 + HOUR + FORECAST
    assert _of(engine.apply(heartbeat(target + GRACE - 1, offset=66), 66), "scores") == []
    out = engine.apply(heartbeat(target + GRACE, offset=67), 67)
    [scores] = _of(out, "scores")
    assert (scores["target_at"], scores["scored_at"], scores["void"]) == (target, target + GRACE, "")
    assert scores["actual"] == 100 + 64 / 10
    assert scores["id"] == f"BTC/binance/60/{target}"
    [naive] = [score for score in scores["scores"] if score["model"] == "naive"]
    assert naive | {"confidence": 0.0} == {
        "made_at": T0 + FORECAST, "horizon_s": 3600, "model": "naive", "version": "1", "origin": "live",
        "price": 100.4, "forecast": 100.4, "confidence": 0.0, "error": 100.4 - 106.4, "naive_error": 100.4 - 106.4,
        "relative_error": 1.0, "hit": None, "intervals": [],
    }  # fmt: skip
    topics = [topic for topic, _, entry in out if entry["source"] == "binance"]
    assert topics.index("bars") < topics.index("scores") < topics.index("predictions")


def test_without_a_bar_at_the_target_the_score_is_void_and_has_no_actual_price() -> None:
    out = _run([*_minutes(0, 10), heartbeat(T0 + 3 * HOUR, offset=END)])
    scores = _of(out, "scores")
    first, *_, last = [entry["made_at"] for entry in _of(out, "predictions")]
    assert (first, last) == (T0 + FORECAST, T0 + 40 * MINUTE)  # filled for half an hour
    assert [entry["target_at"] for entry in scores] == list(range(first + HOUR, last + HOUR + 1, FORECAST))
    assert {(entry["void"], entry["actual"], entry["scored_at"]) for entry in scores} == {
        ("no_bar", None, T0 + 3 * HOUR)
    }
    every = [score for entry in scores for score in entry["scores"]]
    assert {(s["error"], s["naive_error"], s["relative_error"], s["hit"]) for s in every} == {(None,) * 4}
    assert all(s["intervals"] == [] and s["forecast"] is not None for s in every)


@pytest.mark.parametrize(("silent", "void"), [(9, ""), (10, "stale_source")])
def test_a_bar_of_a_source_that_has_long_been_silent_is_no_judge(silent: int, void: str) -> None:
    target = T0 + HOUR + FORECAST
    last = (target - T0) // MINUTE - 1 - silent
    [*_, scores] = _of(_run([*_minutes(0, last), heartbeat(target + GRACE, offset=END)]), "scores")
    assert (scores["target_at"], scores["void"]) == (target, void)
    assert scores["actual"] == 100 + last / 10
    assert all((score["error"] is None) == bool(void) for score in scores["scores"])


def test_a_void_forecast_teaches_nothing() -> None:
    engine = Engine(ASSETS, RULES)
    _run(_minutes(0, 10), engine)
    before = orjson.loads(dump_learned(engine))["tracks"]["binance"]
    assert len(_of(_run([heartbeat(T0 + 3 * HOUR, offset=END)], engine), "scores")) == 8
    assert orjson.loads(dump_learned(engine))["tracks"]["binance"] == before


def test_forecasts_made_within_a_long_step_are_scored_within_it() -> None:
    rules = replace(RULES, max_gap_ms=5 * HOUR)
    engine = Engine(ASSETS, rules)
    out = _run([*_minutes(0, 10), heartbeat(T0 + 4 * HOUR, offset=END)], engine, rules)
    made = [entry["made_at"] for entry in _of(out, "predictions")]
    assert made == list(range(T0 + FORECAST, _closed(engine)["binance"] + 1, FORECAST))
    times = [(entry["target_at"], entry["void"]) for entry in _of(out, "scores")]
    assert times == [(at + HOUR, "stale_source") for at in made if at + HOUR <= _closed(engine)["binance"]]
    assert _check_all(out, rules, _closed(engine)) > 300


@pytest.mark.parametrize("horizon_s", [60, 240, 300, 3660, 5400])
def test_a_horizon_need_not_be_a_multiple_of_the_time_between_forecasts(horizon_s: int) -> None:
    rules = replace(RULES, horizons_s=(horizon_s, 7200))
    engine = Engine(ASSETS, rules)
    out = _run([*_minutes(0, 200), heartbeat(T0 + 11 * HOUR, offset=END)], engine, rules)
    assert _check_all(out, rules, _closed(engine)) > 300
    assert {s["horizon_s"] for entry in _of(out, "scores") for s in entry["scores"]} == {horizon_s, 7200}


def test_horizons_that_fall_due_together_share_one_message() -> None:
    rules = replace(RULES, horizons_s=(600, 3600))
    out = _run([*_minutes(0, 80), heartbeat(T0 + 81 * MINUTE + GRACE, offset=END)], None, rules)
    ids = Counter(entry["id"] for entry in _of(out, "scores"))
    assert set(ids.values()) == {1}
    [both] = [entry for entry in _of(out, "scores") if entry["target_at"] == T0 + 70 * MINUTE]
    assert {(s["made_at"], s["horizon_s"]) for s in both["scores"]} == {
        (T0 + 60 * MINUTE, 600), (T0 + 10 * MINUTE, 3600)
    }  # fmt: skip


def test_a_source_that_comes_back_after_days_has_its_forecasts_scored_once() -> None:
    engine = Engine(ASSETS, RULES)
    days = 3 * 24 * 60
    out = _run([*_minutes(0, 30), *_minutes(days, days + 90), heartbeat(T0 + days * MINUTE + 3 * HOUR, offset=END)],
               engine)  # fmt: skip
    assert _check_all(out, RULES, _closed(engine)) > 200
    assert not engine.tracks["binance"].learning.filed.keys() - {
        entry["made_at"] for entry in _of(out, "predictions") if entry["made_at"] > _closed(engine)["binance"] - HOUR
    }


def test_a_message_that_comes_twice_scores_nothing_twice() -> None:
    stream, engine, once = [*_minutes(0, 80), heartbeat(T0 + 100 * MINUTE, offset=99)], Engine(ASSETS, RULES), []
    for number, entry in enumerate(stream):
        once += engine.apply(entry, 2 * number)
        assert engine.apply(entry, 2 * number + 1) == []
    learned = dump_learned(engine)
    for number, entry in enumerate(stream):
        assert engine.apply(entry, END + number) == []
    assert dump_learned(engine) == learned
    assert once == _run(stream)
    assert _check_all(once, RULES, _closed(engine)) > 20


def test_a_late_quote_changes_no_score() -> None:
    target = T0 + HOUR + FORECAST
    late = message([quote(at=target - 1, price=9e9, received_at=target + GRACE)], received_at=target + GRACE, offset=65)
    end = heartbeat(T0 + 2 * HOUR, offset=END)
    scores = _of(_run([*_minutes(0, 64), late, end]), "scores")
    assert scores[0]["actual"] == 106.4
    assert scores[0] == _of(_run([*_minutes(0, 64), heartbeat(target + GRACE, offset=65), end]), "scores")[0]


def _history(hours: int, first: int = 0, **fields: Any) -> list[Any]:
    """Minutes of history, the last ending on the hour."""
    until = T0 + hours * HOUR
    return [
        message([quote(at=T0 + n * MINUTE + 59_999, price=100 + n % 7)], offset=n, origin="backfill",
                backfill_until=until, **fields)
        for n in range(first, hours * 60)
    ]  # fmt: skip


def _live_after(hours: int, minutes: int) -> list[Any]:
    return [
        message([quote(at=T0 + hours * HOUR + n * MINUTE, price=100 + n % 5)], offset=hours * 60 + n)
        for n in range(minutes)
    ]


def test_the_history_is_a_back_test_whose_scores_come_before_all_live_ones_and_without_predictions() -> None:
    out = _run([*_history(6, first=30), *_live_after(6, 75)])
    for source in ("binance", "all"):
        scores, predictions = _of(out, "scores", source), _of(out, "predictions", source)
        origins = [{score["origin"] for score in entry["scores"]} for entry in scores]
        assert origins == [{"backfill"}] * 4 + [{"live"}] * (len(scores) - 4)
        assert len(scores) > 5
        assert [entry["target_at"] for entry in scores[:4]] == [T0 + n * HOUR for n in (2, 3, 4, 5)]
        assert [entry["target_at"] for entry in scores[4:]] == [entry["made_at"] + HOUR for entry in predictions][:3]
        assert min(entry["made_at"] for entry in predictions) == T0 + 6 * HOUR
        keys = {(s["made_at"], s["horizon_s"]) for entry in scores[:4] for s in entry["scores"]}
        assert keys.isdisjoint({(entry["made_at"], 3600) for entry in predictions})


def test_what_a_back_test_leaves_undecided_is_dropped() -> None:
    rules = replace(RULES, horizons_s=(3600, 10_800))
    half = [entry | {"backfill_until": T0 + 5 * HOUR + 30 * MINUTE} for entry in _history(6)[: 5 * 60 + 30]]
    engine = Engine(ASSETS, rules)
    live = [entry for entry in _live_after(5, 300) if entry["received_at"] >= T0 + 330 * MINUTE]
    out = _run([*half, *live], engine)
    began = min(entry["made_at"] for entry in _of(out, "predictions"))
    tested = [(entry["target_at"], s) for entry in _of(out, "scores") for s in entry["scores"] if s["origin"] != "live"]
    assert {target for target, _ in tested} == {T0 + n * HOUR for n in (2, 3, 4, 5)}
    assert {s["horizon_s"] for _, s in tested} == {3600, 10_800}
    assert _check_all([one for one in out if one[0] != "scores" or one[2]["target_at"] > began], rules, _closed(engine))
    assert min(engine.tracks["binance"].learning.filed) > began


def test_a_back_test_says_what_the_stream_would_have_said() -> None:
    """But for what is learned: its forecasts are an hour apart."""
    lives = [entry | {"origin": "live", "backfill_until": None} for entry in _history(6)]
    tested, said = (
        {
            (score["made_at"], score["model"]): (entry["actual"], score["forecast"], score["error"], score["hit"])
            for entry in _of(_run([*history, *_live_after(6, 2)]), "scores")
            for score in entry["scores"] if score["model"] not in ("online", "consensus_adaptive")
        }
        for history in (_history(6), lives)
    )  # fmt: skip
    assert len(tested) > 30
    assert tested.items() <= said.items()


def test_the_history_is_tested_once_for_a_source_whatever_history_comes_later() -> None:
    engine = Engine(ASSETS, RULES)
    first = _run([*_history(4), *_live_after(4, 10)], engine)
    again = [entry | {"backfill_until": T0 + 9 * HOUR} for entry in _history(9, first=4 * 60 + 30)]
    later = _run([*again, *_live_after(9, 10)], engine)
    assert {s["origin"] for entry in _of(first, "scores") for s in entry["scores"]} == {"backfill"}
    assert {s["origin"] for entry in _of(later, "scores") for s in entry["scores"]} == {"live"}
    assert _check_all(
        [out for out in [*first, *later] if out[0] != "scores" or out[2]["scores"][0]["origin"] != "backfill"],
        RULES, _closed(engine),
    ) > 5  # fmt: skip


@pytest.mark.parametrize("hours", [1, 2])
@pytest.mark.parametrize("live", [2, 30, 61])
def test_a_worker_that_starts_again_after_the_history_does_not_test_it_again(hours: int, live: int) -> None:
    """What was written down last is what it wrote when something was learned, as the owner of an engine does."""
    stream = [*_history(hours, first=15), *_live_after(hours, 130)]
    cut = hours * 60 - 15 + live
    whole, kept = Engine(ASSETS, RULES), _Kept()
    before = kept.run(stream[:cut])
    assert _run(stream[:cut], whole) == before
    found = kept.again(before)
    assert _run(stream[cut:], found) == _run(stream[cut:], whole)


class _Kept:
    """An engine with the records of its state as a worker keeps them: what was learned only when it has changed."""

    def __init__(self) -> None:
        self.engine = Engine(ASSETS, RULES)
        self.learned = dump_learned(self.engine)

    def run(self, messages: list[Any]) -> list[Any]:
        out = []
        for entry in messages:
            out += self.engine.apply(entry, entry["offset"])
            if self.engine.learning_changed:
                self.engine.learning_changed, self.learned = False, dump_learned(self.engine)
        return out

    def again(self, published: list[Any]) -> Engine:
        return restored(self.engine, published, ASSETS, RULES, self.learned)


@settings(max_examples=6, deadline=None, phases=[Phase.generate])
@given(st.integers(0, 10**6), st.sampled_from([(3600,), (1800, 5400), (600, 3660)]), st.sampled_from([0, 1_800_000]))
def test_every_forecast_of_a_random_stream_is_scored_once_and_rightly(
    seed: int, horizons_s: tuple[int, ...], max_gap_ms: int
) -> None:
    rules = replace(RULES, horizons_s=horizons_s, max_gap_ms=max_gap_ms)
    engine = Engine(ASSETS, rules)
    _check_all(_run(random_stream(seed, 200, gap=0.2), engine, rules), rules, _closed(engine))


@settings(max_examples=5, deadline=None, phases=[Phase.generate])
@given(st.integers(0, 10**6), st.floats(0.2, 1))
def test_a_worker_that_starts_again_between_filing_and_target_scores_as_if_nothing_had_happened(
    seed: int, where: float
) -> None:
    stream = random_stream(seed, 150, gap=0.1)
    cut = int(where * len(stream))
    engine = Engine(ASSETS, RULES)
    before = _run(stream[:cut], engine)
    found = restored(engine, [*before, *before[-5:]], ASSETS, RULES)
    end = heartbeat(stream[-1]["received_at"] + 2 * HOUR, offset=END)
    after, wanted = _run([*stream[cut:], end], found), _run([*stream[cut:], end], engine)
    assert [encode(entry) for _, _, entry in after] == [encode(entry) for _, _, entry in wanted]
    assert _check_all([*before, *after], RULES, _closed(found)) > 0


def test_what_is_scored_is_let_go() -> None:
    rules, engine = replace(RULES, horizons_s=(600, 3600)), None
    engine = Engine(ASSETS, rules)
    out = _run(_minutes(0, 300), engine, rules)
    closed = _closed(engine)["binance"]
    kept = sorted(engine.tracks["binance"].learning.filed)
    assert kept == [at for at in (e["made_at"] for e in _of(out, "predictions")) if at > closed - HOUR]


def _hours(count: int, seed: int, rules: Rules) -> list[Any]:
    """A quote an hour of a random walk."""
    prices = 100 * np.exp(np.cumsum(np.random.default_rng(seed).normal(0, 0.01, count)))
    return [
        message([quote(at=T0 + n * HOUR, price=price)], offset=n, interval_s=rules.interval_s)
        for n, price in enumerate(prices.tolist())
    ]


@pytest.mark.parametrize("cut", [130, 170, 215])
def test_horizons_longer_than_the_longest_window_are_learned_from_restarts_or_not(cut: int) -> None:
    rules = replace(RULES, interval_s=3600, forecast_ms=HOUR, horizons_s=(3600, 100 * 3600))
    stream, engine = _hours(220, 1, rules), Engine(ASSETS, rules)
    before = _run(stream[:cut], engine)
    found = restored(engine, before, ASSETS, rules)
    after = _run(stream[cut:], engine)
    assert _run(stream[cut:], found) == after
    assert dump_learned(found) == dump_learned(engine)
    assert {horizon for _, horizon, *_ in engine.tracks["binance"].learning.online[0].dump()} == {0, 1}
    assert _check_all([*before, *after], rules, _closed(engine)) > 0


def test_forecasts_under_way_are_scored_though_they_are_made_at_other_times_now() -> None:
    """Whoever changes CRYPTOVIZ_FORECAST_SECONDS does not lose what was filed before."""
    engine, rules = Engine(ASSETS, RULES), replace(RULES, forecast_ms=2 * FORECAST)
    before = _run(_minutes(0, 58), engine)
    found = restored(engine, before, ASSETS, rules)
    beats = [heartbeat(T0 + n * MINUTE, offset=n) for n in range(61, 151)]
    after = _run([*_minutes(59, 60), *beats], found)
    assert [entry["made_at"] for entry in _of(after, "predictions")][:2] == [T0 + 60 * MINUTE, T0 + 70 * MINUTE]
    assert _check_all([*before, *after], rules, _closed(found)) > 100
