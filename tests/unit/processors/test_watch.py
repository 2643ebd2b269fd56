"""When a worker counts as stuck: by what its group commits, not by whether it lives."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from cryptoviz.progress import Reached
from processors import app as worker_app
from processors.app import Assignor
from processors.watch import BUSY_FOR_S, STUCK_AFTER_S, Stillness

RAW, NORMALIZED = "quotes.raw", "quotes.normalized"
MINE = [(RAW, 0), (NORMALIZED, 0)]
OTHERS = [(RAW, 1), (NORMALIZED, 1)]


def looks(stillness: Stillness, seconds: float, at: float = 0.0, work: Any = lambda _: 0, **reached: Any) -> float:
    """Look every five seconds; each of `reached` says the next offset of a partition at a time, the end is 1000."""
    for now in range(int(at), int(at + seconds) + 1, 5):
        places = {
            place: Reached(reached.get(f"{topic.split('.')[1]}{place[1]}", lambda _: 1000)(now), 1000)
            for place in (*MINE, *OTHERS)
            for topic in (place[0],)
        }
        stillness.look(places, {RAW: work(now), NORMALIZED: work(now)}, float(now))
    return float(int(at + seconds))


def test_who_has_nothing_to_do_is_not_stuck() -> None:
    stillness = Stillness()
    now = looks(stillness, 1000)
    assert stillness.stuck(MINE, now) == []
    assert stillness.still_s(MINE, now) == 0


def test_who_commits_is_not_stuck_however_much_waits() -> None:
    stillness = Stillness()
    now = looks(stillness, 500, raw0=lambda now: now, normalized0=lambda now: now // 2)
    assert stillness.stuck(MINE, now) == []


def test_who_commits_nothing_while_messages_wait_is_stuck() -> None:
    stillness = Stillness()
    now = looks(stillness, STUCK_AFTER_S - 10, normalized0=lambda _: 7)
    assert stillness.stuck(MINE, now) == []
    now = looks(stillness, 20, now, normalized0=lambda _: 7)
    assert stillness.stuck(MINE, now) == [(NORMALIZED, 0)]
    assert stillness.stuck(OTHERS, now) == []


def test_the_time_without_messages_does_not_count() -> None:
    stillness = Stillness()
    now = looks(stillness, 500)
    now = looks(stillness, STUCK_AFTER_S - 10, now, raw0=lambda _: 999)
    assert stillness.stuck(MINE, now) == []


def test_who_reads_its_state_back_is_given_time_but_not_for_ever() -> None:
    stillness = Stillness()
    now = looks(stillness, BUSY_FOR_S - 10, work=lambda now: now, raw0=lambda _: 7)
    assert stillness.stuck(MINE, now) == []
    now = looks(stillness, 20, now, work=lambda now: now, raw0=lambda _: 7)
    assert stillness.stuck(MINE, now) == [(RAW, 0)]


def test_an_outage_of_the_broker_is_nobodys_fault() -> None:
    stillness = Stillness()
    now = looks(stillness, STUCK_AFTER_S - 5, raw0=lambda _: 7)
    stillness.unknown(now + 60)
    assert stillness.stuck(MINE, now + 61) == []


def test_a_worker_without_partitions_is_stuck_only_where_nobody_gets_on() -> None:
    stillness = Stillness()
    now = looks(stillness, 300, raw0=lambda now: now, raw1=lambda _: 7)
    assert stillness.stuck([], now) == []  # somebody works, and the other will end itself
    now = looks(stillness, STUCK_AFTER_S + 10, now, raw0=lambda _: 300, raw1=lambda _: 7)
    assert stillness.stuck([], now) == []  # whoever has them may be reading its state back
    now = looks(stillness, BUSY_FOR_S, now, raw0=lambda _: 300, raw1=lambda _: 7)
    assert stillness.stuck([], now)


@pytest.mark.parametrize("known", [{RAW}, set()])
def test_partitions_of_topics_that_the_leader_does_not_know_are_not_shared_out(
    known: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ended(Exception):
        pass

    def end(why: str) -> None:
        raise Ended(why)

    monkeypatch.setattr(worker_app, "end", end)
    cluster = SimpleNamespace(partitions_for_topic=lambda topic: {0, 1} if topic in known else None)
    members = {"worker-1": SimpleNamespace(subscription=[RAW, NORMALIZED])}
    assignor = Assignor.__new__(Assignor)
    with pytest.raises(Ended, match=r"quotes\.normalized"):
        assignor.assign(cluster, members)
