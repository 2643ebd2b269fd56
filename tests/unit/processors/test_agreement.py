"""Who counts for the price of `all`, and who is left out because it says something else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from unit.processors.streams import MINUTE, T0, heartbeat, message, quote

from processors.agreement import Agreement
from processors.engine import Engine
from processors.rules import Rules
from processors.snapshot import dump, load

RULES = Rules()


def test_those_close_together_all_count() -> None:
    agreement = Agreement()
    assert agreement.settle({"a": 100.0, "b": 101.0}, T0, RULES) == 100.5
    assert agreement.settle({"a": 100.0, "b": 101.0, "c": 102.0}, T0, RULES) == 101
    assert agreement.out == ()


def test_of_three_the_one_that_is_far_from_the_others_does_not_count() -> None:
    agreement = Agreement()
    assert agreement.settle({"a": 100.0, "b": 101.0, "c": 150.0}, T0, RULES) == 100.5
    assert agreement.out == ("c",)
    assert agreement.settle({"a": 100.0, "b": 101.0, "c": 102.0}, T0, RULES) == 101
    assert agreement.out == ()


def test_where_half_of_them_are_far_from_the_middle_nobody_is_left_out() -> None:
    agreement = Agreement()
    assert agreement.settle({"a": 100.0, "b": 100.0, "c": 200.0, "d": 200.0}, T0, RULES) == 150
    assert agreement.out == ()


def test_of_two_the_one_that_jumped_away_does_not_count_until_the_stale_time_is_over() -> None:
    agreement = Agreement()
    agreement.settle({"a": 1.0, "b": 0.9996}, T0, RULES)
    assert agreement.settle({"a": 1.0, "b": 0.9705}, T0 + 1, RULES) == 1.0
    assert agreement.out == ("b",)
    assert agreement.settle({"a": 1.0, "b": 0.9705}, T0 + 1 + RULES.stale_ms, RULES) == 1.0
    assert agreement.settle({"a": 1.0, "b": 0.9705}, T0 + 2 + RULES.stale_ms, RULES) == (1.0 + 0.9705) / 2
    assert agreement.settle({"a": 1.0, "b": 0.9705}, T0 + 2 * RULES.stale_ms, RULES) == (1.0 + 0.9705) / 2
    assert agreement.out == ()


def test_two_that_were_never_agreed_both_count() -> None:
    assert Agreement().settle({"a": 1.0, "b": 2.0}, T0, RULES) == 1.5


def test_one_alone_counts_however_far_it_goes() -> None:
    agreement = Agreement()
    assert [agreement.settle({"a": price}, T0, RULES) for price in (1.0, 5.0)] == [1.0, 5.0]
    assert agreement.settle({}, T0, RULES) is None


@pytest.mark.parametrize("divergence", [0.02, 0.04])
def test_how_far_is_a_setting(divergence: float) -> None:
    agreement = Agreement()
    agreement.settle({"a": 1.0, "b": 0.97, "c": 1.0}, T0, replace(RULES, divergence=divergence))
    assert bool(agreement.out) == (divergence < 0.03)


def _say(prices: dict[str, float], at: int) -> list[Any]:
    return [message([quote(at=at, price=price)], source, at, poll_interval_s=60.0) for source, price in prices.items()]


def test_the_ledger_says_who_was_left_out_when_and_that_it_came_back_also_after_a_restart() -> None:
    """A stablecoin at two exchanges, one of which prints 0.9705 for a minute."""
    told: list[Any] = []
    bars: dict[int, float] = {}
    engine = Engine(("BTC",), RULES)
    log = []
    for minute in range(6):
        odd = 0.9705 if minute == 2 else 0.9996
        log += _say({"kraken": 1.0, "binance_us": odd}, T0 + minute * MINUTE + 30_000)
    log += [heartbeat(T0 + 6 * MINUTE + 10_000, source) for source in ("kraken", "binance_us")]
    for offset, entry in enumerate(log):
        for topic, _, said in engine.apply({**entry, "offset": offset}, offset):
            if topic == "ledger" and said["source"] == "binance_us":
                told.append((said["state"], (said["since"] - T0) // MINUTE, said["reason"]))
            if topic == "bars" and said["source"] == "all" and said["interval_s"] == 60:
                bars[(said["start"] - T0) // MINUTE] = said["close"]
        engine = load(dump(engine), ("BTC",), RULES)
    # Its next price comes in the middle of minute 3: until then it is out.
    assert told == [("available", 0, ""), ("diverging", 2, "-2.95 % from the others"), ("available", 4, "")]
    assert bars[2] == 1.0
    assert bars[1] == bars[3] == (1.0 + 0.9996) / 2


def test_a_recorded_print_far_from_the_other_exchange_leaves_no_trace_in_all(shared_data: Path) -> None:
    """USDC on 2023-03-03, 01:35 UTC: 0.9705 at Binance.US, 1.0000 at Kraken."""
    (recording,) = (shared_data / "candles").glob("multi_exchange_1m_2023-03_*.parquet")
    since = int(datetime(2023, 3, 3, 1, 25, tzinfo=UTC).timestamp() * 1000)
    columns = ["ts", "symbol", "source", "close"]
    table = pq.read_table(recording, columns=columns, filters=[("ts", ">=", since), ("ts", "<", since + 20 * MINUTE)])
    closes = {
        (row["ts"], row["source"]): row["close"]
        for row in table.to_pylist()
        if row["symbol"] in {"USDC-USD", "USDC-USDT"}
    }
    engine, told, bars = Engine(("USDC",), RULES), [], []
    for offset, ((ts, source), close) in enumerate(sorted(closes.items())):
        candle = message(
            [quote("USDC", ts + MINUTE - 1, close)], source, ts + MINUTE - 1, offset, "replay", poll_interval_s=60.0
        )
        for topic, _, said in engine.apply(candle, offset):
            if topic == "ledger" and said["state"] == "diverging":
                told.append((said["source"], (said["since"] - since) // MINUTE))
            if topic == "bars" and said["source"] == "all" and said["interval_s"] == 60:
                bars.append(said)
    assert min(closes.values()) == 0.9705
    assert told == [("binance_us", 10)]
    assert min(bar["low"] for bar in bars) > 0.995
