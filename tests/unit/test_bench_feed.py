"""What the benchmarks feed: messages that the product takes as they are, as many quotes as said."""

from __future__ import annotations

import orjson

from bench.feed import SOURCES, Feed, live_messages, messages
from cryptoviz.assets import AssetRegistry
from cryptoviz.settings import load_settings
from processors.normalise import Normaliser, Position


def _normalised(partition: int, value: bytes) -> int:
    received_at = orjson.loads(value)["received_at"]
    message, dead = Normaliser(AssetRegistry(), 4, 60).normalise(
        value, Position("quotes.raw", partition, 0, received_at)
    )
    assert message is not None
    assert not dead
    return len(message["quotes"])


def test_ticks_and_candles_are_taken_whole_and_in_order_of_time() -> None:
    for feed in (Feed(7), Feed(3, per_minute=200)):
        made = list(messages(feed))
        assert sum(_normalised(*one) for one in made) == feed.quotes
        for source in SOURCES:
            times = [m["received_at"] for _, value in made if (m := orjson.loads(value))["source"] == source]
            assert times == sorted(times)
        assert max(len(orjson.loads(value)["quotes"]) for _, value in made) <= 2 * feed.per_message


def test_the_same_seed_makes_the_same_feed() -> None:
    assert list(messages(Feed(5))) == list(messages(Feed(5)))
    assert list(messages(Feed(5))) != list(messages(Feed(5, seed=8)))


def test_live_quotes_are_received_now_and_none_is_another() -> None:
    settings, now_ms = load_settings(), 1_790_000_000_000
    made = [orjson.loads(value) for _, value in live_messages("coingecko", 30, now_ms, settings)]
    quotes = [quote for message in made for quote in message["quotes"]]
    assert {quote["received_at"] for quote in quotes} == {now_ms}
    assert len({(quote["asset"], quote["ref"]) for quote in quotes}) == 30
