"""The memory that a consumer of the sink holds, for a process of its own to measure.

A process that has done other things before has memory to give to the consumer without growing.
"""

from __future__ import annotations

import os

import psutil
from confluent_kafka import Consumer
from waiting import wait_until

from cryptoviz.settings import load_settings
from processors.sink_consumer import make_consumer

MIB = 1024 * 1024
STEADY_LOOKS = 20


def held_bytes(kafka: str, topic: str) -> int:
    """By how much the process has grown once it grows no more; nothing but the first message is taken."""
    before = _resident()
    consumer = make_consumer(load_settings(kafka=kafka), lambda *_: None, lambda _: None)
    try:
        consumer.subscribe([topic])
        return _steady(consumer) - before
    finally:
        consumer.close()


def _resident() -> int:
    return int(psutil.Process(os.getpid()).memory_info().rss)


def _steady(consumer: Consumer) -> int:
    wait_until(lambda: consumer.poll(0.1) is not None, 120, "the first message")
    looks: list[int] = []

    def unchanged() -> bool:
        looks.append(_resident())
        return len(looks) >= STEADY_LOOKS and looks[-1] - looks[-STEADY_LOOKS] < MIB

    wait_until(unchanged, 120, "the memory to be steady", every_s=0.1)
    return looks[-1]
