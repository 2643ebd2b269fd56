"""Messages and topics as a contract: every topic's message has a schema, and what is produced fits it."""

from __future__ import annotations

import orjson
from jsonschema import Draft202012Validator
from unit.processors.streams import T0, heartbeat, random_stream

from cryptoviz.messages import (
    Bar,
    Indicators,
    LedgerEntry,
    NormalizedQuotes,
    Prediction,
    RawQuotes,
    Signal,
    Stats,
    encode,
    schema_of,
)
from cryptoviz.settings import Settings
from cryptoviz.topics import TOPICS
from processors.engine import Engine
from processors.rules import Rules
from producers.raw import Envelope

RESULTS = {
    "bars": Bar, "stats": Stats, "indicators": Indicators, "predictions": Prediction, "signals": Signal,
    "ledger": LedgerEntry,
}  # fmt: skip


def test_what_the_engine_makes_fits_the_schemas() -> None:
    engine = Engine(("BTC", "USDT"), Rules())
    checks = {topic: Draft202012Validator(schema_of(message)) for topic, message in RESULTS.items()}
    seen = set()
    normalized = Draft202012Validator(schema_of(NormalizedQuotes))
    for offset, message in enumerate(random_stream(2, 60)):
        normalized.validate(orjson.loads(encode(message)))
        for topic, asset, result in engine.apply(message, offset):
            checks[topic].validate(orjson.loads(encode(result)))
            assert result["asset"] == asset
            seen.add(topic)
    assert seen == set(RESULTS)


def test_raw_messages_and_heartbeats_fit_their_schema_and_reach_every_partition() -> None:
    check = Draft202012Validator(schema_of(RawQuotes))
    envelope = Envelope("binance", "live", 60, 10.0, 4)
    beats = list(envelope.heartbeats(T0, {"state": "available", "since": T0, "until": None, "reason": ""}))
    assert [partition for partition, _ in beats] == [0, 1, 2, 3]
    quotes = [quote for message in random_stream(1, 5) for quote in message["quotes"]]
    for _, value in [*beats, *envelope.messages(quotes)]:
        check.validate(orjson.loads(value))
    assert heartbeat(T0)["quotes"] == []


def test_every_topic_is_named_once_and_every_one_but_the_state_has_a_dead_letter_topic() -> None:
    names = [topic.name for topic in TOPICS]
    assert len(names) == len(set(names))
    for name in names:
        assert name.endswith(".dead") or name == "worker.state" or f"{name}.dead" in names


def test_the_broker_stamps_every_record_and_bars_outlive_what_a_restart_reads() -> None:
    settings = Settings()
    for topic in TOPICS:
        config = topic.config(settings)
        assert config["message.timestamp.type"] == "LogAppendTime"
        if topic.keeping == "result":
            assert int(config["retention.ms"]) > 72 * 3_600_000
