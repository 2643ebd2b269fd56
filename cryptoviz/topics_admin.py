"""Creates the topics of the registry and keeps their settings right; refuses to go on with other partition counts."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]  # its stubs forget to re-export
    AdminClient,
    AlterConfigOpType,
    ClusterMetadata,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from cryptoviz.errors import UserError
from cryptoviz.kafka_access import Access
from cryptoviz.settings import Settings
from cryptoviz.topics import TOPICS, Topic

REPLICAS = 3  # where there are that many brokers
ANSWER_S = 15.0


def ensure_topics(settings: Settings, wait_s: float = 30, topics: Iterable[Topic] = TOPICS) -> list[str]:
    """Create what is missing, correct what differs, and say so, one line each; nothing to do is an empty list.

    Waits up to `wait_s` for the broker. Raises `UserError` if it does not answer, or if a topic has another number of
    partitions than the settings: an asset's place in the log would change.
    """
    topics = tuple(topics)
    access = Access(settings, "cryptoviz-topics")
    admin, cluster = access.admin, access.wait(wait_s)
    _check_partitions(cluster, settings, topics)
    missing = [topic for topic in topics if topic.name not in cluster.topics]
    done = _create(admin, settings, missing, min(REPLICAS, len(cluster.brokers)))
    _await_leaders(admin, topics, time.monotonic() + max(wait_s, ANSWER_S))
    return done + _correct(admin, settings, [topic for topic in topics if topic not in missing])


def _check_partitions(cluster: ClusterMetadata, settings: Settings, topics: Iterable[Topic]) -> None:
    for topic in topics:
        found = cluster.topics.get(topic.name)
        if found is not None and len(found.partitions) != settings.partitions:
            raise UserError(
                f"topic {topic.name} has {len(found.partitions)} partitions, CRYPTOVIZ_PARTITIONS is "
                f"{settings.partitions}: set it back, or start anew with another CRYPTOVIZ_HOME (or another Kafka)"
            )


def _create(admin: AdminClient, settings: Settings, topics: list[Topic], replicas: int) -> list[str]:
    if not topics:
        return []
    wanted = [NewTopic(topic.name, settings.partitions, replicas, config=topic.config(settings)) for topic in topics]
    done = []
    for name, answer in admin.create_topics(wanted, operation_timeout=ANSWER_S).items():
        try:
            answer.result(ANSWER_S)
            done.append(f"created {name}")
        except KafkaException as error:
            # Somebody else was quicker: the topic is there, which is all that was wanted.
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise UserError(f"topic {name} cannot be created: {error.args[0].str()}") from error
    return done


def _await_leaders(admin: AdminClient, topics: tuple[Topic, ...], deadline: float) -> None:
    while True:
        known = admin.list_topics(timeout=ANSWER_S).topics
        lacking = [topic.name for topic in topics if not _has_leaders(known.get(topic.name))]
        if not lacking:
            return
        if time.monotonic() > deadline:
            raise UserError(f"topics without a leader: {', '.join(lacking)}; look at the broker's log")
        time.sleep(0.1)


def _has_leaders(topic: Any) -> bool:
    return topic is not None and bool(topic.partitions) and all(p.leader >= 0 for p in topic.partitions.values())


def _correct(admin: AdminClient, settings: Settings, topics: list[Topic]) -> list[str]:
    if not topics:
        return []
    asked = {ConfigResource(ResourceType.TOPIC, topic.name): topic for topic in topics}
    changes, done = [], []
    for resource, answer in admin.describe_configs(list(asked)).items():
        topic = asked[resource]
        differing = differences(topic.config(settings), {n: e.value for n, e in answer.result(ANSWER_S).items()})
        if differing:
            entries = [
                ConfigEntry(name, value, incremental_operation=AlterConfigOpType.SET)
                for name, value in differing.items()
            ]
            changes.append(ConfigResource(ResourceType.TOPIC, topic.name, incremental_configs=entries))
            done.append(f"{topic.name}: " + ", ".join(f"{name} = {value}" for name, value in differing.items()))
    if changes:
        for answer in admin.incremental_alter_configs(changes).values():
            answer.result(ANSWER_S)
    return done


def differences(wanted: Mapping[str, str], found: Mapping[str, str | None]) -> dict[str, str]:
    """The settings of `wanted` that are otherwise in `found`."""
    return {name: value for name, value in wanted.items() if found.get(name) != value}
