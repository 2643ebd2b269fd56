"""What the two agents do with a batch of messages: compute, publish, acknowledge what is delivered. No Faust here."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from cryptoviz.errors import Invalid
from cryptoviz.messages import NormalizedQuotes, encode
from cryptoviz.topics import NORMALIZED, PREDICTIONS, RAW, STATE
from processors import metrics
from processors.delivery import Acknowledge, Delivery
from processors.engine import Engine, results
from processors.normalise import (
    Normaliser,
    Position,
    check_header,
    check_place,
    check_source,
    check_times,
    dead_letter,
)
from processors.outbox import Outbox
from processors.reading import Reader
from processors.recovery import LogReader, learned_key, recover
from processors.rules import Rules
from processors.snapshot import dump, dump_learned
from processors.steps import Output

logger = logging.getLogger(__name__)

SNAPSHOT_AFTER_S = 0.5
MOST_WAITING = 64
"""Steps of a partition's clocks that may wait, so that those of all sources and partitions at one time go together."""
AT_A_TIME = 200
"""So many results are handed over together, as bytes; then others may run."""
USUAL_STEP = 100
"""Further than this from one raw message to the next, the broker is asked whether the latter exists."""

Received = tuple[Position, bytes | None]
Waiting = dict[tuple[str, int], list[dict[str, Any]]]
"""Messages by their topic and partition."""
_MESSAGE = Reader(NormalizedQuotes)


class Normalising:
    """quotes.raw to quotes.normalized; what cannot be used goes to the dead letters."""

    def __init__(self, normaliser: Normaliser, outbox: Outbox, delivery: Delivery) -> None:
        self._normaliser = normaliser
        self._outbox = outbox
        self._delivery = delivery
        self.work = 0
        """Messages done so far."""

    async def batch(self, received: Sequence[Received], acknowledge: Acknowledge) -> None:
        """Normalise these messages; they are acknowledged when every output is with the broker, maybe after return."""
        for position, value in received:
            message, dead = self._normaliser.normalise(value, position)
            for letter in dead:
                metrics.REJECTED.labels(letter["source"], letter["reason"]).inc()
                await self._outbox.send(RAW.dead.name, position.partition, encode(letter))
            if message is not None:
                metrics.QUOTES.labels(message["source"]).inc(len(message["quotes"]))
                await self._outbox.send(NORMALIZED.name, position.partition, encode(message))
            self.work += 1
            await asyncio.sleep(0)  # the group's heartbeats run in this loop too
        await self._delivery.begin(partial(acknowledge, len(received)))


@dataclass(frozen=True)
class Record:
    """A record of a partition's state, ready to be written."""

    partition: int
    value: bytes
    key: bytes


