"""Finds what is running: the stack started by `cryptoviz up` on this machine, or else the parts on their ports."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import orjson
from pydantic import SecretStr

from cryptoviz.settings import Settings

PATIENCE_S = 2.0
MOST_BYTES = 16 * 1024 * 1024  # of an answer; what a part says of itself is far shorter
READER = "analyst"
# The embedded broker is on this machine's own loopback; no login or certificate of another Kafka goes to it.
PLAINTEXT: dict[str, Any] = {
    "kafka_security": "plaintext", "kafka_sasl_username": "", "kafka_sasl_password": SecretStr(""),
    "kafka_ca": None, "kafka_certificate": None, "kafka_key": None,
}  # fmt: skip


@dataclass(frozen=True)
class Part:
    """One part as it was found; `state` is a word for people, `up` what it comes to."""

    name: str
    up: bool
    state: str
    address: str


def fetch(url: str, timeout_s: float = PATIENCE_S, authority: Path | None = None) -> tuple[int, bytes] | None:
    """Status and body of a GET, None if nobody answers; over TLS only to who is signed by `authority`, where given."""
    try:
        context = ssl.create_default_context(cafile=authority) if authority else None
        with urlopen(url, timeout=timeout_s, context=context) as answer:
            return answer.status, answer.read(MOST_BYTES)
    except HTTPError as error:
        return error.code, error.read(MOST_BYTES)
    except (URLError, OSError, ValueError):
        return None


def stack_health(settings: Settings) -> dict[str, Any] | None:
    """What the supervisor of a running stack says of itself, None without one."""
    answer = fetch(f"http://{reachable(settings.host)}:{settings.health_port}/health")
    try:
        health = orjson.loads(answer[1]) if answer else None
    except orjson.JSONDecodeError:
        return None
    return health if isinstance(health, dict) and isinstance(health.get("parts"), dict) else None


def settings_of(settings: Settings, health: dict[str, Any] | None) -> Settings:
    """The settings with the addresses of the running stack, read as a user who can only read.

    Without a stack, or with a password set, they stay as they are: then the user said where to look.
    """
    if health is None or settings.clickhouse_password.get_secret_value():
        return settings
    return settings.model_copy(update={
        "kafka": str(health.get("kafka") or settings.kafka),
        **PLAINTEXT,
        "clickhouse_url": str(health.get("clickhouse") or settings.clickhouse_url),
        "clickhouse_user": READER,
        "clickhouse_password": SecretStr(""),
    })  # fmt: skip


def parts(settings: Settings, health: dict[str, Any] | None) -> list[Part]:
    """Every part and whether it is up: as the supervisor says, or as its port does."""
    if health is not None:
        up = {"ready", "done"}
        return [
            Part(name, part.get("state") in up, str(part.get("state")), str(part.get("address") or ""))
            for name, part in health["parts"].items()
        ]
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(partial(_probe, settings.clickhouse_ca), _addresses(settings)))


def _addresses(settings: Settings) -> list[tuple[str, str]]:
    base = f"http://{reachable(settings.host)}"
    workers = [(name, f"{address}/metrics") for name, address in worker_addresses(settings)]
    return [
        ("kafka", settings.kafka.split(",")[0]),
        ("clickhouse", f"{settings.clickhouse_url}/ping"),
        ("produce", f"{base}:{settings.producer_port}/health"),
        *workers,
        ("sink", f"{base}:{settings.sink_port}/health"),
        ("grafana", f"{base}:{settings.grafana_port}/api/health"),
    ]


def _probe(authority: Path | None, named: tuple[str, str]) -> Part:
    name, address = named
    if not address.startswith("http"):
        return Part(name, _port_open(address), "port open" if _port_open(address) else "no answer", address)
    answer = fetch(address, authority=authority if address.startswith("https://") else None)
    if answer is None:
        return Part(name, False, "no answer", address)
    return Part(name, answer[0] == 200, "answers" if answer[0] == 200 else f"answers {answer[0]}", address)


def _port_open(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host or "127.0.0.1", int(port)), timeout=PATIENCE_S):
            return True
    except (OSError, ValueError):
        return False


def worker_addresses(settings: Settings) -> list[tuple[str, str]]:
    """Name and base address of every worker of this machine."""
    base = f"http://{reachable(settings.host)}"
    return [(f"worker-{number + 1}", f"{base}:{settings.worker_port + number}") for number in range(settings.workers)]


def worker_metrics(settings: Settings) -> list[str]:
    """The metrics of the workers that answer, as text."""
    answers = [fetch(f"{address}/metrics") for _, address in worker_addresses(settings)]
    return [body.decode("utf-8", "replace") for status, body in filter(None, answers) if status == 200]


def reachable(host: str) -> str:
    """The address to call for a server that listens on `host`."""
    return "127.0.0.1" if host in {"0.0.0.0", "::", ""} else host


def is_loopback(host: str) -> bool:
    """Whether a server that listens on `host` is out of reach for other machines; a name is not trusted to be."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
