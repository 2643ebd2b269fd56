from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from threading import Thread
from typing import Any

import pytest
from local_http import Asked, LocalHttp, Reply, as_json
from rig import Rig
from waiting import wait_until

from cryptoviz.assets import AssetRegistry
from cryptoviz.partitions import partition_of
from producers.poller import BLOCKED_S, LIMITED_S
from producers.sources.binance import Binance
from producers.sources.coinmarketcap import CoinMarketCap

MakeRig = Callable[..., Rig]
THREE = AssetRegistry().select(["BTC", "ETH", "SOL"])
STAMP = 1_735_787_045_678


def _tickers(asked: Asked, **changes: Any) -> Reply:
    symbols = json.loads(asked.params["symbols"])
    return as_json([{"symbol": symbol, "lastPrice": "10.5", "closeTime": STAMP} | changes for symbol in symbols])


def test_each_poll_is_one_request_and_one_message_per_partition(server: LocalHttp, rig: MakeRig) -> None:
    server.answer = _tickers
    each = rig(Binance())
    each.poller.poll()
    assert len(server.asked) == 1
    assert each.state == "available"
    partitions = [sent.partition for sent in each.writer.sent]
    assert len(partitions) == len(set(partitions))
    for sent in each.writer.sent:
        assert (sent.value["source"], sent.value["origin"], sent.value["interval_s"]) == ("binance", "live", 60)
        assert {partition_of(quote["asset"], 4) for quote in sent.value["quotes"]} == {sent.partition}
    assert each.count("quotes_total", origin="live") == len(AssetRegistry().feeding("binance"))


def test_an_answer_with_the_same_stamp_is_published_and_flagged(server: LocalHttp, rig: MakeRig) -> None:
    server.answer = _tickers
    each = rig(Binance(), registry=THREE)
    each.poller.poll()
    each.poller.poll()
    server.answer = lambda asked: _tickers(asked, closeTime=STAMP + 1)
    each.poller.poll()
    assert [quote.get("repeated", False) for quote in each.quotes()] == [False] * 3 + [True] * 3 + [False] * 3
    assert each.count("repeated_total") == 3


def test_quotes_without_a_stamp_are_never_called_repeated(server: LocalHttp, rig: MakeRig) -> None:
    server.answer = lambda asked: _tickers(asked, closeTime=None)
    each = rig(Binance(), registry=THREE)
    each.poller.poll()
    each.poller.poll()
    assert not any(quote.get("repeated") for quote in each.quotes())


def test_a_bad_item_costs_itself_alone_is_set_aside_once_and_counted_always(
    server: LocalHttp, rig: MakeRig, caplog: pytest.LogCaptureFixture
) -> None:
    bad = [{"symbol": "BTCUSDT", "lastPrice": "0"}, {"symbol": "ETHUSDT", "lastPrice": "3"}]
    server.answer = lambda _: as_json(bad)
    each = rig(Binance(), registry=THREE)
    for _ in range(3):
        each.poller.poll()
    assert [quote["asset"] for quote in each.quotes()] == ["ETH"] * 3
    assert [(letter["reason"], letter["payload"]) for letter in each.letters()] == [
        ("bad_price", '{"symbol":"BTCUSDT","lastPrice":"0"}'),
        ("missing", "null"),
    ]
    assert each.count("rejected_total", reason="bad_price") == 3
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "bad_price: BTCUSDT" in caplog.text
    server.answer = _tickers
    each.poller.poll()
    server.answer = lambda _: as_json(bad)
    each.poller.poll()
    assert len(each.letters()) == 4


def test_a_flood_of_rubbish_is_counted_but_does_not_fill_kafka(server: LocalHttp, rig: MakeRig) -> None:
    server.answer = lambda _: as_json([{"symbol": f"X{number}", "lastPrice": "1"} for number in range(5000)])
    each = rig(Binance(), registry=THREE)
    each.poller.poll()
    assert each.count("rejected_total", reason="unknown_symbol") == 5000
    assert len(each.letters()) == 100
    assert (each.state, each.reason) == ("failing", "no_quotes")


def test_an_answer_of_another_shape_is_kept_whole(server: LocalHttp, rig: MakeRig) -> None:
    server.answer = lambda _: as_json({"result": None, "id": 1})
    each = rig(Binance())
    each.poller.poll()
    each.poller.poll()
    assert [letter["payload"] for letter in each.letters()] == ['{"result":null,"id":1}']
    assert (each.state, each.reason) == ("failing", "wrong_shape")


def test_retry_after_is_obeyed(server: LocalHttp, rig: MakeRig) -> None:
    server.answer = lambda _: as_json({}, 429, Retry_After="77")
    each = rig(Binance())
    each.poller.poll()
    assert len(server.asked) == 1
    assert 76 < each.asker.paused_s() <= 77
    assert each.state == "rate_limited"
    status = each.condition.status(each.clock.now_ms())
    assert 76_000 < status["until"] - status["since"] <= 77_000


def test_a_source_that_is_polled_rarely_is_asked_again_when_it_said_not_a_whole_interval_later(
    server: LocalHttp, rig: MakeRig
) -> None:
    replies = iter([as_json({}, 429, Retry_After="1"), as_json({}, 503, Retry_After="1")])
    server.answer = lambda asked: next(replies, None) or _tickers(asked)
    each = rig(Binance(), registry=THREE, interval_s=600)
    thread = Thread(target=each.poller.run)
    thread.start()
    wait_until(lambda: len(each.quotes()) == 3, 20, "the poll after both pauses")
    each.stop.set()
    thread.join(2)
    assert not thread.is_alive()
    assert each.state == "available"  # which it is a moment after its quotes are sent
    assert len(server.asked) == 3


