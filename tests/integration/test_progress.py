"""Progress of consumer groups against a real broker."""

from __future__ import annotations

import secrets
from collections.abc import Callable

import pytest
from confluent_kafka import Consumer, TopicPartition
from waiting import wait_until

from cryptoviz.errors import Retryable, UserError
from cryptoviz.kafka import Writer, consumer_config, producer_config
from cryptoviz.progress import Stage, consumer_lag, log_ends, wait_until_through
from cryptoviz.settings import Settings, load_settings


@pytest.fixture
def settings(kafka: str) -> Settings:
    return load_settings(kafka=kafka)


@pytest.fixture
def group() -> str:
    return f"test-{secrets.token_hex(6)}"


@pytest.fixture
def filled(settings: Settings, make_topic: Callable[..., str]) -> str:
    """A topic with three messages in its first partition and two in its second."""
    topic = make_topic(partitions=3)
    writer = Writer(producer_config(settings, "test"))
    for partition in (0, 0, 0, 1, 1):
        writer.send(topic, partition, b"x")
    assert writer.flush(60)
    return topic


def commit(settings: Settings, group: str, topic: str, partition: int, offset: int) -> None:
    consumer = Consumer(consumer_config(settings, "test", group))
    consumer.commit(offsets=[TopicPartition(topic, partition, offset)], asynchronous=False)
    consumer.close()


def patiently(ask: Callable[[], dict[str, int]]) -> dict[str, int]:
    """What `Retryable` asks for: a broker just started still loads its coordinators."""

    def answer() -> list[dict[str, int]]:
        try:
            return [ask()]
        except Retryable:
            return []

    return wait_until(answer, 60, "the broker to answer")[0]


def test_a_group_that_never_committed_lags_by_the_whole_log(settings: Settings, group: str, filled: str) -> None:
    assert patiently(lambda: consumer_lag(settings, group, [filled])) == {filled: 5}
    assert patiently(lambda: consumer_lag(settings, group)) == {}
    assert log_ends(settings, [filled]) == {filled: 5}


def test_lag_is_what_is_not_committed(settings: Settings, group: str, filled: str) -> None:
    commit(settings, group, filled, 0, 2)
    assert consumer_lag(settings, group, [filled]) == {filled: 3}
    assert consumer_lag(settings, group) == {filled: 1}  # of the partitions it has committed


def test_topics_that_are_not_there_are_left_out(settings: Settings, group: str, filled: str) -> None:
    assert consumer_lag(settings, group, [filled, "nowhere"]) == {filled: 5}


def test_waiting_ends_when_every_step_is_through(settings: Settings, group: str, filled: str) -> None:
    seen: list[int] = []

    def work(_: Stage, left: int) -> None:
        seen.append(left)
        for partition, end in ((0, 3), (1, 2)):
            commit(settings, group, filled, partition, end)

    wait_until_through(settings, [Stage("testing", group, (filled,))], work)
    assert (seen[0], seen[-1]) == (5, 0)


def test_a_step_that_stands_still_is_an_error_that_names_it(settings: Settings, group: str, filled: str) -> None:
    with pytest.raises(UserError, match=f"testing stands still: {group} has 5 messages left"):
        wait_until_through(settings, [Stage("testing", group, (filled,))], patience_s=0.5)


def test_a_broker_that_is_away_is_worth_another_try_and_no_lines_of_the_library(
    group: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("cryptoviz.progress.TIMEOUT_S", 0.5)
    with pytest.raises(Retryable):
        consumer_lag(load_settings(kafka="127.0.0.1:1"), group, ["any"])
    assert capfd.readouterr().err == ""
