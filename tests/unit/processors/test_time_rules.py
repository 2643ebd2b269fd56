"""The engine against the rules of time written once more from their text (`slow_rules`), on streams made at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from independent import same_percent, same_price
from slow_rules import ALL, HOUR_MS, Judge, SlowRules
from unit.processors.streams import MINUTE, T0, heartbeat, message, quote

from cryptoviz.messages import NormalizedQuotes
from processors.engine import Engine
from processors.models.base import ModelParams
from processors.rules import Rules

ASSETS = ("BTC", "USDT")
JUDGED = {"bars", "stats", "predictions", "signals", "ledger"}
POLLS_S = {"binance": 10.0, "coingecko": 60.0, "coinmarketcap": 3600.0, "kraken": 1.0, "yahoo": 900.0}
# Steps between messages and ages of stamps, on both sides of every border that the rules know.
STEPS_MS = (
    0, 1, 4_999, 9_999, 10_000, 30_000, 49_999, 50_000, 59_999, 60_000, 69_999, 70_000, 179_999, 180_000, 180_001,
    300_000, 600_000, 600_001, 1_739_999, 1_740_000, 1_800_000, 2_700_000, 3_600_000, 11_000_000,
)  # fmt: skip
AGES_MS = (-5_000, -1, 0, 1, 9_999, 10_000, 59_999, 60_000, 69_999, 70_000, 180_000, 180_001, 600_000, 600_001)
COMMON = 8  # how much likelier than long steps the shortest ones are


def random_log(seed: int, length: int) -> list[NormalizedQuotes]:
    """Messages of several sources: polls, trades out of order, candles, backlogs, repeats, silence, history first."""
    rng = Random(seed)
    sources = rng.sample(sorted(POLLS_S), rng.randint(1, len(POLLS_S)))
    steps = STEPS_MS[: rng.choice((6, 12, len(STEPS_MS)))]
    now, history = T0 + rng.choice((0, 1, 59_999)), rng.choice((0, 0, length // 2))
    held: dict[str, list[Any]] = {}
    log: list[Any] = []
    for number in range(length):
        now += rng.choice((*steps, *STEPS_MS[3:8] * (COMMON // 4)))
        source = rng.choice(sources)
        entry = _message(rng, source, now, number < history)
        if number >= history and (source in held or rng.random() < 0.05):
            held.setdefault(source, []).append(entry)  # its producer cannot reach Kafka
            if rng.random() < 0.2:
                log += held.pop(source)
        else:
            log.append(entry)
    last = max((entry["received_at"] for entry in log if entry["origin"] == "backfill"), default=0)
    until = rng.choice((last + 1, (last // MINUTE + 1) * MINUTE))
    log = [{**entry, "backfill_until": until} if entry["origin"] == "backfill" else entry for entry in log]
    log += [heartbeat(now + rng.choice(STEPS_MS), source, poll_interval_s=POLLS_S[source]) for source in sources]
    return [{**entry, "offset": offset} for offset, entry in enumerate(log)]  # type: ignore[misc]


def _message(rng: Random, source: str, now: int, past: bool) -> dict[str, Any]:
    quotes = []
    for _ in range(rng.choice((0, 1, 1, 2, 5))):
        # Now and then another producer's answer, received earlier, or one that the message waited for.
        received_at = now - (rng.choice((0, 1, 30_000, 70_000)) if rng.random() < 0.2 else 0)
        quotes.append(_quote(rng, source, received_at, past))
    waited = 0 if past else rng.choice((0, 0, 0, 1_000))
    made = message(quotes, source, now + waited, origin="backfill" if past else "live", poll_interval_s=POLLS_S[source])
    return dict(made)


def _quote(rng: Random, source: str, received_at: int, past: bool) -> dict[str, Any]:
    price = rng.choice((1e-9, 0.5, 1.0, 1.01, 100.0, 100.0, 64_250.1)) * rng.choice((1.0, 1.0, 1.001, 0.999))
    fields: dict[str, Any] = {"feeds": rng.random() > 0.1}
    if source in {"kraken", "yahoo"}:
        fields["event_at"] = fields["at"] = received_at - (0 if past else rng.choice(AGES_MS[:10]))
    elif rng.random() < 0.8:
        fields["event_at"] = received_at - rng.choice(AGES_MS)
    if source == "yahoo":
        fields |= {"open": price * 1.1, "high": price * 1.2, "low": price * 0.9}
        fields["volume"] = rng.choice((None, 0.0, 5.5))
    return quote(rng.choice(ASSETS), **{"at": received_at, "price": price, "received_at": received_at, **fields})


def _engine_says(log: Sequence[NormalizedQuotes], rules: Rules) -> dict[tuple[str, str], tuple[int, Any]]:
    engine = Engine(ASSETS, rules)
    said: dict[tuple[str, str], tuple[int, Any]] = {}
    for entry, logged in enumerate(log):
        for topic, asset, result in engine.apply(logged, entry):
            if topic not in JUDGED:
                continue
            assert result["id"].startswith(f"{asset}/{result['source']}/")
            assert (topic, result["id"]) not in said
            said[topic, result["id"]] = entry, result
    return said


def _judge(log: list[NormalizedQuotes], rules: Rules, slow: SlowRules) -> int:
    """Compare everything the engine says of a log with what the text asks for; returns how much there was."""
    judge = Judge(log, slow)
    wanted, everything = judge.expected(), _engine_says(log, rules)
    said = {key: result for key, result in everything.items() if key[0] != "ledger"}
    assert sorted(said) == sorted(wanted)
    _same_ledger(judge, {key: result for (topic, key), (_, result) in everything.items() if topic == "ledger"})
    for key, (entry, fields) in wanted.items():
        assert said[key][0] == entry, key
        assert {name: said[key][1][name] for name in fields} == fields, key
    for topic, key in sorted(wanted)[::7]:
        if topic == "stats":
            _same_stats(judge, said[topic, key][1])
        if topic == "signals":
            _same_signals(judge, said[topic, key][1])
    return len(wanted)


def _same_ledger(judge: Judge, said: dict[str, Any]) -> None:
    wanted: dict[str, Any] = {}
    for asset in judge.assets:
        for source in [*judge.sources, ALL]:
            wanted |= judge.ledger(asset, source)
    assert {key: {name: entry[name] for name in ("since", "state")} for key, entry in said.items()} == wanted


def _same_signals(judge: Judge, message: Any) -> None:
    horizons_h = [entry["horizon_s"] / 3600 for entry in message["signals"]]
    wanted = judge.signals(message["asset"], message["source"], message["made_at"], horizons_h)
    for entry, horizon in zip(message["signals"], wanted, strict=True):
        assert (entry["signal"], entry["reason"]) == (horizon.signal, horizon.reason), message
        assert same_percent(entry["confidence"], horizon.mean_confidence), message
        assert (entry["variation"] is None) == (horizon.mean_confidence is None), message


def _same_stats(judge: Judge, message: Any) -> None:
    for window in message["windows"]:
        for name, value in judge.stats(message["asset"], message["source"], message["at"])[window["window_s"]].items():
            same = same_percent if name in {"variation", "volatility"} else same_price
            # A standard deviation near 0 is as exact as the prices it comes from.
            assert same(window[name], value) or abs(window[name] - value) <= 1e-9 * window["mean"], (name, message)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 10**9), st.integers(1, 60), st.sampled_from((60, 300, 3600)), st.sampled_from((0, 10_000)),
    st.sampled_from((0, 1_800_000)),
)  # fmt: skip
def test_the_engine_says_what_the_text_of_the_rules_asks_for(
    seed: int, length: int, interval_s: int, grace_ms: int, max_gap_ms: int
) -> None:
    forecast_ms = max(300_000, interval_s * 1000)
    rules = replace(
        Rules(), interval_s=interval_s, grace_ms=grace_ms, forecast_ms=forecast_ms, max_gap_ms=max_gap_ms,
        params=ModelParams(interval_s),
    )  # fmt: skip
    slow = SlowRules(interval_s * 1000, grace_ms, forecast_ms, max_gap=max_gap_ms)
    _judge(random_log(seed, length), rules, slow)


@pytest.mark.parametrize("seed", range(3))
def test_it_does_so_on_longer_streams(seed: int) -> None:
    rules = replace(Rules(), history_ms=2 * HOUR_MS)
    assert _judge(random_log(seed, 250), rules, SlowRules(history=2 * HOUR_MS)) > 500
