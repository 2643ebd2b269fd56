from __future__ import annotations

import orjson
import sink_messages as made

from cryptoviz.settings import load_settings
from cryptoviz.topics import TOPICS as ALL_TOPICS
from processors.normalise import Position
from processors.sink_lanes import MOST_BYTES, Forecasts, Lane, lanes
from processors.sink_rows import Health, add_message


def lane_of(topic: str) -> Lane:
    return next(lane for lane in lanes(load_settings(sink_batch_rows=4)) if topic in lane.topics)


def fill(lane: Lane, n: int, now: float, size_bytes: int = 100, *, news: bool = True) -> None:
    at = Position("quotes.normalized", 0, n, made.T0)
    add_message(orjson.dumps(made.quotes(n)), at, lane.batch.tables, Health())
    lane.batch.include(at, size_bytes, now)
    lane.batch.news = news


def test_every_topic_that_has_a_message_type_is_read_by_one_lane_but_the_raw_one() -> None:
    read = [topic for lane in lanes(load_settings()) for topic in lane.topics]
    assert sorted(read) == sorted(
        topic.name for topic in ALL_TOPICS if topic.message is not None and topic.name != "quotes.raw"
    )


def test_quotes_go_after_their_wait_and_other_rows_after_theirs() -> None:
    assert lane_of("quotes.normalized").longest_wait_s == 0.2
    assert lane_of("bars").longest_wait_s == 1.0


def test_a_batch_is_due_when_its_first_message_has_waited_or_when_it_is_full() -> None:
    lane = lane_of("quotes.normalized")
    assert not lane.due(1e9)
    fill(lane, 0, now=100.0)
    assert not lane.due(100.1)
    assert lane.due(100.2)
    fill(lane, 1, now=100.1)
    assert lane.full
    assert lane.due(100.1)
    assert lane.take().rows == 6
    assert not lane.full


def test_a_batch_of_history_waits_longer_until_it_brings_news() -> None:
    lane = lane_of("quotes.normalized")
    lane.most_rows = 1_000
    for tenth in range(30):
        now = 100.0 + tenth / 10
        fill(lane, tenth, now=now, news=False)
        assert not lane.due(now)
    assert lane.due(103.0)
    fill(lane, 0, now=101.0, news=True)
    assert lane.due(101.0)


def test_history_waits_no_longer_than_news_for_what_does_not_come() -> None:
    lane = lane_of("bars")
    fill(lane, 0, now=100.0, news=False)
    fill(lane, 1, now=100.5, news=False)
    lane.most_rows = 1_000
    assert not lane.due(101.4)
    assert lane.due(101.5)


def test_a_lane_gathers_while_its_first_message_may_wait_for_more() -> None:
    lane = lane_of("quotes.normalized")
    assert not lane.gathers(100.0)
    fill(lane, 0, now=100.0)
    assert lane.gathers(100.1)
    assert not lane.gathers(100.2)


def test_a_batch_is_full_by_its_bytes_too_because_dead_letters_are_large() -> None:
    lane = lane_of("quotes.normalized")
    fill(lane, 0, now=100.0, size_bytes=MOST_BYTES)
    assert lane.full


def test_what_all_lanes_hold_while_clickhouse_is_away_is_bounded() -> None:
    on_its_way_and_next = 2
    assert on_its_way_and_next * len(lanes(load_settings())) * MOST_BYTES <= 600 * 1024 * 1024


def test_a_second_differing_forecast_is_noticed_and_the_same_again_is_not() -> None:
    seen = Forecasts()
    assert not seen.differs("BTC/all/60/1", b"one")
    assert not seen.differs("BTC/all/60/1", b"one")
    assert seen.differs("BTC/all/60/1", b"two")
    assert not seen.differs("BTC/all/60/2", b"two")


def test_forecasts_are_forgotten_oldest_first_so_that_memory_stays_bounded() -> None:
    seen = Forecasts(limit=2)
    for key in "abc":
        seen.differs(key, b"one")
    assert seen.differs("c", b"two")
    assert seen.differs("b", b"two")
    assert not seen.differs("a", b"two")