class Analysing:
    """quotes.normalized to bars, statistics, predictions and signals, with the state of each partition."""

    def __init__(
        self, assets: dict[int, Sequence[str]], sources: Collection[str], rules: Rules, outbox: Outbox,
        reader: LogReader, *, delivery: Delivery, worker_id: str,
    ) -> None:  # fmt: skip
        self._assets = assets
        self._sources = sources
        self._rules = rules
        self._outbox = outbox
        self._delivery = delivery
        self._reader = reader
        self._key = worker_id.encode()
        self._home_of = {asset: partition for partition, homes in assets.items() for asset in homes}
        self._engines: dict[int, Engine] = {}
        self._touched: dict[int, Engine] = {}
        """Those whose results or state are still to be written."""
        self._taken = 0

    @property
    def work(self) -> int:
        """Messages taken so far, and those read back from the log."""
        return self._taken + self._reader.read_so_far

    def forget(self, partitions: Iterable[int]) -> None:
        """Drop the state of partitions that another worker may have now; it is read back when they return."""
        for partition in partitions:
            self._engines.pop(partition, None)

    async def batch(self, received: Iterable[Received], acknowledge: Acknowledge) -> None:
        """Apply these messages; they are acknowledged when their outputs and the state are with the broker.

        That is when all are computed or, before it, whenever much work has come together, so that a crash costs little.
        What comes last may be acknowledged after the return.
        """
        self._touched = {}
        began, done = time.monotonic(), 0
        for position, value in received:
            engine = self._touched[position.partition] = await self._engine(position.partition)
            if position.offset > engine.offset:
                await self._catch_up(engine, position)
                await self._take(engine, position, value)
            done += 1
            if time.monotonic() - began > SNAPSHOT_AFTER_S:
                await self._settle(acknowledge, done)
                began, done = time.monotonic(), 0
        await self._settle(acknowledge, done)

    async def _settle(self, acknowledge: Acknowledge, messages: int) -> None:
        await self._results()
        # The state as it is now: when the outputs have arrived, later messages will have changed it.
        records = [record for partition, engine in self._touched.items() for record in self._state(partition, engine)]
        self._touched = {}
        await self._delivery.begin(partial(self._write_down, records, acknowledge, messages))

    def _state(self, partition: int, engine: Engine) -> Iterator[Record]:
        if engine.learning_changed:
            engine.learned, engine.learning_changed = engine.learned + 1, False
            yield Record(partition, dump_learned(engine), learned_key(self._key, engine.learned))
        yield Record(partition, dump(engine), self._key)

    async def _write_down(self, records: Sequence[Record], acknowledge: Acknowledge, messages: int) -> None:
        for record in records:
            await self._outbox.send(STATE.name, record.partition, record.value, record.key)
        await self._outbox.delivered()
        await acknowledge(messages)

    async def _engine(self, partition: int) -> Engine:
        engine = self._engines.get(partition)
        if engine is None:
            await self._delivery.finished()  # its state, from before it was taken away, may still be on its way
            assets = self._assets[partition]
            engine = await asyncio.to_thread(recover, self._reader, partition, assets, self._rules)
            self._engines[partition] = engine
        return engine

    async def _catch_up(self, engine: Engine, position: Position) -> None:
        """Read what lies between the state and this message, so that nothing depends on where reading was resumed."""
        start, partition = engine.offset + 1, position.partition
        if position.offset == start:
            return
        low, _ = await asyncio.to_thread(self._reader.bounds, NORMALIZED.name, partition)
        if low > start:
            logger.warning("partition %d: offsets %d to %d are past retention", partition, start, low - 1)
        logger.info("partition %d: reading offsets %d to %d again", partition, max(low, start), position.offset - 1)
        missing = self._reader.read(NORMALIZED.name, partition, max(low, start), position.offset)
        for message in missing:
            offset, (_, timestamp) = message.offset() or 0, message.timestamp()
            await self._take(engine, Position(NORMALIZED.name, partition, offset, timestamp), message.value())

    async def _take(self, engine: Engine, position: Position, value: bytes | None) -> None:
        self._taken += 1
        try:
            message = read_normalized(position, value, self._rules.interval_s, self._sources)
            await self._check_raw_offset(message, engine, position)
        except Invalid as error:
            engine.offset = position.offset
            await self._set_aside(position, value or b"", error)
            return
        await self._publish(engine.take(message, position.offset))
        metrics.counted(engine.counts)
        engine.counts.clear()
        if engine.closings.waiting >= MOST_WAITING:
            await self._results()
        await asyncio.sleep(0)  # as above

    async def _results(self) -> None:
        started = time.perf_counter()
        published = await self._publish(results(list(self._touched.values())))
        if published[PREDICTIONS.name]:
            metrics.FORECAST_SECONDS.observe(time.perf_counter() - started)

    async def _check_raw_offset(self, message: NormalizedQuotes, engine: Engine, position: Position) -> None:
        """Raise `Invalid` if the raw message named is not there: all that comes before it would be passed over."""
        if message["offset"] <= engine.raw_offset + USUAL_STEP:
            return
        # Its present end: by time nothing could be said while a machine's clock is being set.
        _, end = await asyncio.to_thread(self._reader.bounds, RAW.name, position.partition)
        if message["offset"] >= end:
            raise Invalid("wrong_place", f"offset {message['offset']} of {RAW.name}, which ended at {end}")

    async def _set_aside(self, position: Position, value: bytes, error: Invalid) -> None:
        metrics.REJECTED.labels("", error.reason).inc()
        letter = dead_letter(value, error, position)
        await self._outbox.send(NORMALIZED.dead.name, position.partition, encode(letter))

    async def _publish(self, out: Iterable[Output]) -> Counter[str]:
        """Send what has been computed, some at a time; how many messages that were, by topic."""
        published: Counter[str] = Counter()
        waiting: Waiting = defaultdict(list)
        for number, (topic, asset, message) in enumerate(out, 1):
            waiting[topic, self._home_of[asset]].append({"value": encode(message), "key": asset.encode()})
            published[topic] += 1
            if number % AT_A_TIME == 0:
                await self._send(waiting)
                await asyncio.sleep(0)  # as above
        await self._send(waiting)
        await asyncio.sleep(0)  # as above
        for topic, messages in published.items():
            metrics.RESULTS.labels(topic).inc(messages)
        return published

    async def _send(self, waiting: Waiting) -> None:
        for (topic, partition), messages in waiting.items():
            await self._outbox.send_all(topic, partition, messages)
        waiting.clear()


def read_normalized(
    position: Position, value: bytes | None, interval_s: int, sources: Collection[str]
) -> NormalizedQuotes:
    """A normalized message; raises `Invalid` for what no normalising agent of this home has written."""
    message = _MESSAGE.read(value or b"")
    check_header(message, position, interval_s)
    check_place(message, position)
    check_source(message, sources)  # each one has series of its own, so that strangers' would fill the memory
    for quote in message["quotes"]:
        check_times(message, quote)
    return message
