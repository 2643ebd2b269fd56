"""What is drawn from a seed: the same again, every part its share, everything within the time there is."""

from __future__ import annotations

from collections import Counter

import pytest
from faults.schedule import FEEDS_SHARE, FROZEN, GUEST, PARTS, Plan, schedule

PLAN = Plan(1500, kills=30, outages=(("kafka", 120), ("clickhouse", 300)), guests=3, freezes=5)


def test_the_same_seed_gives_the_same_strikes_and_another_one_others() -> None:
    assert schedule(3, PLAN) == schedule(3, PLAN)
    assert schedule(3, PLAN) != schedule(4, PLAN)


@pytest.mark.parametrize("seed", range(20))
def test_every_part_is_struck_and_nothing_begins_or_lasts_longer_than_the_plan(seed: int) -> None:
    strikes = schedule(seed, PLAN)
    kills = Counter(strike.part for strike in strikes if strike.what == "kill")
    assert kills == dict.fromkeys(PARTS, 5)
    assert sorted((s.part, s.away_s) for s in strikes if s.what == "outage") == [("clickhouse", 300), ("kafka", 120)]
    assert [strike.part for strike in strikes if strike.what == "guest"] == [GUEST] * 3
    assert sorted(strike.part for strike in strikes if strike.what == "freeze") == sorted(FROZEN)
    assert strikes == sorted(strikes)
    assert all(strike.at_s > 0 and strike.at_s + strike.away_s < PLAN.seconds + 40 for strike in strikes)


@pytest.mark.parametrize("seed", range(50))
def test_the_feeder_is_struck_while_it_feeds(seed: int) -> None:
    plan = Plan(20, kills=12)
    struck = [strike.at_s for strike in schedule(seed, plan) if strike.part == "feeder"]
    assert len(struck) == 2
    assert max(struck) < plan.seconds * FEEDS_SHARE


def test_a_short_plan_kills_every_part_once() -> None:
    assert Counter(strike.part for strike in schedule(1, Plan(25, kills=6))) == dict.fromkeys(PARTS, 1)
