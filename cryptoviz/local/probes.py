"""Questions whose yes means that a part is ready; each answers at once and never raises."""

from __future__ import annotations

import asyncio
from functools import partial

import aiohttp
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from cryptoviz.local.part import Probe

HTTP_PATIENCE_S = 10.0  # a worker in the middle of a large batch answers after it
KAFKA_PATIENCE_S = 3.0


def http_ok(url: str) -> Probe:
    """Whether GET of `url` answers 200."""

    async def ask() -> bool:
        return await _status(url) == 200

    return ask


def http_answers(url: str) -> Probe:
    """Whether GET of `url` answers at all: a part that says it is unwell is not a part that hangs."""

    async def ask() -> bool:
        return await _status(url) is not None

    return ask


async def _status(url: str) -> int | None:
    try:
        timeout = aiohttp.ClientTimeout(HTTP_PATIENCE_S)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url) as answer:
            return answer.status
    except (aiohttp.ClientError, TimeoutError, OSError):
        return None


def kafka_answers(host: str, port: int) -> Probe:
    """Whether the broker gives its list of topics; asked only once its port is open."""

    async def ask() -> bool:
        return await _is_open(host, port) and await asyncio.to_thread(partial(_lists_topics, f"{host}:{port}"))

    return ask


async def _is_open(host: str, port: int) -> bool:
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), KAFKA_PATIENCE_S)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


def _lists_topics(address: str) -> bool:
    try:
        admin = AdminClient({"bootstrap.servers": address, "log_level": 0})
        return bool(admin.list_topics(timeout=KAFKA_PATIENCE_S).brokers)
    except KafkaException:
        return False
