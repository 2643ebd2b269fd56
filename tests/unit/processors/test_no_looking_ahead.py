"""Nothing said of a time knows what came later, and one source's results know nothing of another's order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from random import Random
from typing import Any

import numpy as np
import orjson
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from unit.processors.streams import MINUTE, T0, heartbeat, message, quote, random_stream

from cryptoviz.messages import ALL, NormalizedQuotes, encode
from processors.engine import Engine
from processors.rules import Rules

HOUR = 60 * MINUTE
ASSETS = ("BTC", "USDT")
RULES = replace(Rules(), horizons_s=(3600,), interval_s=300, forecast_ms=600_000)
FAST = settings(max_examples=6, deadline=None, phases=[Phase.generate])
Said = list[tuple[int, str, str, bytes]]
"""(the time it is of, in ms, topic, source, message)"""
TIMES = {"bars": "start", "stats": "at", "indicators": "at", "scores": "target_at"}


def _run(messages: Iterable[NormalizedQuotes], rules: Rules = RULES) -> Said:
    engine, said = Engine(ASSETS, rules), []
    for number, entry in enumerate(messages):
        for topic, _, out in engine.apply({**entry, "offset": number}, number):
            if topic == "ledger":  # it says of a bar what was known when it closed, the grace after its end included
                continue
            at = out[TIMES.get(topic, "made_at")] + (out["interval_s"] * 1000 if topic == "bars" else 0)
            said.append((at, topic, out["source"], encode(out)))
    return said


def _candles(seed: int, bars: int, history: int = 0) -> list[NormalizedQuotes]:
    """Candles of two assets, now and then one is missing; the first `history` come as a backfill."""
    rng, price = np.random.default_rng(seed), {"BTC": 60_000.0, "USDT": 1.0}
    out: list[Any] = []
    for n in range(bars):
        at, quotes = T0 + (n + 1) * RULES.interval_ms - 1, []
        for asset in ASSETS:
            opened = price[asset]
            price[asset] *= float(np.exp(rng.normal(0, 0.003)))
            low, high = sorted((opened, price[asset]))
            fields = {"open": opened, "high": high * 1.001, "low": low * 0.999, "volume": 1.0, "event_at": at}
            if rng.random() > 0.05:
                quotes.append(quote(asset, at, price[asset], **fields))
        past = {"origin": "backfill", "backfill_until": T0 + history * RULES.interval_ms} if n < history else {}
        out.append(message(quotes, received_at=at, **past))
    return [*out, heartbeat(T0 + bars * RULES.interval_ms + RULES.grace_ms)]


def _changed_after(messages: Sequence[NormalizedQuotes], at: int, seed: int) -> list[NormalizedQuotes]:
    """The same log, but the prices that count for a time from `at` on are quite others."""
    rng = np.random.default_rng(seed)
    return [
        {**entry, "quotes": [_other(one, rng) if min(one["at"], one["received_at"]) >= at else one
                             for one in entry["quotes"]]}
        for entry in messages
    ]  # type: ignore[misc]  # fmt: skip


def _other(one: Any, rng: np.random.Generator) -> Any:
    times = float(np.exp(rng.normal(0, 1)))
    return one | {
        name: None if one[name] is None else one[name] * times for name in ("price", "open", "high", "low", "volume")
    }


def _until(said: Said, at: int) -> Said:
    return [one for one in said if one[0] <= at]


@FAST
@given(st.integers(0, 10**6), st.integers(20, 110), st.sampled_from([0, 60]))
def test_a_price_changes_nothing_that_is_of_an_earlier_time(seed: int, bar: int, history: int) -> None:
    stream, at = _candles(seed, 120, history), T0 + bar * RULES.interval_ms
    said, others = _run(stream), _run(_changed_after(stream, at, seed))
    assert _until(said, at) == _until(others, at)
    assert len(_until(said, at)) > 0
    assert {topic for when, topic, _, _ in said if when > at} >= {"bars", "stats", "predictions", "signals", "scores"}
    assert len(said) == len(others)
    assert said != others


def _filed_in_scores(said: Said, at: int) -> dict[Any, Any]:
    """What scores tell of the forecasts made by `at`: price, forecast, confidence, widths."""
    found = {}
    for entry in (orjson.loads(data) for _, topic, _, data in said if topic == "scores"):
        for one in (one for one in entry["scores"] if one["made_at"] <= at):
            key = entry["asset"], entry["source"], one["made_at"], one["horizon_s"], one["model"]
            widths = [interval["width"] for interval in one["intervals"]]
            found[key] = one["price"], one["forecast"], one["confidence"], widths
    return found


@settings(FAST, max_examples=4)
@given(st.integers(0, 10**6), st.integers(36, 42), st.integers(0, 2))
def test_a_back_test_over_days_that_are_all_there_sees_of_each_moment_only_what_came_before(
    seed: int, hour: int, more: int
) -> None:
    stream, at = _candles(seed, 44 * 12, 44 * 12 - 4), T0 + (hour * 12 + more) * RULES.interval_ms
    said, others = _run(stream), _run(_changed_after(stream, at, seed))
    filed = _filed_in_scores(said, at)
    assert filed == _filed_in_scores(others, at)
    assert sum(bool(widths) for *_, widths in filed.values()) > 30
    assert _until(said, at) == _until(others, at)
    assert said != others


@FAST
@given(st.integers(0, 10**6), st.floats(0.2, 0.9))
def test_a_price_changes_nothing_earlier_among_polls_with_gaps_after_which_many_bars_close_at_once(
    seed: int, where: float
) -> None:
    stream = random_stream(seed, 240, gap=0.4)
    at = stream[int(where * len(stream))]["received_at"]
    said, others = _run(stream), _run(_changed_after(stream, at, seed))
    assert _until(said, at) == _until(others, at)
    assert len(said) == len(others)


@FAST
@given(st.integers(0, 10**6), st.floats(0.2, 0.9), st.integers(0, 10**6))
def test_what_was_said_before_a_cut_stands_whatever_follows(seed: int, where: float, other: int) -> None:
    stream, futures = random_stream(seed, 180, gap=0.2), random_stream(other, 300, gap=0.2)
    cut = int(where * len(stream))
    now = stream[cut - 1]["received_at"]
    another = [entry for entry in futures if entry["received_at"] > now]
    first = _run(stream[:cut])
    assert _run(stream)[: len(first)] == first
    assert _run([*stream[:cut], *another])[: len(first)] == first
    assert {when <= now - RULES.grace_ms for when, *_ in first} == {True}


def test_messages_handed_out_are_never_touched_again() -> None:
    engine, out, then = Engine(ASSETS, RULES), [], []
    for number, entry in enumerate(_candles(1, 60)):
        made = engine.apply({**entry, "offset": number}, number)
        out += made
        then += [encode(one) for _, _, one in made]
    assert [encode(one) for _, _, one in out] == then
    assert {topic for topic, _, _ in out} >= {"predictions", "scores"}


def _by_source(said: Said) -> dict[str, Said]:
    found: dict[str, Said] = defaultdict(list)
    for one in said:
        found[one[2]].append(one)
    return found


def _interleaved(messages: Sequence[NormalizedQuotes], rng: Random) -> list[NormalizedQuotes]:
    """Every source's own messages in their order, but the sources mixed anew."""
    left = {source: [e for e in messages if e["source"] == source] for source in {e["source"] for e in messages}}
    out = []
    while any(left.values()):
        source = rng.choice(sorted(name for name, rest in left.items() for _ in rest))
        out.append(left[source].pop(0))
    return out


