"""Forecasts of the batch models against bars, by the rules of scoring."""

from __future__ import annotations

from dataclasses import replace

import pytest
import sink_messages as made

from cryptoviz.messages import encode
from processors.batch.scoring import PATIENCE_MS, Filed, Known, judged, score_messages
from processors.normalise import Position
from processors.rules import Rules
from processors.sink_rows import Health, Tables, add_message

RULES = Rules()
HOUR, MINUTE = 3_600_000, 60_000
TARGET = made.T0 + HOUR
FILED = Filed("BTC", "all", made.T0, 3600, TARGET, "auto_ets", "1", 100.0, 102.0, 97.5, [(0.8, 99.0, 105.0)])


def bars(closes: dict[int, float], empty: int = 0) -> dict[int, tuple[float, int]]:
    """By end; the last `empty` minutes before the target hold no quote."""
    stale = {TARGET - n * MINUTE: (closes.get(TARGET, 1.0), 0) for n in range(empty)}
    return {end: (close, 3) for end, close in closes.items()} | stale


def known(closes: dict[int, float], empty: int = 0, until: int = TARGET, source_until: int = TARGET) -> Known:
    return Known(bars(closes, empty), until, source_until)


def test_a_forecast_is_judged_by_the_close_of_the_bar_that_ends_at_its_target() -> None:
    (message,) = score_messages([FILED], known({TARGET: 104.0, TARGET - MINUTE: 1.0}), RULES)
    (score,) = message.pop("scores")
    assert message == {
        "id": f"BTC/all/60/{TARGET}/batch", "asset": "BTC", "source": "all", "interval_s": 60, "target_at": TARGET,
        "scored_at": TARGET + 10_000, "actual": 104.0, "void": "",
    }  # fmt: skip
    assert score == {
        "made_at": made.T0, "horizon_s": 3600, "model": "auto_ets", "version": "1", "origin": "live", "price": 100.0,
        "forecast": 102.0, "confidence": 97.5, "error": -2.0, "naive_error": -4.0, "relative_error": 0.5, "hit": True,
        "intervals": [{"level": 0.8, "inside": True, "width": 6.0, "winkler": 6.0}],
    }  # fmt: skip


def test_a_price_outside_an_interval_costs_its_distance() -> None:
    (message,) = score_messages([FILED], known({TARGET: 95.0}), RULES)
    (score,) = message["scores"]
    assert score["hit"] is False
    (interval,) = score["intervals"]
    assert not interval["inside"]
    assert interval["winkler"] == pytest.approx(6.0 + 2 / 0.2 * 4.0)


def test_where_nothing_changed_there_is_no_hit_and_no_relative_error() -> None:
    (message,) = score_messages([replace(FILED, bounds=[])], known({TARGET: 100.0}), RULES)
    (score,) = message["scores"]
    assert (score["hit"], score["relative_error"], score["error"], score["intervals"]) == (None, None, 2.0, [])


def test_a_stale_bar_judges_nobody_but_is_told() -> None:
    almost, stale = known({TARGET: 104.0}, empty=9), known({TARGET: 104.0}, empty=10)
    assert judged(TARGET, almost, RULES) == ""
    (message,) = score_messages([FILED], stale, RULES)
    (score,) = message["scores"]
    assert (message["void"], message["actual"]) == ("stale_source", 104.0)
    assert (score["error"], score["naive_error"], score["hit"], score["intervals"]) == (None, None, None, [])


def test_without_a_bar_it_waits_until_one_can_no_longer_come() -> None:
    before = {TARGET - MINUTE: 104.0}
    assert judged(TARGET, known(before, until=TARGET - MINUTE), RULES) is None
    assert judged(TARGET, known(before, until=TARGET - MINUTE, source_until=TARGET + PATIENCE_MS - 1), RULES) is None
    assert judged(TARGET, known(before, until=TARGET - MINUTE, source_until=TARGET + PATIENCE_MS), RULES) == "no_bar"
    (message,) = score_messages([FILED], known(before, until=TARGET + MINUTE), RULES)
    (score,) = message["scores"]
    assert (message["void"], message["actual"], score["error"], score["hit"]) == ("no_bar", None, None, None)


def test_one_message_holds_all_of_a_target_and_can_be_stored() -> None:
    other = replace(FILED, model="prophet", horizon_s=14400, made_at=TARGET - 4 * HOUR, bounds=[])
    later = replace(FILED, target_at=TARGET + HOUR, made_at=TARGET)
    closes = {TARGET: 104.0, TARGET + HOUR: 99.0}
    first, second = score_messages([FILED, other, later], known(closes, until=TARGET + HOUR), RULES)
    assert [score["model"] for score in first["scores"]] == ["auto_ets", "prophet"]
    assert second["target_at"] == TARGET + HOUR
    tables: Tables = {}
    add_message(encode(first), Position("scores", 0, 1, TARGET + 11_000), tables, Health())
    assert tables["scores"].count == 2
