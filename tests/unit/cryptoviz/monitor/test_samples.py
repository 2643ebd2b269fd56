"""Counters become increases that lose nothing and count nothing twice, whoever is started anew."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from cryptoviz.monitor.samples import STORED, Increases, Sample, read
from processors.metrics import QUOTES
from processors.sink_metrics import SinkMetrics
from producers.metrics import Metrics

LATE = "cryptoviz_quotes_late_total"


def answer(late: float, began_s: float, source: str = "binance") -> str:
    return f'{LATE}{{source="{source}"}} {late}\ncryptoviz_quotes_late_created{{source="{source}"}} {began_s}\n'


def taken(increases: Increases, text: str, part: str = "worker-1") -> float:
    return sum(sample.value for sample in increases.samples(part, read(text)))


def test_what_a_process_counted_since_its_start_counts_whole_if_nothing_was_stored_after_that() -> None:
    assert taken(Increases(0.0), answer(7, 100.0)) == 7
    assert taken(Increases(100.5), answer(7, 101.0)) == 7


def test_what_was_counted_before_the_last_stored_sample_is_not_counted_again() -> None:
    increases = Increases(200.0)
    assert taken(increases, answer(7, 100.0)) == 0
    assert taken(increases, answer(9, 100.0)) == 2


def test_a_part_started_anew_counts_from_nothing() -> None:
    increases = Increases(0.0)
    assert taken(increases, answer(7, 100.0)) == 7
    assert taken(increases, answer(3, 150.0)) == 3
    assert taken(increases, answer(8, 150.0)) == 5


def test_two_parts_count_apart() -> None:
    increases = Increases(0.0)
    assert taken(increases, answer(7, 100.0), "worker-1") + taken(increases, answer(1, 90.0), "worker-2") == 8


@given(st.lists(st.lists(st.integers(0, 9), max_size=6), max_size=5))
def test_the_increases_of_any_number_of_lives_sum_up_to_what_was_counted(lives: list[list[int]]) -> None:
    increases, stored = Increases(0.0), 0.0
    for number, life in enumerate(lives):
        total = 0
        for step in life:
            total += step
            stored += taken(increases, answer(total, 100.0 + number))
    assert stored == sum(map(sum, lives))


def test_a_gauge_stays_what_it_is_and_a_histogram_gives_sum_and_count() -> None:
    registry = CollectorRegistry()
    Gauge("cryptoviz_sink_waiting", "", registry=registry).set(1)
    seconds = Histogram("cryptoviz_sink_insert_seconds", "", ("table",), registry=registry)
    seconds.labels("quotes").observe(0.5)
    increases, sink = Increases(0.0), "sink"
    found = set()
    for sample in increases.samples(sink, read(generate_latest(registry).decode())):
        found.add((sample.name, sample.value, tuple(sample.labels.items())))
    table = (("table", "quotes"),)
    assert found == {
        ("cryptoviz_sink_waiting", 1.0, ()),
        ("cryptoviz_sink_insert_seconds_sum", 0.5, table),
        ("cryptoviz_sink_insert_seconds_count", 1.0, table),
    }


def test_what_is_not_asked_for_is_left_out() -> None:
    registry = CollectorRegistry()
    Counter("something_else", "", registry=registry).inc()
    assert list(Increases(0.0).samples("sink", read(generate_latest(registry).decode()))) == []


def test_every_stored_metric_is_one_that_a_part_has() -> None:
    QUOTES.labels("binance").inc(0)
    sink, producer = SinkMetrics(), Metrics()
    families = {family.name for metrics in (sink, producer) for family in metrics.registry.collect()}
    families |= {"cryptoviz_quotes_late", "cryptoviz_quotes_normalized", "cryptoviz_quotes_rejected"}
    ends = ("_total", "_sum", "_count", "")
    assert [name for name in STORED if not any(name.removesuffix(end) in families for end in ends)] == []


def test_nonsense_is_an_error() -> None:
    with pytest.raises(ValueError, match="could not convert"):
        read("cryptoviz_up yes")


def test_a_sample_has_the_labels_of_its_series() -> None:
    (sample,) = Increases(0.0).samples("worker-1", read(f'{LATE}{{source="binance"}} 2\n'))
    assert sample == Sample("worker-1", LATE, 0.0, {"source": "binance"})  # nobody says since when: not counted yet
