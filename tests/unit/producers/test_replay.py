"""The feed: order, cuts, closing heartbeats, pace and back pressure."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest
from fakes import FakeWriter
from pydantic import TypeAdapter
from recorded_files import START, candles, ticks

from cryptoviz.assets import AssetRegistry
from cryptoviz.errors import Retryable
from cryptoviz.messages import RawQuotes
from cryptoviz.partitions import partition_of
from cryptoviz.settings import Settings
from producers.recorded_rows import Judged, judge
from producers.recordings import read_recording
from producers.replay import BARS_PER_MESSAGE, FEWEST_QUOTES, Pace, closing_time, feed

SETTINGS = Settings(_env_file=None)


def judged(*paths: Path) -> Judged:
    return judge([read_recording(path) for path in paths], AssetRegistry())


def minutes(tmp_path: Path, count: int, **columns: list[object]) -> Judged:
    return judged(candles(tmp_path / "a.parquet", [START + 60_000 * n for n in range(count)], **columns))


def two_sources(tmp_path: Path) -> Judged:
    lines = [
        f"{START + n},{START + n},{exchange},BTC-USD,trade,{100 + n},1,buy,{n},,,,"
        for n, exchange in enumerate(["kraken", "kraken", "coinbase", "kraken"])
    ]
    return judged(ticks(tmp_path / "t.csv", *lines))


@dataclass
class FakePace:
    """Time that passes only by sleeping."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    def sleep(self, seconds: float) -> None:
        self.slept.append(round(seconds, 6))
        self.now += seconds

    def at(self, speed: float | None) -> Pace:
        return Pace(speed, lambda: self.now, self.sleep)


class FullWriter(FakeWriter):
    """Has room for two messages until it is asked to wait."""

    refused = 0

    def send(self, topic: str, partition: int, value: bytes, key: bytes | None = None) -> None:
        if self.pending >= 2:
            self.refused += 1
            raise Retryable("full")
        self.away = True
        super().send(topic, partition, value, key)

    def flush(self, timeout_s: float) -> bool:
        self.away = False
        return super().flush(timeout_s)


def test_messages_keep_the_order_of_the_feed_and_hold_one_source_each(tmp_path: Path) -> None:
    writer = FakeWriter()
    feed(two_sources(tmp_path), writer, SETTINGS, Pace(None))
    messages = [message for message in writer.on("quotes.raw") if message["quotes"]]
    assert [message["source"] for message in messages] == ["kraken", "coinbase", "kraken"]
    assert [quote["price"] for message in messages for quote in message["quotes"]] == [100, 101, 102, 103]
    assert [message["received_at"] for message in messages] == [START + 1, START + 2, START + 3]
    for message in messages:
        assert TypeAdapter(RawQuotes).validate_python(message)
        assert (message["origin"], message["interval_s"], message["poll_interval_s"]) == ("replay", 60, 10.0)
    assert {sent.partition for sent in writer.sent if sent.value["quotes"]} == {partition_of("BTC", 4)}


@pytest.mark.parametrize(("step_s", "most"), [(60, BARS_PER_MESSAGE), (300, 20), (3600, FEWEST_QUOTES)])
def test_a_message_is_cut_before_it_makes_too_many_bars(tmp_path: Path, step_s: int, most: int) -> None:
    start, writer = START // 3_600_000 * 3_600_000, FakeWriter()
    starts = [start + step_s * 1000 * n for n in range(210)]
    feed(judged(candles(tmp_path / "a.parquet", starts)), writer, SETTINGS, Pace(None))
    sizes = [len(message["quotes"]) for message in writer.on("quotes.raw") if message["quotes"]]
    assert sum(sizes) == 210
    assert set(sizes[:-1]) == {most}
    assert sizes[-1] <= most


def test_heartbeats_of_every_source_close_the_last_bar_in_every_partition(tmp_path: Path) -> None:
    writer = FakeWriter()
    found = two_sources(tmp_path)
    feed(found, writer, SETTINGS, Pace(None))
    beats = [sent for sent in writer.sent if sent.topic == "quotes.raw" and not sent.value["quotes"]]
    bar_end = START // 60_000 * 60_000 + 60_000
    assert {(sent.value["source"], sent.partition) for sent in beats} == {
        (source, partition) for source in ("kraken", "coinbase") for partition in range(SETTINGS.partitions)
    }
    assert {sent.value["received_at"] for sent in beats} == {bar_end + 10_000} == {closing_time(found.rows, SETTINGS)}
    assert writer.sent[-len(beats) :] == beats


def test_a_candle_closes_the_bar_that_it_ends_with(tmp_path: Path) -> None:
    assert closing_time(minutes(tmp_path, 3).rows, SETTINGS) == START // 60_000 * 60_000 + 180_000 + 10_000


def test_rejected_rows_go_to_the_dead_letters_first(tmp_path: Path) -> None:
    writer = FakeWriter()
    feed(minutes(tmp_path, 3, close=[12.0, -1.0, -1.0]), writer, SETTINGS, Pace(None))
    assert writer.sent[0].topic == "quotes.raw.dead"
    assert [letter["reason"] for letter in writer.on("quotes.raw.dead")] == ["bad_price"]


def test_a_recording_without_a_usable_row_sends_nothing_but_dead_letters(tmp_path: Path) -> None:
    writer = FakeWriter()
    feed(minutes(tmp_path, 2, close=[-1.0, -1.0]), writer, SETTINGS, Pace(None))
    assert {sent.topic for sent in writer.sent} == {"quotes.raw.dead"}


def test_progress_ends_with_every_row(tmp_path: Path) -> None:
    seen: list[int] = []
    feed(minutes(tmp_path, 5_000), FakeWriter(), SETTINGS, Pace(None), seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 5_000


@pytest.mark.parametrize(("speed", "waits"), [(1.0, [60.0, 60.0]), (120.0, [0.5, 0.5])])
def test_rows_are_fed_when_they_are_due(tmp_path: Path, speed: float, waits: list[float]) -> None:
    pace, writer = FakePace(), FakeWriter()
    feed(minutes(tmp_path, 3), writer, SETTINGS, pace.at(speed))
    assert pace.slept == waits
    assert [len(message["quotes"]) for message in writer.on("quotes.raw") if message["quotes"]] == [1, 1, 1]


def test_flat_out_never_waits_and_holds_the_same_quotes_as_a_slow_feed(tmp_path: Path) -> None:
    pace, fast, slow = FakePace(), FakeWriter(), FakeWriter()
    feed(two_sources(tmp_path), fast, SETTINGS, pace.at(None))
    assert pace.slept == []
    feed(two_sources(tmp_path), slow, SETTINGS, pace.at(0.001))
    assert pace.slept

    def quotes(writer: FakeWriter) -> list[object]:
        return [quote for message in writer.on("quotes.raw") for quote in message["quotes"]]

    assert quotes(fast) == quotes(slow)


def test_a_full_queue_is_waited_for_and_nothing_is_lost(tmp_path: Path) -> None:
    free, full = FakeWriter(), FullWriter()
    feed(minutes(tmp_path, 3_000), free, SETTINGS, Pace(None))
    feed(minutes(tmp_path, 3_000), full, SETTINGS, Pace(None))
    assert full.refused > 0
    assert full.sent == free.sent
    assert full.pending == 0
