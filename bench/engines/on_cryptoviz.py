"""CryptoViz's own arrangement: raw bytes, `noack_take`, numpy over the batch, its Outbox, acknowledged after delivery.

App, Outbox, Writer and the batch sizes are the product's; the work is the bench's. The window is in memory, as the
product's state is, and would be read back from the output topic at a start.
"""

from __future__ import annotations

import mode.loop

mode.loop.use("uvloop")  # must come before Faust is imported

import itertools  # noqa: E402
import tempfile  # noqa: E402
from collections.abc import Sequence  # noqa: E402
from typing import Any  # noqa: E402

import faust  # noqa: E402
import numpy as np  # noqa: E402
import orjson  # noqa: E402
from work import SYMBOLS, WINDOW, arguments, good  # noqa: E402

from cryptoviz.kafka import Writer, producer_config  # noqa: E402
from cryptoviz.logs import logging_config  # noqa: E402
from cryptoviz.settings import load_settings  # noqa: E402
from processors.app import BATCH_MESSAGES, BATCH_WITHIN_S, BYTES, App  # noqa: E402
from processors.outbox import Outbox  # noqa: E402

TYPES = ((("at", "received_at"), {int}), (("currency",), {str}), (("price",), {float}))


class Windows:
    """The last prices of every symbol."""

    def __init__(self) -> None:
        self._tails: dict[str, Any] = {}

    def add(self, names: Sequence[str], prices: Any) -> tuple[Any, Any]:
        """Mean and standard deviation after each price, in order."""
        codes = {name: code for code, name in enumerate(dict.fromkeys(names))}
        places = np.fromiter(map(codes.__getitem__, names), np.int64, len(names))
        order = np.argsort(places, kind="stable")
        ends = np.cumsum(np.bincount(places, minlength=len(codes)))
        means, stds = np.empty(len(names)), np.empty(len(names))
        for name, code in codes.items():
            mine = order[ends[code - 1] if code else 0 : ends[code]]
            means[mine], stds[mine] = self._roll(name, prices[mine])
        return means, stds

    def _roll(self, name: str, new: Any) -> tuple[Any, Any]:
        tail = self._tails.get(name, new[:0])
        known = np.concatenate((tail, new))
        self._tails[name] = known[-(WINDOW - 1) :]
        moved = known - known[0]  # from a base, so that nothing cancels
        sums = np.concatenate(([0.0], np.cumsum(moved)))
        squares = np.concatenate(([0.0], np.cumsum(moved * moved)))
        last = np.arange(len(tail) + 1, len(known) + 1)
        first = np.maximum(last - WINDOW, 0)
        points = last - first
        mean = (sums[last] - sums[first]) / points
        variance = (squares[last] - squares[first]) / points - mean * mean
        return known[0] + mean, np.sqrt(np.maximum(variance, 0.0))


def checked(quotes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The good ones: by column, and one by one only where a column is not as it should be."""
    try:
        right = all(set(map(type, [q[name] for q in quotes])) <= types for names, types in TYPES for name in names)
        prices = [quote["price"] for quote in quotes]
        right = right and min(prices) > 0 and max(prices) < np.inf and sum(prices) < np.inf
        right = right and SYMBOLS.issuperset([quote["asset"] for quote in quotes])
    except (KeyError, TypeError):
        right = False
    return quotes if right else [quote for quote in quotes if good(quote)]


class Rolling:
    """One worker's work: a batch of messages in, its results delivered."""

    def __init__(self, outbox: Outbox, target: str, shape: str) -> None:
        self._outbox, self._target, self._shape, self._windows = outbox, target, shape, Windows()

    async def batch(self, events: Sequence[Any]) -> None:
        messages = [event.message for event in events]
        columns = self._columns([message.value for message in messages])
        names, ats, prices = (list(itertools.chain.from_iterable(column)) for column in zip(*columns, strict=True))
        if names:
            means, stds = self._windows.add(names, np.array(prices, dtype=np.float64))
            rows = zip(names, ats, prices, means.tolist(), stds.tolist(), strict=True)
            for message, mine in zip(messages, columns, strict=True):
                results = [
                    {"symbol": name, "at": at, "price": price, "mean": mean, "std": std}
                    for name, at, price, mean, std in itertools.islice(rows, len(mine[0]))
                ]
                await self._send(message, results)
        await self._outbox.delivered()

    def _columns(self, values: Sequence[bytes]) -> list[tuple[list[str], list[int], list[float]]]:
        """Names, times and prices per message: the decoded quotes live no longer than their message's turn."""
        if self._shape == "single":
            decoded = orjson.loads(b"[" + b",".join(values) + b"]")  # one pass over the batch
            if len(checked(decoded)) == len(decoded):
                return [([quote["asset"]], [quote["at"]], [quote["price"]]) for quote in decoded]
            return [_columns_of(checked([quote])) for quote in decoded]
        return [_columns_of(checked(orjson.loads(value)["quotes"])) for value in values]

    async def _send(self, message: Any, results: list[dict[str, Any]]) -> None:
        if self._shape == "batch":
            value = orjson.dumps({"results": results})
            await self._outbox.send(self._target, message.partition, value, message.key)
            return
        for each in results:
            key = each["symbol"].encode()
            await self._outbox.send(self._target, message.partition, orjson.dumps(each), key)


def _columns_of(quotes: list[dict[str, Any]]) -> tuple[list[str], list[int], list[float]]:
    return [q["asset"] for q in quotes], [q["at"] for q in quotes], [q["price"] for q in quotes]


def main() -> None:
    broker, source, target, shape = arguments()
    settings = load_settings(kafka=broker)
    app = App(
        f"cryptoviz-{target}", broker=f"kafka://{broker}", store="memory://", datadir=tempfile.mkdtemp(),
        consumer_group_instance_id="bench", broker_session_timeout=10.0, broker_heartbeat_interval=3.0,
        broker_commit_interval=0.5, stream_buffer_maxsize=65536, cython_optimizations=True, topic_disable_leader=True,
        topic_partitions=4, web_enabled=False, worker_redirect_stdouts=False,
    )  # fmt: skip
    rolling = Rolling(Outbox(Writer(producer_config(settings, f"bench-{target}"))), target, shape)

    async def agent(stream: Any) -> None:
        async for events in stream.noack_take(BATCH_MESSAGES, within=BATCH_WITHIN_S):
            await rolling.batch(events)
            for event in events:
                await stream.ack(event)

    app.agent(app.topic(source, **BYTES), name="rolling")(agent)
    faust.Worker(
        app, loglevel="INFO", logging_config=logging_config("info"), redirect_stdouts=False, quiet=True
    ).execute_from_commandline()


if __name__ == "__main__":
    main()
