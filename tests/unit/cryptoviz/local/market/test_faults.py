"""Faults: none at first, then now and then, the same for the same seed."""

from __future__ import annotations

from itertools import groupby

import pytest

from cryptoviz.local.market.faults import QUIET_S, Fault, Faults
from cryptoviz.local.market.refusals import refuse

SOURCES = ("binance", "coingecko", "coinmarketcap")
DAY_S = 86_400


def polled(faults: Faults, every_s: float = 10, until_s: float = DAY_S) -> list[tuple[float, Fault]]:
    """What a client sees that asks at a fixed pace and waits as long as it is told to."""
    seen, at = [], 0.0
    while at < until_s:
        fault = faults.next(at)
        seen.append((at, fault))
        at += max(every_s, fault.left_s + 0.1 if fault.refusal == "rate_limit" else 0)
    return seen


@pytest.mark.parametrize("source", SOURCES)
def test_the_first_three_minutes_are_quiet(source: str) -> None:
    assert all(fault == Fault() for at, fault in polled(Faults(7, source, "heavy"), 1, QUIET_S))


@pytest.mark.parametrize("source", SOURCES)
def test_a_normal_day_has_a_rate_limit_per_five_minutes_and_an_outage_per_twenty(source: str) -> None:
    kinds = [fault.refusal for _, fault in polled(Faults(7, source))]
    times = {kind: sum(1 for one, _ in groupby(kinds) if one == kind) for kind in set(kinds)}
    assert times["rate_limit"] == pytest.approx(DAY_S / 300, rel=0.25)
    assert times["outage"] == pytest.approx(DAY_S / 1200, rel=0.25)
    assert times["html"] > 20
    assert times["error_body"] > 20
    assert kinds.count(None) > 0.8 * len(kinds)


def test_rate_limits_reach_a_source_that_is_polled_every_five_minutes() -> None:
    assert sum(fault.refusal == "rate_limit" for _, fault in polled(Faults(7, "coinmarketcap"), 300)) > 100


def test_heavy_is_heavier_and_none_is_none() -> None:
    def refused(level: str) -> int:
        return sum(fault.refusal is not None for _, fault in polled(Faults(7, "binance", level), until_s=14_400))  # type: ignore[arg-type]

    assert refused("heavy") > 2 * refused("normal")
    assert refused("none") == 0


def test_the_same_seed_has_the_same_faults() -> None:
    def hours(seed: int) -> list[tuple[float, Fault]]:
        return polled(Faults(seed, "binance"), until_s=7200)

    assert hours(7) == hours(7)
    assert hours(7) != hours(8)


def test_who_goes_on_asking_binance_while_limited_is_banned() -> None:
    def answers(source: str) -> set[str | None]:
        faults = Faults(7, source)
        return {faults.next(at / 10).refusal for at in range(6_000)}

    assert "ban" in answers("binance")
    assert "ban" not in answers("coingecko")


def test_an_ordered_fault_lasts_as_long_as_ordered() -> None:
    faults = Faults(7, "binance", "none")
    faults.force("outage", 20)
    assert faults.next(19.9).refusal == "outage"
    assert faults.next(20).refusal is None


def test_a_rate_limit_says_how_long_to_wait_in_whole_seconds_rounded_up() -> None:
    for source, key in (("coingecko", "status"), ("coinmarketcap", "status"), ("binance", "code")):
        answer = refuse(source, "rate_limit", 12.2, 1_795_180_004_349)
        assert answer.status == 429
        assert answer.headers["Retry-After"] == "13"
        assert key in answer.body


def test_a_ban_names_its_end_in_the_text() -> None:
    answer = refuse("binance", "ban", 10, 1_795_180_004_349)
    assert answer.status == 418
    assert "banned until 1795180014349." in answer.body["msg"]
