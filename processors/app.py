"""The Faust app: two agents over raw bytes, at least once, fail-stop. Everything they compute is in `agents`."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from typing import Any

import faust
from faust.assignor import PartitionAssignor
from faust.auth import Credentials, SASLCredentials, SSLCredentials
from faust.exceptions import ConsumerNotStarted
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from cryptoviz.assets import AssetRegistry
from cryptoviz.kafka import Writer, client_config, producer_config
from cryptoviz.kafka_security import tls_context
from cryptoviz.partitions import partition_of
from cryptoviz.progress import WORKER_GROUP, Place
from cryptoviz.settings import Settings
from cryptoviz.topics import NORMALIZED, RAW
from processors.agents import Analysing, Normalising, Received
from processors.batches import batches
from processors.bounded_queue import BoundedQueue
from processors.delivery import Delivery
from processors.normalise import Normaliser, Position
from processors.outbox import Outbox
from processors.recovery import LogReader
from processors.rules import Rules
from processors.transport import Transport
from processors.watch import Watch, Watched, end

logger = logging.getLogger(__name__)

PART = "worker"
# The client sends a request per partition, which is what a broker's time goes to. No result waits so long: when a batch
# is done, what was gathered is sent at once.
RESULTS_LINGER_MS = 100
OPTIONS: dict[str, Any] = {
    "store": "memory://",
    "broker_session_timeout": 10.0,
    "broker_heartbeat_interval": 3.0,
    "broker_commit_interval": 0.5,
    "stream_buffer_maxsize": 16384,
    "cython_optimizations": True,
    "topic_disable_leader": True,
    "worker_redirect_stdouts": False,
}
"""What no setting of the product changes."""
BYTES: dict[str, Any] = {"key_type": bytes, "key_serializer": "raw", "value_type": bytes, "value_serializer": "raw"}


class Assignor(PartitionAssignor):
    """Faust's way of sharing out partitions, but never those of topics that this worker does not know.

    The group's leader may ask a broker that is only just back and does not know its topics yet. Faust would then share
    out nothing, and nobody would ask again for minutes.
    """

    def assign(self, cluster: Any, member_metadata: Any) -> Any:
        """Who gets which partitions; ends the process, which then joins again, where a topic is not known."""
        subscribed = {topic for member in member_metadata.values() for topic in member.subscription}
        unknown = sorted(topic for topic in subscribed if not cluster.partitions_for_topic(topic))
        if unknown:
            end(PART, f"partitions cannot be shared out, because Kafka does not know {', '.join(unknown)} yet")
        return super().assign(cluster, member_metadata)


class App(faust.App):
    """Faust's app, but its queues are bounded by bytes, and an agent that fails ends the process.

    Going on would pass over what is not acknowledged.
    """

    watch: Watch
    """Ends the process when it does not get on; whoever runs the app starts it."""

    def assigned(self) -> list[Place]:
        """The partitions that this worker has now; none before it has joined its group. Called from a thread."""
        try:
            return [(place.topic, place.partition) for place in self._consumer.assignment()] if self._consumer else []
        except ConsumerNotStarted:
            return []

    async def _on_agent_error(self, agent: Any, exc: BaseException) -> None:
        logger.critical("agent %s failed", agent, exc_info=exc)
        end(PART, f"agent {agent} failed")

    def _new_transport(self) -> Transport:
        return Transport(self.conf.broker_consumer, self)

    def FlowControlQueue(self, maxsize: int | None = None, *, clear_on_resume: bool = False) -> BoundedQueue:  # noqa: N802
        """What Faust calls for every queue it needs."""
        return BoundedQueue(maxsize=maxsize or 0, flow_control=self.flow_control, clear_on_resume=clear_on_resume)


def build(settings: Settings) -> App:
    """The app with its agents, ready to be run by a Faust worker."""
    app = App(
        WORKER_GROUP,
        broker=";".join(f"kafka://{server.strip()}" for server in settings.kafka.split(",")),
        broker_credentials=_credentials(settings),
        datadir=str(settings.home / "faust" / settings.worker_name),
        consumer_group_instance_id=settings.worker_name,
        topic_partitions=settings.partitions,
        PartitionAssignor=Assignor,
        # Its name in the group, not where it listens: one that comes back on another port must still be itself.
        canonical_url=f"http://{settings.worker_name}",
        web_host=settings.host,
        web_bind=settings.host,
        web_port=settings.worker_port,
        **OPTIONS,
    )
    registry = AssetRegistry().select(settings.assets)
    normalised = Outbox(_writer(settings, "normalise", {}))
    normalising = Normalising(
        Normaliser(registry, settings.partitions, settings.bar_seconds), normalised, Delivery(normalised, _give_up)
    )
    results = Outbox(_writer(settings, "analyse", {"linger.ms": RESULTS_LINGER_MS}), hurries=True)
    analysing = Analysing(
        _homes(registry, settings.partitions),
        AssetRegistry().sources,
        Rules.of(settings),
        results,
        _reader(settings),
        delivery=Delivery(results, _give_up),
        worker_id=settings.worker_name,
    )
    _add_agents(app, normalising, analysing)
    app.watch = Watch(settings, Watched(
        PART, WORKER_GROUP, (RAW.name, NORMALIZED.name), app.assigned,
        lambda: {RAW.name: normalising.work, NORMALIZED.name: analysing.work},
    ))  # fmt: skip
    _add_pages(app)
    return app


def _credentials(settings: Settings) -> Credentials | None:
    context = tls_context(settings) if settings.kafka_is_encrypted else None
    if not settings.kafka_logs_in:
        return SSLCredentials(context) if context else None
    return SASLCredentials(
        username=settings.kafka_sasl_username,
        password=settings.kafka_sasl_password.get_secret_value(),
        mechanism=settings.kafka_sasl_mechanism,
        ssl_context=context,
    )


def _writer(settings: Settings, name: str, more: Mapping[str, Any]) -> Writer:
    return Writer({**producer_config(settings, f"{settings.worker_name}-{name}"), **more})


def _reader(settings: Settings) -> LogReader:
    # Quiet: the library would log some twenty vain connections a second, and who reads is told by an error.
    more = {"group.id": f"{WORKER_GROUP}-reader", "log_level": 2}
    return LogReader(client_config(settings, f"{settings.worker_name}-reader") | more)


def _homes(registry: AssetRegistry, partitions: int) -> dict[int, Sequence[str]]:
    homes: dict[int, list[str]] = {partition: [] for partition in range(partitions)}
    for ticker in registry.by_ticker:
        homes[partition_of(ticker, partitions)].append(ticker)
    return dict(homes)


def _add_agents(app: App, normalising: Normalising, analysing: Analysing) -> None:
    async def normalise(stream: Any) -> None:
        async for events in batches(stream):
            await normalising.batch([_received(event) for event in events], partial(acknowledge, stream, iter(events)))

    async def analyse(stream: Any) -> None:
        async for events in batches(stream):
            await analysing.batch(map(_received, events), partial(acknowledge, stream, iter(events)))

    async def forget(_: Any, revoked: Any, **__: Any) -> None:
        analysing.forget(place.partition for place in revoked if place.topic == NORMALIZED.name)

    app.agent(app.topic(RAW.name, **BYTES), name="normalise")(normalise)
    app.agent(app.topic(NORMALIZED.name, **BYTES), name="analyse")(analyse)
    signal: Any = app.on_partitions_revoked
    signal.connect(forget, weak=False)


def _received(event: Any) -> Received:
    message = event.message
    position = Position(message.topic, message.partition, message.offset, int(message.timestamp * 1000))
    return position, message.value


async def acknowledge(stream: Any, waiting: Iterator[Any], messages: int) -> None:
    for event in islice(waiting, messages):
        await stream.ack(event)


def _give_up(error: BaseException) -> None:
    logger.critical("a batch could not be delivered", exc_info=error)
    end(PART, "a batch could not be delivered")


def _add_pages(app: App) -> None:
    @app.page("/metrics")
    async def metrics(view: Any, request: Any) -> Any:
        return view.bytes(generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    @app.page("/health")
    async def health(view: Any, request: Any) -> Any:
        said = app.watch.health()
        return view.json(said, status=200 if said["ok"] else 503)