def test_a_limit_that_names_no_time_is_waited_out_longer_and_longer(server: LocalHttp, rig: MakeRig) -> None:
    server.answer = lambda _: as_json({}, 429)
    each = rig(Binance())
    pauses = []
    for _ in range(6):
        each.poller.poll()
        pauses.append(round(each.asker.paused_s()))
    assert pauses == [LIMITED_S, 2 * LIMITED_S, 4 * LIMITED_S, 8 * LIMITED_S, BLOCKED_S, BLOCKED_S]


@pytest.mark.parametrize(
    ("status", "advice"),
    [(401, "CRYPTOVIZ_COINMARKETCAP_API_KEY"), (403, "CRYPTOVIZ_COINMARKETCAP_API_KEY"), (451, "this country")],
)
def test_a_source_that_refuses_us_is_asked_rarely_and_the_log_says_what_to_do(
    server: LocalHttp, rig: MakeRig, caplog: pytest.LogCaptureFixture, status: int, advice: str
) -> None:
    server.answer = lambda _: as_json({"status": {"error_code": 1001, "error_message": "No."}}, status)
    each = rig(CoinMarketCap(), key="s3cr3t")
    each.poller.poll()
    each.poller.poll()
    assert len(server.asked) == 2
    assert each.asker.paused_s() > BLOCKED_S - 5
    assert each.state == "blocked"
    assert len(caplog.records) == 1
    assert advice in caplog.text
    assert "s3cr3t" not in caplog.text


def test_a_short_trouble_is_over_within_the_poll(server: LocalHttp, rig: MakeRig) -> None:
    replies = iter([as_json({}, 500), Reply(b"<html>", 502), Reply(b'[{"symbol":')])
    server.answer = lambda asked: next(replies, None) or _tickers(asked)
    each = rig(Binance(), registry=THREE, interval_s=60.0)
    each.poller.poll()
    assert len(server.asked) == 4
    assert (each.state, len(each.quotes())) == ("available", 3)


def test_polling_goes_on_after_every_kind_of_failure_and_stops_when_told(server: LocalHttp, rig: MakeRig) -> None:
    odd = [as_json(None), as_json({"code": -1, "msg": "?"}), as_json([])]
    replies = iter([Reply(b"", 500), Reply(b"<html>"), Reply(b"{"), *odd])
    server.answer = lambda asked: next(replies, None) or _tickers(asked)
    each = rig(Binance(), registry=THREE, interval_s=0.05)
    thread = Thread(target=each.poller.run)
    thread.start()
    wait_until(lambda: len(each.quotes()) >= 9, 10, "three good polls")
    each.stop.set()
    thread.join(2)
    assert not thread.is_alive()


def test_while_kafka_is_away_nothing_is_asked_and_afterwards_it_goes_on(server: LocalHttp, rig: MakeRig) -> None:
    server.answer = _tickers
    each = rig(Binance(), registry=THREE, interval_s=0.02, limit=5)
    each.writer.away = True
    thread = Thread(target=each.poller.run)
    thread.start()
    wait_until(lambda: each.outbox.full, 5, "a full buffer")
    held, asked = each.writer.pending, len(server.asked)
    assert held <= 5 + 3
    deadline = time.monotonic() + 0.5
    wait_until(lambda: time.monotonic() > deadline, 2, "half a second")
    assert (each.writer.pending, len(server.asked)) == (held, asked)
    each.writer.away = False
    wait_until(lambda: len(server.asked) > asked + 2, 5, "polls after Kafka came back")
    each.stop.set()
    thread.join(2)


def test_a_stamp_from_the_future_is_rejected(server: LocalHttp, rig: MakeRig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    each = rig(Binance(), registry=THREE)
    server.answer = lambda asked: _tickers(asked, closeTime=each.clock.now_ms() + 60_000)
    each.poller.poll()
    assert each.quotes() == []
    assert {letter["reason"] for letter in each.letters()} == {"future"}


def _without_ethereum(asked: Asked) -> Reply:
    """As Binance does: one symbol it does not list spoils the whole request."""
    if "ETHUSDT" in asked.params["symbols"]:
        return as_json({"code": -1121, "msg": "Invalid symbol."}, 400)
    return _tickers(asked)


def test_a_symbol_that_spoils_the_request_is_found_and_left_out(
    server: LocalHttp, rig: MakeRig, caplog: pytest.LogCaptureFixture
) -> None:
    server.answer = _without_ethereum
    each = rig(Binance(), registry=THREE)
    each.poller.poll()
    each.poller.poll()
    assert sorted(quote["asset"] for quote in each.quotes()) == ["BTC", "BTC", "SOL", "SOL"]
    assert len(server.asked) == 1 + 3 + 1 + 1
    assert "binance does not know ETHUSDT any more" in caplog.text
    assert each.state == "available"


def test_a_request_that_is_refused_for_every_symbol_is_not_narrowed_again_and_again(
    server: LocalHttp, rig: MakeRig
) -> None:
    server.answer = lambda _: as_json({"code": -1100, "msg": "Illegal characters."}, 400)
    each = rig(Binance(), registry=THREE)
    each.poller.poll()
    each.poller.poll()
    assert len(server.asked) == 1 + 3 + 1
    assert (each.state, each.reason) == ("failing", "http_400")
