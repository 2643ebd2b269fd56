"""How far consumer groups have come: committed offsets against the ends of the logs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from confluent_kafka import ConsumerGroupTopicPartitions, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from cryptoviz.errors import Retryable
from cryptoviz.kafka import client_config
from cryptoviz.settings import Settings

WORKER_GROUP = "cryptoviz-worker"
SINK_GROUP = "cryptoviz-sink"
TIMEOUT_S = 10.0
EARLIEST, LATEST = OffsetSpec.earliest(), OffsetSpec.latest()  # type: ignore[no-untyped-call]

Place = tuple[str, int]


def admin_client(settings: Settings) -> AdminClient:
    """A client for several calls of `consumer_lag`."""
    return AdminClient(client_config(settings, "cryptoviz-progress"))


def consumer_lag(
    settings: Settings, group: str, topics: Sequence[str] = (), admin: AdminClient | None = None
) -> dict[str, int]:
    """Messages per topic that `group` has not yet committed; of `topics`, or of those it has ever committed.

    A partition without a commit counts whole, from the first message the broker still has. A topic that does not
    exist is left out. Raises `Retryable` when the broker does not answer.
    """
    admin = admin or admin_client(settings)
    try:
        committed = _committed(admin, group)
        places = _partitions(admin, topics) if topics else sorted(committed)
        ends = _offsets(admin, places, LATEST)
        starts = _offsets(admin, [place for place in places if place not in committed], EARLIEST)
    except KafkaException as error:
        raise Retryable(f"the broker does not say how far {group} has come: {error.args[0].str()}") from error
    lag: defaultdict[str, int] = defaultdict(int)
    for place, end in ends.items():
        lag[place[0]] += max(0, end - committed.get(place, starts.get(place, 0)))
    return dict(lag)


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


def _committed(admin: AdminClient, group: str) -> dict[Place, int]:
    asked = admin.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)], request_timeout=TIMEOUT_S)
    found = asked[group].result().topic_partitions or []
    return {(one.topic, one.partition): one.offset for one in found if one.offset >= 0 and not one.error}


def _partitions(admin: AdminClient, topics: Sequence[str]) -> list[Place]:
    existing = admin.list_topics(timeout=TIMEOUT_S).topics
    return [(topic, number) for topic in topics if topic in existing for number in sorted(existing[topic].partitions)]


def _offsets(admin: AdminClient, places: Sequence[Place], spec: OffsetSpec) -> dict[Place, int]:
    if not places:
        return {}
    asked = {TopicPartition(topic, number): spec for topic, number in places}
    found = admin.list_offsets(asked, request_timeout=TIMEOUT_S)
    return {(place.topic, place.partition): answer.result().offset for place, answer in found.items()}
