"""The first question to Kafka, which tells a broker that is not there from one that will not let us in."""

from __future__ import annotations

import time

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, ClusterMetadata  # type: ignore[attr-defined]  # not in its stubs

from cryptoviz.errors import UserError
from cryptoviz.kafka import client_config
from cryptoviz.kafka_security import refusal
from cryptoviz.settings import Settings

ANSWER_S = 2.0
PAUSE_S = 0.2


class Access:
    """An admin client, quiet in the log, that remembers why it cannot get through."""

    def __init__(self, settings: Settings, client_id: str) -> None:
        self._config = client_config(settings, client_id)
        self._refusal: UserError | None = None
        self.silence = (
            f"Kafka at {settings.kafka} does not answer: is it started? (CRYPTOVIZ_KAFKA, CRYPTOVIZ_KAFKA_SECURITY)"
        )
        self.admin = AdminClient(self._config | {"log_level": 0, "error_cb": self._hear})

    def ask(self) -> ClusterMetadata | None:
        """Brokers and topics, None while there is no answer; raises `UserError` when we are refused for good."""
        try:
            cluster = self.admin.list_topics(timeout=ANSWER_S)
        except KafkaException:
            cluster = None
        self.admin.poll(0)
        if cluster is not None and cluster.brokers:
            return cluster
        if self._refusal is not None:
            raise self._refusal
        return None

    def wait(self, wait_s: float) -> ClusterMetadata:
        """The answer as soon as there is one; raises `UserError` after `wait_s` without."""
        deadline = time.monotonic() + wait_s
        while (cluster := self.ask()) is None:
            if time.monotonic() > deadline:
                raise UserError(self.silence)
            time.sleep(PAUSE_S)
        return cluster

    def _hear(self, error: KafkaError) -> None:
        self._refusal = refusal(error, self._config) or self._refusal
