"""A running stack as one context: `async with running_stack(...) as stack` is ready inside and gone outside."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Collection
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from cryptoviz.local.broker import write_config
from cryptoviz.local.clickhouse.users import WRITER, check_binding, ensure_users
from cryptoviz.local.grafana import HOW_TO_GET_IT, find_grafana
from cryptoviz.local.health import health_server
from cryptoviz.local.home import Kind, locked_home
from cryptoviz.local.jars import resolve_jars
from cryptoviz.local.java import find_java
from cryptoviz.local.kafka_jars import JARS, KAFKA_VERSION
from cryptoviz.local.part import Event
from cryptoviz.local.ports import check_ports
from cryptoviz.local.process import Reaper
from cryptoviz.local.stack_parts import Machine, broker_of, build_parts, embedded, kafka_host, port_claims, users_file
from cryptoviz.local.supervisor import Supervisor
from cryptoviz.settings import Settings


class Audience(Protocol):
    """Who is told what the stack does."""

    def tell(self, event: Event) -> None:
        """A part changed its state."""

    def downloading(self, what: str, received_bytes: int, total_bytes: int) -> None:
        """A download goes on; called from other threads."""

    def note(self, text: str) -> None:
        """One line worth reading."""


@dataclass(frozen=True)
class Stack:
    """A stack whose parts are all ready; `settings` are what a part of it gets (addresses, password, home)."""

    settings: Settings
    supervisor: Supervisor

    async def run(self, seconds: float | None = None) -> None:
        """Keep it running for so long, or until cancelled."""
        try:
            await asyncio.wait_for(self.supervisor.run(), seconds)
        except TimeoutError:
            return


@asynccontextmanager
async def running_stack(
    settings: Settings, names: Collection[str], audience: Audience, kind: Kind = "live"
) -> AsyncIterator[Stack]:
    """Start the parts of `names` (see `stack_parts`) and end them all on the way out, also when cancelled.

    Raises `UserError` before anything has been started when the home is in use or made for something else, when a port
    is taken, or when Java or Kafka cannot be had; and after having ended the others when a part does not start.
    """
    fixed = {"partitions": settings.partitions, "bar_seconds": settings.bar_seconds}
    async with AsyncExitStack() as stack:
        home = await asyncio.to_thread(stack.enter_context, locked_home(settings.home, kind, fixed))
        machine = await _look_around(settings, names, audience)
        password = settings.clickhouse_password.get_secret_value() or None
        file = users_file(home.path)
        users = ensure_users(file, password)
        check_binding(settings.host, users, file)
        ours = embedded(settings, users[WRITER].password or "", users["grafana"].password or "")
        write_config(broker_of(ours))
        warden = Reaper(keep_open=(home.lock,))
        stack.callback(warden.close)
        supervisor = Supervisor(build_parts(ours, names, machine), home.logs, warden, audience.tell)
        about = {"home": str(home.path), "kind": kind, "kafka": ours.kafka, "clickhouse": ours.clickhouse_url}
        await stack.enter_async_context(health_server(ours.host, ours.health_port, supervisor.statuses, about))
        stack.push_async_callback(supervisor.stop)
        await supervisor.start()
        yield Stack(ours, supervisor)


async def _look_around(settings: Settings, names: Collection[str], audience: Audience) -> Machine:
    """Check what can be checked before anything starts, and fetch what is missing."""
    grafana = find_grafana() if "grafana" in names else None
    if "grafana" in names and grafana is None:
        audience.note(HOW_TO_GET_IT)
    if kafka_host(settings) != settings.host:
        audience.note(f"Kafka has no passwords: it listens on {kafka_host(settings)}, not on {settings.host}")
    listening = [name for name in names if name != "grafana" or grafana is not None]
    check_ports(settings.host, port_claims(settings, listening))
    java, cancelled = find_java(), threading.Event()

    def received(received_bytes: int, total_bytes: int) -> None:
        audience.downloading(f"Kafka {KAFKA_VERSION}", received_bytes, total_bytes)

    try:
        jars = await asyncio.to_thread(resolve_jars, JARS, received, None, cancelled)
    except asyncio.CancelledError:
        cancelled.set()
        raise
    return Machine(java, jars, grafana)
