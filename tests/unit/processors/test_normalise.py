"""Normalising: what passes, and the reason for each thing that does not."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from cryptoviz.assets import AssetRegistry
from cryptoviz.kafka import MAX_MESSAGE_BYTES
from cryptoviz.messages import MOST_QUOTES, NormalizedQuotes, encode
from cryptoviz.partitions import partition_of
from processors.normalise import AHEAD_MS, KEPT_BYTES, MOST_BYTES, Normaliser, Position

NOW = 1_700_000_000_000
MIB = 1024 * 1024
HOME = partition_of("BTC", 4)
AT = Position("quotes.raw", HOME, 7, NOW + 5)
NORMALISER = Normaliser(AssetRegistry(), 4, 60)


def _quote(**fields: Any) -> dict[str, Any]:
    return {
        "asset": "BTC", "name": "Bitcoin", "symbol": "BTCUSDT", "ref": "", "currency": "USDT", "price": 98_000.5,
        "open": None, "high": None, "low": None, "volume": None, "percent_change_24h": 1.5, "market_cap": None,
        "volume_24h": 12.0, "event_at": NOW - 100, "received_at": NOW, "at": NOW, **fields,
    }  # fmt: skip


def _raw(*quotes: Any, **fields: Any) -> bytes:
    return orjson.dumps(
        {"source": "binance", "origin": "live", "received_at": NOW, "interval_s": 60, "poll_interval_s": 10.0,
         "quotes": list(quotes)} | fields
    )  # fmt: skip


def test_good_quotes_pass_with_their_place_in_the_log() -> None:
    message, dead = NORMALISER.normalise(_raw(_quote(), _quote(symbol="BTCUSDC", currency="USDC")), AT)
    assert dead == []
    assert message is not None
    assert (message["topic"], message["partition"], message["offset"]) == ("quotes.raw", HOME, 7)
    assert [(quote["item"], quote["feeds"]) for quote in message["quotes"]] == [(0, True), (1, False)]
    TypeAdapter(NormalizedQuotes).validate_python(message)


def test_a_heartbeat_passes() -> None:
    status = {"state": "available", "since": NOW, "until": None, "reason": ""}
    message, dead = NORMALISER.normalise(_raw(status=status), AT)
    assert dead == []
    assert message is not None
    assert message["status"] == status
    assert message["quotes"] == []


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"price": 0}, "wrong_schema"),
        ({"price": -1}, "wrong_schema"),
        ({"price": None}, "wrong_schema"),
        ({"price": "much"}, "wrong_schema"),
        ({"price": 1e300}, "wrong_schema"),
        ({"price": 1e-300}, "wrong_schema"),
        ({"volume": 1e300}, "wrong_schema"),
        ({"market_cap": -1}, "wrong_schema"),
        ({"at": -1}, "wrong_schema"),
        ({"symbol": "ETHUSDT"}, "unknown_symbol"),
        ({"symbol": "NOPE"}, "unknown_symbol"),
        ({"asset": "ETH", "symbol": "ETHUSDT"}, "wrong_partition"),
        ({"event_at": NOW + 5_001}, "future"),
        ({"at": NOW + 5_001}, "future"),
        ({"received_at": NOW + 1}, "received_after_message"),
        ({"high": 1.0, "low": 2.0}, "inconsistent_candle"),
    ],
)
def test_a_bad_quote_is_set_aside_with_its_reason_and_the_good_one_beside_it_passes(
    fields: dict[str, Any], reason: str
) -> None:
    message, [letter] = NORMALISER.normalise(_raw(_quote(**fields), _quote()), AT)
    assert (letter["reason"], letter["item"], letter["offset"], letter["source"]) == (reason, 0, 7, "binance")
    assert orjson.loads(letter["payload"])["symbol"] == _quote(**fields)["symbol"]
    assert message is not None
    assert [quote["item"] for quote in message["quotes"]] == [1]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (b"", "not_json"),
        (None, "not_json"),
        (b"{", "not_json"),
        (b"\xff\xfe", "not_json"),
        (b"[1, 2]", "wrong_schema"),
        (b'{"quotes": 3}', "wrong_schema"),
        (_raw(_quote(), source=""), "wrong_schema"),
        (_raw(_quote(), origin="rumour"), "wrong_schema"),
        (_raw(_quote(), interval_s=300), "wrong_interval"),
        (_raw(_quote(price=-1), interval_s=300), "wrong_interval"),
        (_raw(poll_interval_s=-1), "wrong_schema"),
        (_raw(poll_interval_s=1e300), "wrong_schema"),
        (_raw(source="all"), "unknown_source"),
        (_raw(source="nobody"), "unknown_source"),
        (b'{"source": NaN}', "not_json"),
    ],
)
def test_an_unreadable_message_is_kept_whole(value: bytes | None, reason: str) -> None:
    message, [letter] = NORMALISER.normalise(value, AT)
    assert message is None
    assert (letter["reason"], letter["topic"], letter["partition"], letter["offset"]) == (reason, "quotes.raw", HOME, 7)
    kept = letter["payload"].encode() if letter["encoding"] == "utf-8" else base64.b64decode(letter["payload"])
    assert kept == (value or b"")


def test_an_item_too_deep_to_be_written_again_does_not_stop_the_good_one_beside_it() -> None:
    deep = b"[" * 600 + b"]" * 600
    message, [letter] = NORMALISER.normalise(_raw(_quote(), "here").replace(b'"here"', deep), AT)
    assert (letter["reason"], letter["item"]) == ("wrong_schema", 1)
    assert "too deeply" in letter["payload"]
    assert message is not None
    assert len(message["quotes"]) == 1


def test_a_message_from_the_future_cannot_set_the_clock_of_its_source() -> None:
    ahead = AT.timestamp + AHEAD_MS
    assert NORMALISER.normalise(_raw(_quote(), received_at=ahead), AT)[1] == []
    for quotes in ([], [_quote()], [_quote(price=-1)]):
        message, [letter] = NORMALISER.normalise(_raw(*quotes, received_at=ahead + 1), AT)
        assert message is None
        assert letter["reason"] == "future"


def test_what_was_received_long_ago_passes_for_it_is_history_or_a_replay() -> None:
    past = {"received_at": NOW - 10**11, "at": NOW - 10**11, "event_at": None}
    message, dead = NORMALISER.normalise(_raw(_quote(**past), received_at=past["received_at"], origin="replay"), AT)
    assert dead == []
    assert message is not None


def test_a_source_that_lists_none_of_the_assets_followed_still_beats() -> None:
    few = Normaliser(AssetRegistry().select(["TRX"]), 4, 60)
    assert few.normalise(_raw(source="yahoo"), AT)[1] == []


_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(_quote())), _json), _json, st.binary(max_size=40))
def test_nothing_that_comes_in_stops_the_normaliser(fields: dict[str, Any], other: Any, noise: bytes) -> None:
    for value in (_raw(_quote(**fields), other), orjson.dumps(other), noise):
        message, dead = NORMALISER.normalise(value, AT)
        assert message is not None or dead
        orjson.dumps([message, dead])


@pytest.mark.parametrize(
    ("value", "reason", "begins"),
    [
        (b"\xff" * (8 * MIB - 1024), "too_large", "\\xff"),
        (b"\x01" * (8 * MIB - 1024), "too_large", "\x01"),
        (b"\xff" * (4 * MIB), "not_json", "\\xff"),
        (_raw(0).replace(b"[0]", b"[" + b"0," * (2 * MIB - 1024) + b"0]"), "too_many_quotes", "{"),
    ],
    ids=["not text", "control signs", "half of that", "two million items"],
)
def test_the_largest_message_there_may_be_gets_one_letter_that_fits_into_a_message(
    value: bytes, reason: str, begins: str
) -> None:
    message, [letter] = NORMALISER.normalise(value, AT)
    assert message is None
    assert (letter["reason"], letter["encoding"]) == (reason, "cut")
    assert letter["payload"].startswith(begins)
    assert letter["detail"].endswith(f"(kept: {KEPT_BYTES} of {len(value)} bytes)")
    assert len(encode(letter)) < MAX_MESSAGE_BYTES


def test_what_the_largest_raw_message_becomes_fits_into_a_message() -> None:
    long = {"name": "n" * 128, "ref": "r" * 128, "price": 1e15, "volume_24h": 1e15, "market_cap": 1e15}
    value = _raw(*[_quote(**long)] * MOST_QUOTES)
    value = _raw(*[_quote(**long)] * (MOST_QUOTES * MOST_BYTES // len(value) - 1))
    assert MOST_BYTES - 1024 < len(value) <= MOST_BYTES
    message, dead = NORMALISER.normalise(value, AT)
    assert dead == []
    assert len(encode(message)) < MAX_MESSAGE_BYTES
