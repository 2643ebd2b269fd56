"""Where the parts serve their metrics: the ports of the settings, or the addresses the user names."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from urllib.parse import urlsplit

from cryptoviz.errors import UserError
from cryptoviz.running import reachable, worker_addresses
from cryptoviz.settings import Settings

Target = tuple[str, str]
"""(part, base address)."""


def addresses_of(host: str) -> list[str]:
    """The IPv4 addresses of a name, none if nobody knows it."""
    try:
        found = socket.getaddrinfo(host, None, socket.AF_INET, socket.SOCK_STREAM)
    except OSError:
        return []
    return sorted({str(entry[4][0]) for entry in found})


def targets(settings: Settings, resolve: Callable[[str], Sequence[str]] = addresses_of) -> list[Target]:
    """The parts to ask; raises `UserError` for a wrong CRYPTOVIZ_MONITOR_TARGETS."""
    named = [_named(entry) for entry in settings.monitor_targets]
    return [each for target in named for each in _each(*target, resolve)] if named else list(_local(settings))


def _local(settings: Settings) -> Iterator[Target]:
    base = f"http://{reachable(settings.host)}"
    yield "produce", f"{base}:{settings.producer_port}"
    yield "sink", f"{base}:{settings.sink_port}"
    yield from worker_addresses(settings)


def _named(entry: str) -> Target:
    part, _, address = entry.partition("=")
    if not part or urlsplit(address).scheme != "http" or not urlsplit(address).hostname:
        raise UserError(f"CRYPTOVIZ_MONITOR_TARGETS: {entry!r} is not like worker=http://worker:8001")
    return part, address.rstrip("/")


def _each(part: str, address: str, resolve: Callable[[str], Sequence[str]]) -> Iterator[Target]:
    """One target, or as many as its name has addresses: a service that runs several times."""
    place = urlsplit(address)
    hosts = resolve(place.hostname or "")
    if len(hosts) < 2:
        yield part, address
    else:
        yield from ((f"{part} {host}", f"http://{host}:{place.port or 80}") for host in hosts)