@FAST
@given(st.integers(0, 10**6))
def test_another_order_of_the_sources_changes_nothing_of_any_source_but_only_all(seed: int) -> None:
    """Bars, statistics, indicators, forecasts with bounds and shares, signals and scores: byte for byte, in order."""
    stream = random_stream(seed, 180, gap=0.2)
    said, mixed = _by_source(_run(stream)), _by_source(_run(_interleaved(stream, Random(seed))))
    assert said.keys() == mixed.keys() == {"binance", "coingecko", ALL}
    for source in ("binance", "coingecko"):
        assert mixed[source] == said[source]
    assert {topic for _, topic, _, _ in said["binance"]} >= {"predictions", "scores"}


def test_a_source_that_comes_after_another_is_late_for_all_and_for_all_only() -> None:
    """What another order may change of `all`: a whole source can be missing from it."""
    stream = [message([quote(at=T0 + n * MINUTE, price=10.0 + s)], source)
              for n in range(100) for s, source in enumerate(("binance", "coingecko"))]  # fmt: skip
    first, second = (_by_source(_run(sorted(stream, key=lambda e: e["source"], reverse=back)))
                     for back in (False, True))  # fmt: skip
    assert first["binance"] == second["binance"]
    assert first["coingecko"] == second["coingecko"]
    closes = [{bytes_.split(b'"close":')[1].split(b",")[0] for at, topic, _, bytes_ in said[ALL]
               if topic == "bars" and at < T0 + 95 * MINUTE} for said in (first, second)]  # fmt: skip
    assert closes == [{b"10.0"}, {b"11.0"}]


def _simultaneous(seed: int, polls: int) -> list[NormalizedQuotes]:
    """Polls of three sources that always answer in the same millisecond, each with a stamp of now."""
    rng, out, now, price = np.random.default_rng(seed), [], T0, 100.0
    for _ in range(polls):
        now += int(rng.integers(10_000, 200_000))
        price *= float(np.exp(rng.normal(0, 0.003)))
        for source in ("binance", "coingecko", "kraken"):
            near = price * float(np.exp(rng.normal(0, 0.001)))
            out.append(message([quote(at=now, price=near, event_at=now)], source))
    return out


@FAST
@given(st.integers(0, 10**6))
def test_among_simultaneous_answers_the_order_changes_of_all_no_close_forecast_or_score(seed: int) -> None:
    """But open, high and low, and so the indicators that look at them: the median moves as the answers come in."""
    stream, rng = _simultaneous(seed, 110), Random(seed)
    moments = [list(group) for _, group in groupby(stream, key=lambda entry: entry["received_at"])]
    mixed = [entry for group in moments for entry in rng.sample(group, len(group))]
    assert [entry["source"] for entry in mixed] != [entry["source"] for entry in stream]
    first, second = _by_source(_run(stream)), _by_source(_run(mixed))
    for source in ("binance", "coingecko", "kraken"):
        assert second[source] == first[source]
    same = {"stats", "predictions", "signals", "scores"}
    assert [one for one in second[ALL] if one[1] in same] == [one for one in first[ALL] if one[1] in same]
    assert {topic for _, topic, _, _ in first[ALL]} >= same
