"""The whole pipeline as parts that can be struck: broker, ClickHouse, a feeder, two workers and a guest, a sink."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from faults import feeder
from faults.schedule import GUEST, Strike
from faults.small_disk import SmallDisk
from faults.under_fire import Part
from servers import ClickHouseServer, KafkaServer
from waiting import wait_until

from cryptoviz.cli.migrate import run as migrate
from cryptoviz.local.ports import free_ports
from cryptoviz.local.process import Reaper
from cryptoviz.local.stack_parts import environment
from cryptoviz.progress import SINK_GROUP, WORKER_GROUP, consumer_lag, stages, wait_until_through
from cryptoviz.settings import Settings, load_settings
from cryptoviz.topics_admin import ensure_topics
from processors.sink_rows import TOPICS

READY_WITHIN_S = 90
LOOK_EVERY_S = 0.05
END_WITHIN_S = 15
RULES = {"bar_seconds": 60, "forecast_seconds": 900, "horizon_hours": (1, 4)}
"""Bars and forecasts of a fault run: enough of each to be wrong, and scores within hours of stream time."""


@dataclass
class Pipeline:
    """Running parts by name, and the settings they have."""

    settings: Settings
    parts: dict[str, Part]
    kafka: KafkaServer
    clickhouse: ClickHouseServer
    disks: Mapping[str, SmallDisk]

    def keep(self) -> None:
        """Let every part do what is due."""
        for disk in self.disks.values():
            disk.keep()
        for part in self.parts.values():
            part.keep()

    def strike(self, strikes: list[Strike], say: Callable[[str], None]) -> list[Strike]:
        """Carry out the strikes at their times, until the feed is done; returns those that found their part."""
        began, left, done = time.monotonic(), list(strikes), list[Strike]()
        while left or not self.parts["feeder"].done:
            self.keep()
            now_s = time.monotonic() - began
            for strike in [one for one in left if one.at_s <= now_s]:
                if self._strikes(strike):
                    say(f"{now_s:7.1f} s  {strike}")
                    left.remove(strike)
                    done.append(strike)
                elif self.parts[strike.part].done:  # the feed is over: nobody there to be killed any more
                    left.remove(strike)
            time.sleep(LOOK_EVERY_S)
        return done

    def _strikes(self, strike: Strike) -> bool:
        """Whether it could be done: one that is away already is struck when it is back."""
        part = self.parts[strike.part]
        if strike.what == "guest":
            part.visit(strike.away_s)
        elif strike.what == "full":
            self.disks[strike.part].fill(strike.away_s)
        elif not part.runs:
            return False
        elif strike.what == "freeze":
            part.freeze(strike.away_s)
        else:
            part.kill(strike.away_s, strike.what)
        return True

    def wait_until_through(self) -> None:
        """Return when everything that was fed has been stored and committed, and can be asked for."""
        wait_until_through(self.settings, stages(TOPICS), pause=self._pause)
        wait_until(lambda: self.keep() or self.clickhouse.answers(), READY_WITHIN_S, "ClickHouse to answer")

    def _pause(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.keep()
            time.sleep(LOOK_EVERY_S)

    def lag(self) -> int:
        """Messages that a group has not committed."""
        lags = (consumer_lag(self.settings, SINK_GROUP, TOPICS), consumer_lag(self.settings, WORKER_GROUP))
        return sum(sum(lag.values()) for lag in lags)


@contextmanager
def pipeline(
    folder: Path, stream: Path, per_second: float, disks: Mapping[str, SmallDisk] | None = None
) -> Iterator[Pipeline]:
    """The servers started, the others ready for `Pipeline.strike`; all of it gone afterwards.

    `disks` are those of the servers that have one of their own.
    """
    disks = disks or {}
    folder.mkdir()
    places = {name: disks[name].path if name in disks else folder for name in ("kafka", "clickhouse")}
    kafka, clickhouse = KafkaServer(places["kafka"]), ClickHouseServer(places["clickhouse"])
    settings = load_settings(
        home=folder / "home", kafka=kafka.address, clickhouse_url=clickhouse.url, clickhouse_user=clickhouse.user,
        clickhouse_password=clickhouse.password, sink_port=free_ports(1)[0], **RULES,
    )  # fmt: skip
    warden = Reaper()
    parts = {part.name: part for part in _parts(folder, stream, per_second, kafka, clickhouse, settings, warden)}
    running = Pipeline(settings, parts, kafka, clickhouse, disks)
    try:
        _start_servers(running)
        yield running
    finally:
        for name in reversed(parts):
            parts[name].end(END_WITHIN_S)
        warden.close()


def _start_servers(running: Pipeline) -> None:
    for name, server in (("kafka", running.kafka), ("clickhouse", running.clickhouse)):
        running.parts[name].keep()
        wait_until(server.answers, READY_WITHIN_S, f"{name} to answer", every_s=0.2)
    ensure_topics(running.settings)
    migrate(running.settings)


def _parts(
    folder: Path, stream: Path, per_second: float, kafka: KafkaServer, clickhouse: ClickHouseServer,
    settings: Settings, warden: Reaper,
) -> Iterator[Part]:  # fmt: skip
    env = environment(settings)
    logs = folder / "logs"
    logs.mkdir()

    def part(name: str, *argv: str, own: Mapping[str, str] | None = None, **more: bool) -> Part:
        return Part(name, argv, logs / f"{name}.log", warden, env | (own or {}), **more)

    yield part("kafka", *kafka.argv())
    yield part("clickhouse", *clickhouse.argv())
    yield part("sink", sys.executable, "-m", "cryptoviz", "sink")
    for name, port in zip(("worker-1", "worker-2", GUEST), free_ports(3), strict=True):
        own = {"CRYPTOVIZ_WORKER_ID": name, "CRYPTOVIZ_WORKER_PORT": str(port)}
        yield part(name, sys.executable, "-m", "cryptoviz", "process", own=own, wanted=name != GUEST)
    yield part("feeder", sys.executable, feeder.__file__, str(stream), str(per_second), one_shot=True)
