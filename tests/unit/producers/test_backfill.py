from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise
from threading import Event

import pytest
from local_http import Asked, LocalHttp, Reply, as_json
from rig import Rig

from cryptoviz.assets import AssetRegistry
from cryptoviz.clock import ReceiptClock
from cryptoviz.partitions import partition_of
from producers.backfill import ENOUGH_QUOTES, backfill, fetch_all, slices, spans
from producers.failures import Stopped
from producers.sources.binance import Binance
from producers.sources.coingecko import CoinGecko
from producers.sources.coinmarketcap import CoinMarketCap

MakeRig = Callable[..., Rig]
MINUTE, HOUR = 60_000, 3_600_000
TWO = AssetRegistry().select(["BTC", "ETH"])


def _klines(asked: Asked) -> Reply:
    """A candle for every minute asked for, a thousand at most, the running one included."""
    start, end = int(asked.params["startTime"]), int(asked.params["endTime"])
    first = -(-start // MINUTE) * MINUTE
    return as_json([[t, "10", "12", "9", "11", "5", t + MINUTE - 1, "55", 3, "2", "20", "0"]
                    for t in range(first, end + 1, MINUTE)][:1000])  # fmt: skip


def _chart(now: int) -> Reply:
    times = range(now - 24 * HOUR, now, 5 * MINUTE)
    return as_json({"prices": [[t, 10.5] for t in times], "total_volumes": [[t, 1e9] for t in times]})


@pytest.fixture
def history(server: LocalHttp) -> LocalHttp:
    """Binance and CoinGecko with all of their past."""
    clock = ReceiptClock()
    server.answer = lambda asked: _klines(asked) if asked.path == "/api/v3/klines" else _chart(clock.now_ms())
    return server


def test_only_what_is_missing_is_asked_for() -> None:
    now = 1_735_787_045_678
    stored = {("binance", "BTC"): now - 5 * MINUTE, ("binance", "SOL"): now - 59_000, ("coingecko", "ETH"): now}
    registry = AssetRegistry().select(["BTC", "ETH", "SOL"])
    found = {span.listing.asset: span for span in spans(Binance.history, registry.feeding("binance"), stored, now, 72)}
    assert found["BTC"].start == now - 5 * MINUTE
    assert found["ETH"].start == now - 72 * HOUR
    assert "SOL" not in found  # no candle has ended since


def test_the_settings_and_the_source_bound_how_far_back_it_goes() -> None:
    now = 1_735_787_045_678
    (binance,) = spans(Binance.history, TWO.select(["BTC"]).feeding("binance"), {}, now, 6)
    (gecko,) = spans(CoinGecko.history, TWO.select(["BTC"]).feeding("coingecko"), {}, now, 72)
    assert (binance.start, gecko.start) == (now - 6 * HOUR, now - 24 * HOUR)


def test_history_is_merged_by_time_and_cut_at_bars(history: LocalHttp, rig: MakeRig) -> None:
    binance, gecko = rig(Binance(), registry=TWO), rig(CoinGecko(), registry=TWO)
    backfill([gecko.poller, binance.poller], binance.outbox, {}, 72)
    messages = binance.writer.on("quotes.raw")
    quotes = [quote for message in messages for quote in message["quotes"]]
    counts = {source: sum(len(message["quotes"]) for message in messages if message["source"] == source)
              for source in ("binance", "coingecko")}  # fmt: skip
    assert counts["binance"] in (2 * 4319, 2 * 4320)
    assert counts["coingecko"] in (2 * 287, 2 * 288)
    bars = [min(quote["at"] for quote in message["quotes"]) // MINUTE for message in messages]
    assert bars == sorted(bars)
    assert len(messages) < len(quotes) / 3
    until = max(quote["at"] for quote in quotes) + 1
    for sent in binance.writer.sent:
        message = sent.value
        assert (message["origin"], message["backfill_until"]) == ("backfill", until)
        assert message["received_at"] == max(quote["received_at"] for quote in message["quotes"])
        stamps = [quote["at"] for quote in message["quotes"]]
        assert stamps == sorted(stamps)
        first, last = stamps[0] // MINUTE + 1, stamps[-1] // MINUTE
        assert not any(first <= quote["at"] // MINUTE < last for other in messages
                       if other["source"] != message["source"] for quote in other["quotes"])  # fmt: skip
        assert {partition_of(quote["asset"], 4) for quote in message["quotes"]} == {sent.partition}
        assert all(quote["received_at"] == quote["at"] for quote in message["quotes"])
        assert message["poll_interval_s"] == {"binance": 60, "coingecko": 300}[message["source"]]
    for log in ((source, partition) for source in counts for partition in range(4)):
        own = [sent.value for sent in binance.writer.sent if (sent.value["source"], sent.partition) == log]
        assert all(one["received_at"] <= two["received_at"] for one, two in pairwise(own))


def test_nothing_comes_twice_and_nothing_after_now(history: LocalHttp, rig: MakeRig) -> None:
    binance = rig(Binance(), registry=TWO)
    backfill([binance.poller], binance.outbox, {}, 72)
    ids = [(quote["asset"], quote["at"], quote["ref"]) for quote in binance.quotes()]
    assert len(ids) == len(set(ids))
    assert max(quote["at"] for quote in binance.quotes()) <= binance.clock.now_ms()


def test_a_restart_fetches_only_what_came_after_the_last_stored_quote(history: LocalHttp, rig: MakeRig) -> None:
    binance = rig(Binance(), registry=TWO)
    now = binance.clock.now_ms()
    backfill([binance.poller], binance.outbox, {("binance", asset): now - 10 * MINUTE for asset in ("BTC", "ETH")}, 72)
    stamps = [quote["at"] for quote in binance.quotes()]
    assert len(history.asked) == 2
    assert len(stamps) in (18, 20)
    assert min(stamps) > now - 10 * MINUTE


def test_a_source_that_fails_starts_without_history_and_the_others_with_theirs(
    history: LocalHttp, rig: MakeRig, caplog: pytest.LogCaptureFixture
) -> None:
    answer = history.answer
    history.answer = lambda asked: as_json({}, 451) if asked.path == "/api/v3/klines" else answer(asked)
    binance, gecko = rig(Binance(), registry=TWO), rig(CoinGecko(), registry=TWO)
    backfill([binance.poller, gecko.poller], binance.outbox, {}, 72)
    assert {message["source"] for message in binance.writer.on("quotes.raw")} == {"coingecko"}
    assert sum(asked.path == "/api/v3/klines" for asked in history.asked) == 1
    assert "binance starts without history of BTC, ETH (http_451)" in caplog.text


def test_one_symbol_that_is_refused_costs_only_itself(history: LocalHttp, rig: MakeRig) -> None:
    answer = history.answer
    unknown = as_json({"code": -1121, "msg": "Invalid symbol."}, 400)
    history.answer = lambda asked: unknown if asked.params.get("symbol") == "BTCUSDT" else answer(asked)
    binance = rig(Binance(), registry=TWO)
    backfill([binance.poller], binance.outbox, {}, 72)
    assert {quote["asset"] for quote in binance.quotes()} == {"ETH"}


def test_a_page_that_fails_costs_the_symbol_all_of_its_history(history: LocalHttp, rig: MakeRig) -> None:
    """Half of it would leave a hole right before the present."""
    answer, pages = history.answer, []

    def third_page_fails(asked: Asked) -> Reply:
        pages.append(asked)
        return as_json({"code": -1100, "msg": "no"}, 400) if len(pages) == 3 else answer(asked)

    history.answer = third_page_fails
    binance = rig(Binance(), registry=TWO)
    backfill([binance.poller], binance.outbox, {}, 72)
    assert {quote["asset"] for quote in binance.quotes()} == {"ETH"}


def test_a_short_limit_is_waited_for_and_a_long_one_is_kept_for_the_polls(history: LocalHttp, rig: MakeRig) -> None:
    answer, limits = history.answer, iter([as_json({}, 429, Retry_After="1")])
    history.answer = lambda asked: next(limits, None) or answer(asked)
    binance = rig(Binance(), registry=TWO)
    found = fetch_all([binance.poller], {}, binance.clock.now_ms(), 1)
    assert found["binance"].failed == {}
    history.answer = lambda _: as_json({}, 429, Retry_After="300")
    found = fetch_all([binance.poller], {}, binance.clock.now_ms(), 1)
    assert set(found["binance"].failed) == {"BTC", "ETH"}
    assert binance.asker.paused_s() > 290


def test_history_ends_at_its_deadline(history: LocalHttp, rig: MakeRig) -> None:
    started = time.monotonic()
    gecko = rig(CoinGecko(), registry=TWO, per_minute=1)
    found = fetch_all([gecko.poller], {}, gecko.clock.now_ms(), 24, deadline_s=3)
    assert time.monotonic() - started < 20
    assert found["coingecko"].failed == {"ETH": "no_time: the time for history is over"}
    assert {quote["asset"] for quote in found["coingecko"].quotes} == {"BTC"}


def test_a_history_that_hangs_does_not_hold_up_the_end_of_the_process(history: LocalHttp, rig: MakeRig) -> None:
    release = Event()
    binance = rig(Binance(), registry=TWO, timeout_s=10)
    history.answer = lambda _: Reply(hold=lambda: (binance.stop.set(), release.wait(10)))
    started = time.monotonic()
    with pytest.raises(Stopped):
        fetch_all([binance.poller], {}, binance.clock.now_ms(), 1)
    release.set()
    assert time.monotonic() - started < 9


def test_a_source_without_history_is_not_asked_for_it(history: LocalHttp, rig: MakeRig) -> None:
    market_cap = rig(CoinMarketCap(), registry=TWO, key="k")
    backfill([market_cap.poller], market_cap.outbox, {}, 72)
    assert history.asked == []
    assert market_cap.writer.sent == []


def test_points_of_the_same_moment_are_ordered_by_source_and_symbol() -> None:
    quotes = [("b", {"at": 5, "symbol": "2"}), ("a", {"at": 5, "symbol": "9"}), ("b", {"at": 5, "symbol": "1"}),
              ("a", {"at": 3, "symbol": "9"}), ("a", {"at": 12, "symbol": "9"})]  # fmt: skip
    cut = [(source, [(quote["at"], quote["symbol"]) for quote in some]) for source, some in slices(quotes, 10)]
    assert cut == [("a", [(3, "9"), (5, "9")]), ("b", [(5, "1"), (5, "2")]), ("a", [(12, "9")])]


def test_bars_that_are_one_sources_alone_go_together_until_there_are_enough_quotes() -> None:
    quotes = [("a", {"at": 10 * bar, "symbol": "9"}) for bar in range(ENOUGH_QUOTES + 2)]
    quotes += [("b", {"at": 10 * ENOUGH_QUOTES + 1, "symbol": "9"})]
    cut = [(source, some[0]["at"] // 10, len(some)) for source, some in slices(quotes, 10)]
    assert cut == [("a", 0, ENOUGH_QUOTES), ("a", ENOUGH_QUOTES, 1), ("b", ENOUGH_QUOTES, 1),
                   ("a", ENOUGH_QUOTES + 1, 1)]  # fmt: skip
