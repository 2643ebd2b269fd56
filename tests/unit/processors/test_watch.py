"""When a part counts as stuck: by what its group commits, not by whether it lives."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from cryptoviz.errors import Retryable
from cryptoviz.progress import Place, Reached
from cryptoviz.settings import load_settings
from processors import app as worker_app
from processors import watch as watch_module
from processors.app import Assignor
from processors.watch import (
    BUSY_FOR_S,
    LOOK_EVERY_S,
    STUCK_AFTER_S,
    UNWELL_AFTER_S,
    Stillness,
    Watch,
    Watched,
)

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
    stillness.begin_anew(now + 60)
    assert stillness.stuck(MINE, now + 61) == []


def test_any_change_of_the_work_is_work_for_its_topic_alone() -> None:
    stillness = Stillness()
    for now in range(0, int(STUCK_AFTER_S) + 20, 5):
        work = {RAW: ("batches", 3), NORMALIZED: ("batches", now)}
        stillness.look(dict.fromkeys(MINE, Reached(7, 1000)), work, float(now))
    assert stillness.stuck(MINE, float(now)) == [(RAW, 0)]
    assert stillness.still_s(MINE, float(now)) == now


@dataclass
class Looking:
    """A watch whose broker, clock and part are the test's own: messages wait, and nothing is ever done."""

    excused: bool = False
    away: bool = False
    now: float = 0.0
    ended: list[tuple[str, str]] = field(default_factory=list)
    asked: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)

    def progress(self, _: Any, group: str, topics: tuple[str, ...], __: Any) -> dict[Place, Reached]:
        """Stands for asking the broker."""
        self.asked.append((group, topics))
        if self.away:
            raise Retryable("no broker")
        return {("bars", 0): Reached(7, 1000), ("bars", 1): Reached(1000, 1000)}

    def look(self, watch: Watch, seconds: float) -> None:
        """Look every few seconds, until the part is ended at the latest."""
        until = self.now + seconds
        while self.now < until and not self.ended:
            self.now += LOOK_EVERY_S
            watch.look(None)  # type: ignore[arg-type]


@pytest.fixture
def looking(monkeypatch: pytest.MonkeyPatch) -> Looking:
    one = Looking()
    monkeypatch.setattr(watch_module, "progress", one.progress)
    monkeypatch.setattr(watch_module, "end", lambda *said: one.ended.append(said))
    monkeypatch.setattr(watch_module, "time", SimpleNamespace(monotonic=lambda: one.now))
    return one


def watch_of(looking: Looking) -> Watch:
    mine = [("bars", 0), ("bars", 1)]
    watched = Watched("sink", "group", ("bars",), lambda: mine, lambda: {"bars": 0}, lambda: looking.excused)
    return Watch(load_settings(), watched)


def test_the_part_and_its_group_are_whichever_is_watched(looking: Looking) -> None:
    watch = watch_of(looking)
    looking.look(watch, UNWELL_AFTER_S)
    assert watch.health()["ok"]
    looking.look(watch, 2 * LOOK_EVERY_S)
    said = watch.health()
    assert (said["ok"], said["part"]) == (False, "sink")
    assert said["partitions"]["bars/0"] == {"next": 7, "end": 1000, "behind": 993, "still_seconds": 35.0}
    assert said["partitions"]["bars/1"]["still_seconds"] == 0
    looking.look(watch, STUCK_AFTER_S)
    assert looking.ended == [("sink", "nothing was committed for 95 s though messages wait in [('bars', 0)]")]
    assert set(looking.asked) == {("group", ("bars",))}


@pytest.mark.parametrize("trouble", ["excused", "away"])
def test_while_somebody_else_is_waited_for_the_time_begins_anew(trouble: str, looking: Looking) -> None:
    watch = watch_of(looking)
    looking.look(watch, STUCK_AFTER_S - 10)
    setattr(looking, trouble, True)
    looking.look(watch, 2 * BUSY_FOR_S)
    assert watch.health()["ok"]
    setattr(looking, trouble, False)
    looking.look(watch, STUCK_AFTER_S)
    assert looking.ended == []
    looking.look(watch, 2 * LOOK_EVERY_S)
    assert looking.ended


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

    def end(part: str, why: str) -> None:
        raise Ended(why)

    monkeypatch.setattr(worker_app, "end", end)
    cluster = SimpleNamespace(partitions_for_topic=lambda topic: {0, 1} if topic in known else None)
    members = {"worker-1": SimpleNamespace(subscription=[RAW, NORMALIZED])}
    assignor = Assignor.__new__(Assignor)
    with pytest.raises(Ended, match=r"quotes\.normalized"):
        assignor.assign(cluster, members)
