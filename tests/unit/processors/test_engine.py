"""The engine: how bars close, what follows from them, and that nothing depends on where messages are cut."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import chain
from typing import Any, cast

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from independent import MODELS as DEFINED
from independent import expected, points_before, same_price
from independent_indicators import expected_indicators, same_value
from restoring import restored
from unit.processors.streams import MINUTE, T0, heartbeat, message, quote, random_stream

from cryptoviz.messages import NormalizedQuotes
from processors.engine import Engine, results
from processors.rules import Rules
from processors.snapshot import dump, dump_learned, load, needs_bars_after, restore_bar

RULES = Rules()
ASSETS = ("BTC", "USDT")
GRACE = RULES.grace_ms


def _run(messages: list[NormalizedQuotes], engine: Engine | None = None) -> list[Any]:
    engine = engine or Engine(ASSETS, RULES)
    return [out for offset, entry in enumerate(messages) for out in engine.apply(entry, offset)]


def _bars(out: list[Any], source: str = "binance", interval_s: int = 60) -> list[Any]:
    return [m for topic, _, m in out if topic == "bars" and m["source"] == source and m["interval_s"] == interval_s]


def test_a_bar_closes_when_the_clock_passes_its_end_by_the_grace_and_by_nothing_else() -> None:
    engine = Engine(ASSETS, RULES)
    first = message([quote(at=T0 + 5_000, price=10), quote(at=T0 + 40_000, price=12)], offset=0)
    assert _bars(engine.apply(first, 0)) == []
    assert _bars(engine.apply(heartbeat(T0 + MINUTE + GRACE - 1, offset=1), 1)) == []
    [bar] = _bars(engine.apply(heartbeat(T0 + MINUTE + GRACE, offset=2), 2))
    assert (bar["start"], bar["open"], bar["high"], bar["low"], bar["close"], bar["quotes"]) == (T0, 10, 12, 10, 12, 2)
    assert bar["id"] == f"BTC/binance/60/{T0}"


def test_open_and_close_go_by_time_and_equal_times_by_the_order_of_the_log() -> None:
    late = T0 + 50_000
    quotes = [
        quote(at=T0 + 30_000, price=3, received_at=late), quote(at=T0 + 10_000, price=1, received_at=late),
        quote(at=T0 + 30_000, price=4, received_at=late), quote(at=T0 + 20_000, price=2, received_at=late),
    ]  # fmt: skip
    [bar] = _bars(_run([message(quotes, offset=0), heartbeat(T0 + 2 * MINUTE, offset=1)]))[:1]
    assert (bar["open"], bar["close"], bar["high"], bar["low"]) == (1, 4, 4, 1)


def test_a_candle_gives_its_open_high_low_and_volume() -> None:
    candle = quote(at=T0 + MINUTE - 1, price=11, open=10, high=13, low=9, volume=5.5)
    [bar] = _bars(_run([message([candle], offset=0), heartbeat(T0 + 2 * MINUTE, offset=1)]))[:1]
    assert (bar["open"], bar["high"], bar["low"], bar["close"], bar["volume"]) == (10, 13, 9, 11, 5.5)


@pytest.mark.parametrize(
    "known", [{"open": 14.0}, {"open": 8.0}, {"open": 14.0, "high": 13.0, "low": 9.0}, {"high": 9.0}]
)
def test_a_bar_holds_its_open_and_its_close_between_its_low_and_its_high(known: dict[str, float]) -> None:
    candle = quote(at=T0 + MINUTE - 1, price=11, **known)
    [bar] = _bars(_run([message([candle], offset=0), heartbeat(T0 + 2 * MINUTE, offset=1)]))[:1]
    assert bar["low"] <= min(bar["open"], bar["close"])
    assert bar["high"] >= max(bar["open"], bar["close"])


def test_volume_stays_null_where_no_quote_has_one() -> None:
    [bar] = _bars(_run([message([quote()], offset=0), heartbeat(T0 + 2 * MINUTE, offset=1)]))[:1]
    assert bar["volume"] is None


def test_an_empty_bar_is_filled_until_the_gap_is_too_long_and_the_series_starts_anew() -> None:
    out = _run([
        message([quote(at=T0 + 1_000, price=10)], offset=0),
        heartbeat(T0 + 45 * MINUTE, offset=1),
        message([quote(at=T0 + 50 * MINUTE, price=20)], offset=2),
        heartbeat(T0 + 52 * MINUTE, offset=3),
    ])  # fmt: skip
    bars = _bars(out)
    filled = [bar for bar in bars if bar["quotes"] == 0]
    assert [bar["start"] for bar in filled] == [T0 + n * MINUTE for n in range(1, 30)]
    assert all(bar["close"] == 10 and bar["open"] == 10 for bar in filled)
    assert bars[30]["start"] == T0 + 50 * MINUTE


def test_a_slow_source_is_filled_for_three_of_its_intervals() -> None:
    slow = {"poll_interval_s": 3600.0}
    out = _run([message([quote(at=T0)], offset=0, **slow), heartbeat(T0 + 300 * MINUTE, offset=1, **slow)])
    assert len(_bars(out)) == 180


def test_a_late_quote_changes_nothing_but_the_count() -> None:
    engine = Engine(ASSETS, RULES)
    _run([message([quote(price=10)], offset=0), heartbeat(T0 + 5 * MINUTE, offset=1)], engine)
    late = message([quote(at=T0 + 1, price=99, received_at=T0 + 5 * MINUTE)], received_at=T0 + 5 * MINUTE, offset=2)
    assert engine.apply(late, 2) == []
    assert engine.counts["late", "binance"] == 1
    assert engine.latest["BTC"]["binance"].price == 10


def test_a_backlog_behind_another_source_is_late_for_all_only() -> None:
    engine = Engine(ASSETS, RULES)
    engine.apply(heartbeat(T0 + 10 * MINUTE, "coingecko", offset=0), 0)
    engine.apply(message([quote(at=T0)], "binance", offset=1), 1)
    assert dict(engine.counts) == {("late", "all"): 1}
    assert _bars(engine.apply(heartbeat(T0 + 2 * MINUTE, offset=2), 2))[0]["start"] == T0


def test_all_is_the_median_of_the_fresh_sources() -> None:
    at = T0 + 20_000
    out = _run([
        message([quote(at=at, price=10)], "binance", offset=0),
        message([quote(at=at + 1, price=11)], "coingecko", offset=1),
        message([quote(at=at + 2, price=20)], "coinmarketcap", offset=2),
        heartbeat(T0 + 2 * MINUTE, offset=3),
    ])  # fmt: skip
    [bar] = _bars(out, "all")[:1]
    assert (bar["open"], bar["high"], bar["low"], bar["close"], bar["quotes"]) == (10, 11, 10, 11, 3)


def test_the_same_raw_message_again_changes_nothing() -> None:
    stream = random_stream(5, 30)
    engine = Engine(ASSETS, RULES)
    once = _run(stream, engine)
    before = dump(engine)
    assert _run(stream[10:], engine) == []
    assert len(once) > 100
    assert load(dump(engine), ASSETS, RULES).raw_offset == load(before, ASSETS, RULES).raw_offset


def test_hours_and_days_are_made_of_the_bars() -> None:
    engine = Engine(ASSETS, RULES)
    stream = random_stream(11, 60 * 30, gap=0.0)
    out = _run([*stream, heartbeat(T0 + 3000 * MINUTE, offset=10**6)], engine)
    base = {bar["start"]: bar for bar in _bars(out) if bar["asset"] == "BTC"}
    for length in (3600, 86400):
        longer = [bar for bar in _bars(out, interval_s=length) if bar["asset"] == "BTC"]
        assert longer
        for bar in longer:
            inside = [base[start] for start in sorted(base) if bar["start"] <= start < bar["start"] + length * 1000]
            assert bar["start"] % (length * 1000) == 0
            assert bar["open"] == inside[0]["open"]
            assert bar["close"] == inside[-1]["close"]
            assert bar["high"] == max(part["high"] for part in inside)
            assert bar["low"] == min(part["low"] for part in inside)
            assert bar["quotes"] == sum(part["quotes"] for part in inside)


def test_forecasts_come_at_multiples_of_their_interval_from_the_consecutive_bars() -> None:
    out = _run(random_stream(3, 300))
    closes: dict[tuple[str, str], dict[int, float]] = {}
    made = 0
    for topic, asset, entry in out:
        if topic == "bars" and entry["interval_s"] == 60:
            closes.setdefault((asset, entry["source"]), {})[entry["start"] + MINUTE] = entry["close"]
        if topic == "predictions":
            assert entry["made_at"] % 300_000 == 0
            points = points_before(closes[asset, entry["source"]], entry["made_at"], MINUTE, RULES.history_ms)
            assert entry["points"] == len(points)
            for forecast in [entry for entry in entry["forecasts"] if entry["model"] in (*DEFINED, "consensus")]:
                wanted = expected(points, MINUTE, forecast["horizon_s"] / 3600).forecast.get(forecast["model"])
                assert same_price(forecast["forecast"], wanted)
                assert forecast["reason"] == ("" if wanted is not None else "not_enough_points")
                made += wanted is not None
    assert made > 500


def test_backfill_makes_bars_and_results_begin_at_its_last_ones() -> None:
    until = T0 + 60 * MINUTE
    history = [
        message([quote(at=T0 + n * MINUTE + 59_999, price=100 + n)], offset=n, origin="backfill", backfill_until=until)
        for n in range(60)
    ]
    out = _run([*history, heartbeat(until + GRACE, offset=60)])
    assert len(_bars(out)) == 60
    assert {m["made_at"] for topic, _, m in out if topic == "predictions"} == {until}
    assert min(m["at"] for topic, _, m in out if topic == "stats") == until - 4 * MINUTE
    assert {bar["origin"] for bar in _bars(out)} == {"backfill"}
    assert {m["origin"] for topic, _, m in out if topic == "predictions"} == {"live"}


def test_indicators_begin_early_enough_in_a_history_to_be_as_if_they_had_seen_it_all() -> None:
    bars = 1200
    until = T0 + bars * MINUTE

    def history(**fields: Any) -> list[NormalizedQuotes]:
        return [
            message([quote(at=T0 + n * MINUTE + 59_999, price=100 + 10 * math.sin(n))], offset=n, **fields)
            for n in range(bars)
        ]

    def values(out: list[Any]) -> dict[str, Any]:
        [last] = [m for topic, _, m in out if topic == "indicators" and m["at"] == until and m["source"] == "all"]
        return last["values"] if "values" in last else {k: v for k, v in last.items() if isinstance(v, float)}

    end = heartbeat(until + GRACE, offset=bars)
    filled_in = values(_run([*history(origin="backfill", backfill_until=until), end]))
    seen_all = values(_run([*history(), end]))
    assert len(seen_all) >= 10
    assert filled_in == pytest.approx(seen_all, rel=1e-12)


def _recut(stream: list[NormalizedQuotes], sizes: list[int]) -> list[NormalizedQuotes]:
    """The same quotes in other messages: as many together as `sizes` say, without joining different sources."""
    out: list[Any] = []
    for entry in stream:
        if out and out[-1]["source"] == entry["source"] and len(out[-1]["quotes"]) < sizes[len(out) % len(sizes)]:
            joined = {**out[-1], "quotes": [*out[-1]["quotes"], *entry["quotes"]], "received_at": entry["received_at"]}
            out[-1] = joined
        else:
            out.append(dict(entry))
    return [entry | {"offset": offset} for offset, entry in enumerate(out)]


def _trades(seed: int) -> list[NormalizedQuotes]:
    """A stream in which every message has a quote, so that joining messages loses no moment of a clock."""
    return [entry for entry in random_stream(seed, 120, gap=0.0) if entry["quotes"]]


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.lists(st.integers(1, 20), min_size=1, max_size=5))
def test_results_do_not_depend_on_where_messages_are_cut(seed: int, sizes: list[int]) -> None:
    stream = _trades(seed)
    end = heartbeat(T0 + 10_000 * MINUTE, offset=10**6)
    assert _by_series(_run([*_recut(stream, sizes), end])) == _by_series(_run([*stream, end]))


def _by_series(out: list[Any]) -> dict[tuple[str, str, str], list[Any]]:
    """What each topic says of each series, in order."""
    said: dict[tuple[str, str, str], list[Any]] = {}
    for topic, asset, made in out:
        said.setdefault((topic, asset, made["source"]), []).append(made)
    return said


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.lists(st.integers(1, 200), min_size=1, max_size=5))
def test_results_do_not_depend_on_how_many_steps_go_together(seed: int, sizes: list[int]) -> None:
    stream = random_stream(seed, 400)
    at_once, together = Engine(ASSETS, RULES), Engine(ASSETS, RULES)
    expected = [out for offset, entry in enumerate(stream) for out in at_once.apply(entry, offset)]
    found, left = list[Any](), 0
    for offset, entry in enumerate(stream):
        found += together.take(entry, offset)
        left = left - 1 if left else sizes[offset % len(sizes)]
        if not left:
            found += together.results()
    assert _by_series([*found, *together.results()]) == _by_series(expected)
    assert dump(together) == dump(at_once)
    assert dump_learned(together) == dump_learned(at_once)


@pytest.mark.parametrize("together", [2, 7, 200])
def test_results_do_not_depend_on_how_many_bars_of_history_a_message_has(together: int) -> None:
    ends = [T0 + (minute + 1) * MINUTE - 1 for minute in range(200)]
    candles = [[quote(asset, at, 100.0 + at % 7) for asset in ASSETS] for at in ends]
    about: Any = {"origin": "backfill", "backfill_until": ends[-1] + 1, "poll_interval_s": 60}
    alone = [message(bar, offset=offset, **about) for offset, bar in enumerate(candles)]
    parts = [candles[start : start + together] for start in range(0, len(candles), together)]
    joined = [message(chain(*part), offset=offset, **about) for offset, part in enumerate(parts)]
    live = heartbeat(ends[-1] + 10 * MINUTE, offset=len(candles))
    expected = _by_series(_run([*alone, live]))
    assert {topic for topic, _, _ in expected} >= {"bars", "predictions", "scores", "signals"}
    assert _by_series(_run([*joined, live])) == expected


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.lists(st.integers(1, 200), min_size=1, max_size=5))
def test_results_do_not_depend_on_which_partitions_go_together(seed: int, sizes: list[int]) -> None:
    homes = (("BTC",), ("USDT", "ETH"), ("SOL",))
    apart, together = ([Engine(assets, RULES) for assets in homes] for _ in range(2))
    expected, found = list[Any](), list[Any]()
    for offset, entry in enumerate(random_stream(seed, 400, assets=("BTC", "USDT", "ETH", "SOL"))):
        for alone, one in zip(apart, together, strict=True):
            mine = entry | {"quotes": [q for q in entry["quotes"] if one.row(q["asset"]) is not None]}
            expected += alone.apply(cast(Any, mine), offset)
            found += one.take(cast(Any, mine), offset)
        if offset % sizes[offset % len(sizes)] == 0:
            found += results(together[offset % 2 :])
    assert _by_series([*found, *results(together)]) == _by_series(expected)
    assert {topic for topic, _, _ in found} >= {"bars", "stats", "indicators", "predictions", "signals", "scores"}
    for alone, one in zip(apart, together, strict=True):
        assert dump(one) == dump(alone)
        assert dump_learned(one) == dump_learned(alone)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.floats(0, 1))
def test_an_engine_restored_anywhere_goes_on_as_if_nothing_had_happened(seed: int, where: float) -> None:
    stream = random_stream(seed, 300)
    cut = int(where * len(stream))
    whole, engine = Engine(ASSETS, RULES), Engine(ASSETS, RULES)
    first = _run(stream[:cut], engine)
    _run(stream[:cut], whole)
    # Results of the future, and doubles, are in the topics too: a worker that died had published them.
    ahead = [out for offset, entry in enumerate(stream[cut : cut + 20]) for out in whole.apply(entry, cut + offset)]
    found = restored(engine, [*first, *first[-5:], *ahead], ASSETS, RULES)
    assert needs_bars_after(found) <= max((t.closed_until for t in engine.tracks.values()), default=0)
    rest = list(enumerate(stream))[cut:]
    assert [o for n, m in rest for o in found.apply(m, n)] == [o for n, m in rest for o in engine.apply(m, n)]


def test_an_asset_that_is_no_longer_followed_leaves_the_state_and_the_others_go_on() -> None:
    stream, engine = random_stream(2, 120), Engine(ASSETS, RULES)
    _run(stream[:100], engine)
    fewer = load(dump(engine), ("BTC",), RULES)
    assert b"USDT" not in dump(fewer)
    rest = list(enumerate(stream))[100:]
    bars = [[o for n, m in rest for o in e.apply(m, n) if o[0] == "bars" and o[1] == "BTC"] for e in (engine, fewer)]
    assert bars[0] == bars[1] != []


@pytest.mark.parametrize("extreme", [(1e-30, 1e30), (1e30, 1e-30), (1e-30, 1e-30), (1e30, 1e30)])
def test_no_number_overflows_between_the_least_and_the_greatest_price(extreme: tuple[float, float]) -> None:
    def quotes_at(at: int, price: float) -> list[Any]:
        return [quote(at=at, price=price, volume=1e30), quote("USDT", at, extreme[1])]

    sources = ("binance", "coingecko")
    messages = [message(quotes_at(T0 + n * 20_000, extreme[n // 90 % 2]), sources[n % 2], offset=n) for n in range(450)]
    out = _run([*messages, heartbeat(T0 + 4 * 60 * MINUTE, offset=10**6)])
    numbers = list(_numbers([result for _, _, result in out]))
    assert len(numbers) > 10_000
    assert all(math.isfinite(number) for number in numbers)


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, float):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _numbers(inner)


def test_state_of_another_bar_length_is_refused() -> None:
    with pytest.raises(ValueError, match="bars of 60 s"):
        load(dump(Engine(ASSETS, RULES)), ASSETS, Rules(interval_s=300))


def _consecutive_bars(out: list[Any]) -> dict[tuple[str, str], list[list[Any]]]:
    """Base bars of each series, cut where one does not follow the other."""
    runs: dict[tuple[str, str], list[list[Any]]] = {}
    for topic, asset, bar in out:
        if topic == "bars" and bar["interval_s"] == 60:
            known = runs.setdefault((asset, bar["source"]), [])
            if not known or known[-1][-1]["start"] + MINUTE != bar["start"]:
                known.append([])
            known[-1].append(bar)
    return runs


def test_indicators_follow_from_the_consecutive_bars_and_start_anew_after_a_gap() -> None:
    out = _run(random_stream(3, 900))
    said = {entry["id"]: entry for topic, _, entry in out if topic == "indicators"}
    runs = _consecutive_bars(out)
    assert max(len(known) for known in runs.values()) > 1
    for (asset, source), known in runs.items():
        for bars in known:
            high, low, close = (np.array([bar[name] for bar in bars]) for name in ("high", "low", "close"))
            wanted = expected_indicators(high, low, close)
            for n, bar in enumerate(bars):
                entry = said.pop(f"{asset}/{source}/60/{bar['start'] + MINUTE}")
                for name, values in wanted.items():
                    assert same_value(name, entry[name], values[n], close[n]), (name, entry["id"])
    assert said == {}


def test_indicators_see_the_history_that_was_backfilled() -> None:
    until = T0 + 60 * MINUTE
    history = [
        message([quote(at=T0 + n * MINUTE + 59_999, price=100 + n)], offset=n, origin="backfill", backfill_until=until)
        for n in range(60)
    ]
    made = [m for topic, _, m in _run([*history, heartbeat(until + GRACE, offset=60)]) if topic == "indicators"]
    assert min(entry["at"] for entry in made) == until - 4 * MINUTE
    assert {entry["rsi"] for entry in made} == {100.0}


def test_state_from_before_there_were_indicators_loads_and_they_start_anew() -> None:
    engine, stream = Engine(ASSETS, RULES), random_stream(8, 60)
    _run(stream, engine)
    state = orjson.loads(dump(engine))
    for track in state["tracks"].values():
        del track["indicators"]
    found = load(orjson.dumps(state), ASSETS, RULES)
    assert found.offset == engine.offset
    for topic, _, bar in _run(stream):
        if topic == "bars":
            restore_bar(found, bar)
    after = heartbeat(stream[-1]["received_at"] + 2 * MINUTE, stream[-1]["source"], offset=10**6)
    made = [m for topic, _, m in found.apply(after, 10**6) if topic == "indicators"]
    assert made
    assert {entry["bollinger_middle"] for entry in made} == {None}


@pytest.mark.parametrize("price", [0.0, -1.0])
def test_a_bar_without_a_price_is_not_put_back(price: float) -> None:
    stream = random_stream(5, 60, gap=0.0)
    engine = Engine(ASSETS, RULES)
    bars = [bar for topic, _, bar in _run(stream, engine) if topic == "bars" and bar["interval_s"] == RULES.interval_s]
    sound, spoilt = (load(dump(engine), ASSETS, RULES) for _ in range(2))
    for bar in bars:
        restore_bar(sound, bar)
        restore_bar(spoilt, bar)
    last = bars[-1]
    restore_bar(spoilt, last | {"close": price})
    end = last["start"] + RULES.interval_ms
    histories = [found.tracks[last["source"]].history.until(end, RULES.history_ms) for found in (sound, spoilt)]
    assert np.array_equal(*histories, equal_nan=True)
