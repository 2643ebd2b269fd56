"""How far consumer groups have come: committed offsets against the ends of the logs, and waiting for the ends."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from confluent_kafka import Consumer, IsolationLevel, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from cryptoviz.errors import Retryable, UserError
from cryptoviz.kafka import client_config
from cryptoviz.settings import Settings
from cryptoviz.topics import NORMALIZED, RAW

WORKER_GROUP = "cryptoviz-worker"
SINK_GROUP = "cryptoviz-sink"
TIMEOUT_S = 10.0
EARLIEST, LATEST = OffsetSpec.earliest(), OffsetSpec.latest()  # type: ignore[no-untyped-call]

LOOK_EVERY_S = 0.5
PATIENCE_S = 120.0

# The library would log some twenty vain connections a second to stderr; who asks here is told by `Retryable`.
QUIET = {"log_level": 0}

Place = tuple[str, int]


@dataclass(frozen=True)
class Stage:
    """One step of the pipeline: what is done with the messages, by which group, read from which topics."""

    doing: str
    group: str
    topics: tuple[str, ...]


@dataclass(frozen=True)
class Reached:
    """The next message of a partition that a group has not committed, and the end of what can be read of the log."""

    next: int
    end: int

    @property
    def left(self) -> int:
        """Messages not yet committed."""
        return max(0, self.end - self.next)


def stages(sink_topics: Sequence[str]) -> tuple[Stage, ...]:
    """The steps in their order; each commits after its output is delivered, so one that is through ends the next."""
    return (
        Stage("normalising", WORKER_GROUP, (RAW.name,)),
        Stage("computing", WORKER_GROUP, (NORMALIZED.name,)),
        Stage("storing", SINK_GROUP, tuple(sink_topics)),
    )


def wait_until_through(
    settings: Settings, steps: Sequence[Stage], report: Callable[[Stage, int], None] = lambda *_: None,
    patience_s: float = PATIENCE_S, pause: Callable[[float], None] = time.sleep,
) -> None:  # fmt: skip
    """Return when each step in turn has reached the ends of its topics; `report` hears what is left.

    Nothing else may be written to the first topics meanwhile; what `pause` raises ends the waiting. Raises `UserError`
    when a step stands still for too long.
    """
    admin = admin_client(settings)
    everything = [topic for step in steps for topic in step.topics]
    for step in steps:
        seen, deadline = (-1, -1), time.monotonic() + patience_s
        while (sign := _sign_of_life(settings, step, everything, admin, seen))[0]:
            if sign[0] != seen[0]:
                report(step, sign[0])
            if sign != seen:
                seen, deadline = sign, time.monotonic() + patience_s
            if time.monotonic() > deadline:
                raise UserError(f"{step.doing} stands still: {step.group} has {sign[0]} messages left; see its log")
            pause(LOOK_EVERY_S)
        report(step, 0)


def _sign_of_life(
    settings: Settings, step: Stage, topics: Sequence[str], admin: AdminClient, before: tuple[int, int]
) -> tuple[int, int]:
    """What the step has left, and the length of all logs: one message may take it long, but then results appear."""
    try:
        left = sum(consumer_lag(settings, step.group, step.topics, admin).values())
        return left, sum(log_ends(settings, topics, admin).values())
    except Retryable:
        return before  # no news is no progress


def admin_client(settings: Settings) -> AdminClient:
    """A client for several calls of `consumer_lag`."""
    return AdminClient(client_config(settings, "cryptoviz-progress") | QUIET)


def consumer_lag(
    settings: Settings, group: str, topics: Sequence[str] = (), admin: AdminClient | None = None
) -> dict[str, int]:
    """Messages per topic that `group` has not yet committed; of `topics`, or of those it has ever committed.

    A partition without a commit counts whole, from the first message the broker still has. A topic that does not
    exist is left out. Raises `Retryable` when the broker does not answer.
    """
    lag: defaultdict[str, int] = defaultdict(int)
    for (topic, _), reached in progress(settings, group, topics, admin).items():
        lag[topic] += reached.left
    return dict(lag)


def progress(
    settings: Settings, group: str, topics: Sequence[str] = (), admin: AdminClient | None = None
) -> dict[Place, Reached]:
    """How far `group` has come in every partition, as `consumer_lag` counts; raises `Retryable` like it."""
    admin = admin or admin_client(settings)
    try:
        committed = _committed(settings, admin, group)
        places = _partitions(admin, topics) if topics else sorted(committed)
        ends = _offsets(admin, places, LATEST)
        starts = _offsets(admin, [place for place in places if place not in committed], EARLIEST)
    except KafkaException as error:
        raise Retryable(f"the broker does not say how far {group} has come: {error.args[0].str()}") from error
    return {place: Reached(committed.get(place, starts.get(place, 0)), end) for place, end in ends.items()}


def log_ends(settings: Settings, topics: Sequence[str], admin: AdminClient | None = None) -> dict[str, int]:
    """Messages per topic that the broker has, of the topics that exist; raises `Retryable`."""
    admin = admin or admin_client(settings)
    try:
        places = _partitions(admin, topics)
        first, last = (_offsets(admin, places, spec) for spec in (EARLIEST, LATEST))
    except KafkaException as error:
        raise Retryable(f"the broker does not say how long its logs are: {error.args[0].str()}") from error
    lengths: defaultdict[str, int] = defaultdict(int)
    for place, end in last.items():
        lengths[place[0]] += end - first[place]
    return dict(lengths)


def _committed(settings: Settings, admin: AdminClient, group: str) -> dict[Place, int]:
    # Asked by a consumer that does not join: librdkafka's admin client crashes the process (a null pointer in
    # rd_kafka_handle_OffsetFetch) when the group's coordinator is still loading, as it is on a broker just started.
    names = sorted(admin.list_topics(timeout=TIMEOUT_S).topics)
    every = [TopicPartition(*place) for place in _partitions(admin, names)]
    if not every:
        return {}
    config = client_config(settings, "cryptoviz-progress") | QUIET
    reader = Consumer(config | {"group.id": group, "enable.auto.commit": False})
    try:
        found = reader.committed(every, timeout=TIMEOUT_S)
    finally:
        reader.close()
    return {(one.topic, one.partition): one.offset for one in found if one.offset >= 0 and not one.error}


def _partitions(admin: AdminClient, topics: Sequence[str]) -> list[Place]:
    existing = admin.list_topics(timeout=TIMEOUT_S).topics
    return [(topic, number) for topic in topics if topic in existing for number in sorted(existing[topic].partitions)]


def _offsets(admin: AdminClient, places: Sequence[Place], spec: OffsetSpec) -> dict[Place, int]:
    if not places:
        return {}
    asked = {TopicPartition(topic, number): spec for topic, number in places}
    # What a transaction still under way has written can be read by nobody, and is no work left undone.
    committed = IsolationLevel.READ_COMMITTED
    found = admin.list_offsets(asked, isolation_level=committed, request_timeout=TIMEOUT_S)
    return {(place.topic, place.partition): answer.result().offset for place, answer in found.items()}
