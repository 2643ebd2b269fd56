"""One run of one engine: its process started, its outputs timed by the broker's clock, its CPU-seconds counted.

Equal for all: from the first output the broker stored to the last, so that no start-up counts; the quotes of the first
append are left out. An engine that first writes quotes to a topic of its own, by another key, has begun with that; for
one that has to warm up the clock starts when a share of its outputs is stored.
CPU-seconds are those between the same two moments, of the process and its children.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np
import orjson
import psutil
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, TopicPartition

from bench.quotes import PARTITIONS, Expected, differences

# Bytewax takes up to 1,000 messages of each partition at a time, with batches twenty seconds of work without an output.
SAMPLE_S, QUIET_S, WITHIN_S = 0.25, 40.0, 160.0  # looking costs 10 ms, of two processors that engines need
# An engine that writes nothing and uses so little of a processor for so long has nothing left to do.
IDLE_S, IDLE_CORES = 5.0, 0.1
TOO_FEW = "all at one moment: too few quotes"


@dataclass(frozen=True)
class Run:
    """What one run gave: quotes per second of the clock and of the processors; `wrong` says why it does not count."""

    per_s: float
    per_cpu_s: float
    seconds: float
    wrong: str = ""


def measured(
    argv: Sequence[str], log: Path, broker: str, target: str, wanted: Expected, *, warm_up: float = 0.0
) -> Run:  # fmt: skip
    """Run an engine until its output has been quiet, then read what it said; `warm_up` of it is not timed."""
    with log.open("wb") as file:
        process = subprocess.Popen(argv, stdout=file, stderr=file, start_new_session=True)
    try:
        samples = _watch(process, broker, target, wanted.results)
    finally:
        _end(process)
    return _judged(broker, target, wanted, samples, log, warm_up=warm_up)


def _watch(process: subprocess.Popen[bytes], broker: str, target: str, most: int) -> list[tuple[float, float]]:
    """(time, CPU-seconds) until there are so many messages, or the output's end has not moved for a while."""
    reader = _reader(broker)
    samples: list[tuple[float, float]] = []
    deadline, written, moved = time.time() + WITHIN_S, 0, time.time()
    while time.time() < deadline and process.poll() is None:
        samples.append((time.time(), _cpu_s(process.pid)))
        ends = _ends(reader, target)
        if ends != written:
            written, moved = ends, time.time()
        if written >= most or (written and _has_ended(time.time() - moved, samples)):
            break
        time.sleep(SAMPLE_S)
    reader.close()
    return samples


def _has_ended(quiet_s: float, samples: Sequence[tuple[float, float]]) -> bool:
    """Whether no more will come of an engine that has written nothing for so long."""
    recent = samples[-round(IDLE_S / SAMPLE_S) :]
    (since, before), (until, spent) = recent[0], recent[-1]
    idle = quiet_s > IDLE_S and spent - before < IDLE_CORES * (until - since)
    return idle or quiet_s > QUIET_S


def _cpu_s(pid: int) -> float:
    try:
        itself = psutil.Process(pid)
        times = [each.cpu_times() for each in (itself, *itself.children(recursive=True))]
    except psutil.Error:
        return 0.0
    return sum(each.user + each.system for each in times)


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(20)


def _judged(
    broker: str, target: str, wanted: Expected, samples: list[tuple[float, float]], log: Path, *, warm_up: float
) -> Run:  # fmt: skip
    counts, last = _read(broker, target)
    total = sum(counts.values())
    wrong = "; ".join(differences(wanted, total, last)[:2])
    first, final = warmed_up(counts, warm_up), max(counts, default=0)
    if first == final:
        tail = log.read_text(errors="replace")[-300:]
        return Run(0, 0, 0, wrong or f"{TOO_FEW}; {tail}")
    first = min(first, _regrouped(broker, target, first))
    seconds, done = (final - first) / 1000, sum(count for ms, count in counts.items() if ms > first)
    times, spent = zip(*samples, strict=True)
    cpu_s = float(np.interp(final / 1000, times, spent) - np.interp(first / 1000, times, spent))
    return Run(done / seconds, done / max(cpu_s, 1e-3), seconds, wrong)


def warmed_up(counts: Mapping[int, int], share: float) -> int:
    """The first moment at which this share of all results, or any for 0, was stored; `counts` are those of each.

    0 without results.
    """
    moments = sorted(counts)
    stored = accumulate(counts[moment] for moment in moments)
    least = share * sum(counts.values())
    return next((moment for moment, so_far in zip(moments, stored, strict=True) if so_far >= least), 0)


def _read(broker: str, target: str) -> tuple[dict[int, int], dict[str, tuple[float, float]]]:
    """Results per millisecond in which the broker stored them, and each symbol's last."""
    reader = _reader(broker)
    reader.assign([TopicPartition(target, p, OFFSET_BEGINNING) for p in range(PARTITIONS)])
    ends = _ends(reader, target)
    counts: dict[int, int] = {}
    newest: dict[str, dict[str, float]] = {}
    seen, deadline = 0, time.monotonic() + 60
    while seen < ends and time.monotonic() < deadline:
        for message in reader.consume(10_000, 0.5):
            if message.error():
                continue
            seen += 1
            value = orjson.loads(message.value())
            results = value.get("results", [value])
            stored_ms = message.timestamp()[1]
            counts[stored_ms] = counts.get(stored_ms, 0) + len(results)
            for each in results:  # the newest by its own time: not every engine keys a batch, so partitions may differ
                if each["at"] >= newest.get(each["symbol"], each)["at"]:
                    newest[each["symbol"]] = each
    reader.close()
    return counts, {name: (each["mean"], each["std"]) for name, each in newest.items()}


def _regrouped(broker: str, target: str, otherwise_ms: int) -> int:
    """When the engine first wrote to a topic between input and output, which Quix names `repartition__<group>--...`."""
    reader = _reader(broker)
    names = [name for name in reader.list_topics(timeout=10).topics if name.startswith("repartition__")]
    mine = [name for name in names if f"-{target}--" in name]
    reader.assign([TopicPartition(name, p, OFFSET_BEGINNING) for name in mine for p in range(PARTITIONS)])
    first = [message.timestamp()[1] for message in reader.consume(1_000, 5.0 if mine else 0) if not message.error()]
    reader.close()
    return min(first, default=otherwise_ms)


def _ends(reader: Consumer, target: str) -> int:
    """Messages in the topic; none while its partitions are still looking for their leader."""
    try:
        return sum(reader.get_watermark_offsets(TopicPartition(target, p), timeout=10)[1] for p in range(PARTITIONS))
    except KafkaException:
        return 0


def _reader(broker: str) -> Consumer:
    return Consumer(
        {"bootstrap.servers": broker, "group.id": "bench-reader", "enable.auto.commit": False, "log_level": 2}
    )
