from __future__ import annotations

from typing import Any, cast

import orjson
import pytest
import sink_messages as made
from fakes import FakeWriter

from processors.normalise import Position
from processors.sink_batch import Batch
from processors.sink_metrics import SinkMetrics
from processors.sink_unpack import NEWS_MS, Unpacker

MOMENTS = {
    "quotes.normalized": (made.quotes(0), made.quotes(0)["received_at"]),
    "bars": (made.bar(0), made.bar(0)["start"] + 60_000),
    "stats": (made.stats(0), made.stats(0)["at"]),
    "indicators": (made.indicators(0), made.indicators(0)["at"]),
    "predictions": (made.prediction(0), made.prediction(0)["made_at"]),
    "signals": (made.signal(0), made.signal(0)["made_at"]),
    "scores": (made.scores(0), made.scores(0)["target_at"]),
}


def unpacked(topic: str, value: bytes, filed_at: int) -> Batch:
    batch = Batch("lane")
    Unpacker(cast(Any, FakeWriter()), SinkMetrics()).add(batch, value, Position(topic, 0, 1, filed_at))
    return batch


@pytest.mark.parametrize("topic", MOMENTS)
def test_what_is_filed_soon_after_its_moment_is_news_and_what_was_replayed_is_not(topic: str) -> None:
    message, moment = MOMENTS[topic]
    value = orjson.dumps(message)
    assert unpacked(topic, value, moment + NEWS_MS - 1).news
    assert not unpacked(topic, value, moment + NEWS_MS).news


def test_one_piece_of_news_makes_a_batch_of_them() -> None:
    batch, unpacker = Batch("lane"), Unpacker(cast(Any, FakeWriter()), SinkMetrics())
    for number, late_ms in enumerate((10 * NEWS_MS, 1_000, 10 * NEWS_MS)):
        at = Position("bars", 0, number, made.bar(number)["start"] + 60_000 + late_ms)
        unpacker.add(batch, orjson.dumps(made.bar(number)), at)
    assert batch.news
    assert batch.rows == 3


@pytest.mark.parametrize(
    ("topic", "value"), [("bars", b"{"), ("quotes.raw.dead", b"{"), ("quotes.raw.dead", orjson.dumps(made.letter(1)))]
)
def test_what_was_set_aside_is_always_news(topic: str, value: bytes) -> None:
    assert unpacked(topic, value, 10**13).news
