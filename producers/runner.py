"""The producer process: a poller per source, history first, then polls and heartbeats until it is told to stop."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from threading import Event, Thread
from typing import Any

from confluent_kafka import KafkaError, KafkaException

from cryptoviz.assets import AssetRegistry
from cryptoviz.clock import ReceiptClock
from cryptoviz.errors import UserError
from cryptoviz.metrics import serve
from cryptoviz.settings import Settings, SourceSettings
from producers.asking import Asker
from producers.backfill import backfill
from producers.budget import Budget
from producers.condition import Condition
from producers.failures import Stopped
from producers.http import HttpClient
from producers.metrics import Metrics
from producers.outbox import Outbox, Sender
from producers.poller import Poller
from producers.raw import Envelope
from producers.source import Source
from producers.stored import LastStored, last_stored

logger = logging.getLogger(__name__)

FLUSH_S = 3.0
LOOK_EVERY_S = 0.2

SettingsOf = Callable[[str], SourceSettings]
StoredOf = Callable[[Settings, Event], LastStored]


@dataclass(frozen=True)
class Beat:
    """What a heartbeat of one source needs; sources that are off have no poller, but they beat."""

    envelope: Envelope
    condition: Condition


class Runner:
    """One process: all sources share its writer, its clock and its stop event."""

    def __init__(self, settings: Settings, registry: AssetRegistry, writer: Sender, stop: Event) -> None:
        self.settings = settings
        self.registry = registry
        self.stop = stop
        self.metrics = Metrics()
        self.clock = ReceiptClock()
        self.outbox = Outbox(
            writer, self.clock, settings.producer_buffer_messages, settings.partitions, metrics=self.metrics
        )
        self.pollers: list[Poller] = []
        self.beats: list[Beat] = []
        self._crash: BaseException | None = None
        self._ready = False
        self._beaten_at = time.monotonic()

    def add(self, source: Source, chosen: SourceSettings) -> None:
        """Take a source in, switched off where it lacks its key or has none of the assets."""
        interval_s = chosen.interval_seconds or source.interval_s
        envelope = Envelope(source.name, "live", self.settings.bar_seconds, interval_s, self.settings.partitions)
        condition = Condition(source.name, interval_s, self.clock.now_ms(), self.metrics)
        self.beats.append(Beat(envelope, condition))
        key = chosen.api_key.get_secret_value().strip() if chosen.api_key else ""
        if why := self._why_off(source, key):
            condition.off(self.clock.now_ms(), why)
            return
        asker = self._asker(source, chosen, key)
        outbox, metrics = self.outbox, self.metrics
        self.pollers.append(
            Poller(source, self.registry, envelope, asker=asker, outbox=outbox, condition=condition, metrics=metrics)
        )

    def run(self, stored_of: StoredOf = last_stored) -> None:
        """Publish history, then poll until `stop` is set; raises what ended a source's thread, which is a bug."""
        web = serve(
            self.settings.host,
            self.settings.producer_port,
            "CRYPTOVIZ_PRODUCER_PORT",
            self.metrics.registry,
            self.health,
        )
        try:
            self._backfill(stored_of)
            self._ready = True
            # Daemons: an answer that does not come must not hold up the end of the process.
            for poller in self.pollers:
                Thread(target=self._guarded, args=(poller,), name=poller.source.name, daemon=True).start()
            self._beat()
        except Stopped:
            logger.debug("stopped before polling began")
        except KafkaException as error:
            raise explained(error) from error
        finally:
            self.stop.set()
            web.shutdown()
            web.server_close()
        self._end()

    def health(self) -> dict[str, Any]:
        """What `/health` tells: healthy while heartbeats go their way, with the state of every source."""
        now = self.clock.now_ms()
        silent_s = time.monotonic() - self._beaten_at
        healthy = not self._ready or silent_s < 3 * self.settings.heartbeat_seconds + 1
        sources = {beat.envelope.source: beat.condition.status(now) for beat in self.beats}
        state = "polling" if self._ready else "fetching history"
        return {"ok": healthy, "state": state, "kafka_away": self.outbox.full, "sources": sources}

    def _why_off(self, source: Source, key: str) -> str:
        if source.needs_key and not key:
            return f"it needs an API key; set CRYPTOVIZ_{source.name.upper()}_API_KEY"
        if not self.registry.feeding(source.name):
            return "it lists none of the assets followed"
        return ""

    def _asker(self, source: Source, chosen: SourceSettings, key: str) -> Asker:
        try:
            client = HttpClient(
                chosen.url or source.url, self.settings.request_timeout_seconds, self.clock.now_ms,
                key=(source.key_header, key) if source.key_header and key else None,
            )  # fmt: skip
        except UserError as error:
            raise UserError(f"CRYPTOVIZ_{source.name.upper()}_*: {error}") from None
        budget = Budget(chosen.requests_per_minute or source.requests_per_minute)
        return Asker(source.name, client, budget=budget, metrics=self.metrics, stop=self.stop)

    def _backfill(self, stored_of: StoredOf) -> None:
        hours = self.settings.backfill_hours
        if hours and any(poller.source.history for poller in self.pollers):
            backfill(self.pollers, self.outbox, stored_of(self.settings, self.stop), hours)

    def _beat(self) -> None:
        """The main thread's work: heartbeats on time, delivery reports in between, an eye on the pollers."""
        due = time.monotonic()
        while not self.stop.is_set():
            if time.monotonic() >= due:
                due = max(due + self.settings.heartbeat_seconds, time.monotonic())
                now = self.clock.now_ms()
                for beat in self.beats:
                    self.outbox.heartbeat(beat.envelope, beat.condition.status(now))
                self._beaten_at = time.monotonic()
            self.outbox.has_room()
            self.stop.wait(min(LOOK_EVERY_S, max(0.0, due - time.monotonic())))

    def _guarded(self, poller: Poller) -> None:
        try:
            poller.run()
        except BaseException as error:
            self._crash = error
            self.stop.set()

    def _end(self) -> None:
        if self._crash is not None:
            raise explained(self._crash) if isinstance(self._crash, KafkaException) else self._crash
        if not self.outbox.close(FLUSH_S):
            logger.warning("Kafka did not take the last messages in time; they are lost")


def chosen_sources(known: dict[str, type[Source]], names: Iterable[str]) -> list[Source]:
    """The sources by name, all when none is named; raises `UserError` for a name that is not known."""
    wanted = list(dict.fromkeys(name.lower() for name in names))
    if unknown := sorted(set(wanted) - set(known)):
        raise UserError(f"unknown source {', '.join(unknown)}; known are {', '.join(known)}")
    return [known[name]() for name in wanted or known]


def explained(error: KafkaException) -> BaseException:
    """The error as something the user can mend, where it is that."""
    kafka_error = error.args[0] if error.args else None
    code = kafka_error.code() if isinstance(kafka_error, KafkaError) else None
    if code in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION):
        return UserError("Kafka lacks the topics or has fewer partitions than set; run `cryptoviz topics` first")
    return error
