"""CryptoViz's own arrangement: raw bytes in batches, numpy over the batch, its Outbox, acknowledged after delivery.

App, its options, Outbox, Delivery, Writer, the batch sizes and the rare search for cycles are the product's; the work
is the bench's. The window is in memory, as the product's state is, and would be read back from the output topic at a
start.
"""

from __future__ import annotations

import mode.loop

mode.loop.use("uvloop")  # must come before Faust is imported

import functools  # noqa: E402
import itertools  # noqa: E402
import tempfile  # noqa: E402
from collections.abc import Iterator, Sequence  # noqa: E402
from typing import Any, Literal  # noqa: E402

import faust  # noqa: E402
import msgspec  # noqa: E402
import numpy as np  # noqa: E402
import orjson  # noqa: E402
from work import SYMBOLS, WINDOW, arguments, good  # noqa: E402

from cryptoviz.kafka import Writer, producer_config  # noqa: E402
from cryptoviz.logs import logging_config  # noqa: E402
from cryptoviz.settings import load_settings  # noqa: E402
from processors.app import BYTES, OPTIONS, App, acknowledge  # noqa: E402
from processors.batches import batches  # noqa: E402
from processors.delivery import Acknowledge, Delivery  # noqa: E402
from processors.garbage import search_rarely  # noqa: E402
from processors.outbox import Outbox  # noqa: E402

CODES = {name: code for code, name in enumerate(sorted(SYMBOLS))}
KEYS = {name: name.encode() for name in SYMBOLS}


class Quote(msgspec.Struct, gc=False):
    """The fields this work needs of a quote, with the types they must have."""

    asset: Literal[*sorted(SYMBOLS)]  # type: ignore[valid-type]  # nothing is made of a name that is known
    price: float
    at: int
    received_at: int
    currency: str


class Quotes(msgspec.Struct, gc=False):
    """A raw message."""

    quotes: list[Quote]


class Result(msgspec.Struct, gc=False):
    """One quote's result."""

    symbol: str
    at: int
    price: float
    mean: float
    std: float


class Results(msgspec.Struct, gc=False):
    """Those of a batch."""

    results: list[Result]


class Windows:
    """The last prices of every symbol."""

    def __init__(self) -> None:
        self._tails: dict[int, Any] = {}

    def add(self, codes: Any, prices: Any) -> tuple[Any, Any]:
        """Mean and standard deviation after each price of the symbol with this code, in order."""
        order = np.argsort(codes, kind="stable")
        ends = np.cumsum(np.bincount(codes, minlength=len(CODES)))
        means, stds = np.empty(len(codes)), np.empty(len(codes))
        for code, (start, end) in enumerate(itertools.pairwise([0, *ends.tolist()])):
            if end > start:
                mine = order[start:end]
                means[mine], stds[mine] = self._roll(code, prices[mine])
        return means, stds

    def _roll(self, code: int, new: Any) -> tuple[Any, Any]:
        tail = self._tails.get(code, new[:0])
        known = np.concatenate((tail, new))
        self._tails[code] = known[-(WINDOW - 1) :]
        moved = known - known[0]  # from a base, so that nothing cancels
        sums = np.concatenate(([0.0], np.cumsum(moved)))
        squares = np.concatenate(([0.0], np.cumsum(moved * moved)))
        last = np.arange(len(tail) + 1, len(known) + 1)
        first = np.maximum(last - WINDOW, 0)
        points = last - first
        mean = (sums[last] - sums[first]) / points
        variance = (squares[last] - squares[first]) / points - mean * mean
        return known[0] + mean, np.sqrt(np.maximum(variance, 0.0))


class Rolling:
    """One worker's work: a batch of messages in, its results delivered while the next is computed."""

    def __init__(self, outbox: Outbox, target: str, shape: str) -> None:
        self._outbox, self._target, self._shape, self._windows = outbox, target, shape, Windows()
        self._delivery = Delivery(outbox, lambda error: None)

    async def batch(self, events: Sequence[Any], acknowledge: Acknowledge) -> None:
        messages = [event.message for event in events]
        quotes = self._quotes([message.value for message in messages])
        results, good = self._results(list(itertools.chain.from_iterable(quotes)))
        first = 0
        for message, mine in zip(messages, quotes, strict=True):
            count = np.count_nonzero(good[first : first + len(mine)])
            first += len(mine)
            await self._send(message, list(itertools.islice(results, count)))
        await self._delivery.begin(functools.partial(acknowledge, len(events)))

    def _quotes(self, values: Sequence[bytes]) -> list[list[Quote]]:
        if self._shape != "single":
            return [_read(value, MANY, lambda found: found.quotes) for value in values]
        try:
            return [[quote] for quote in LIST.decode(b"[" + b",".join(values) + b"]")]  # one pass over the batch
        except msgspec.MsgspecError:
            return [_read(value, ONE, lambda quote: [quote]) for value in values]

    def _results(self, quotes: list[Quote]) -> tuple[Iterator[Result], Any]:
        """What is said of the good ones, in order, and which those are: checked by column."""
        names, prices = [quote.asset for quote in quotes], np.array([quote.price for quote in quotes], dtype=float)
        # So short whole numbers are sorted by their digits.
        codes = np.fromiter(map(CODES.__getitem__, names), np.int16, len(names))
        good = (prices > 0) & (prices < np.inf)
        means, stds = self._windows.add(codes[good], prices[good])
        ats = [quote.at for quote in quotes]
        chosen = good.tolist()
        kept = (itertools.compress(column, chosen) for column in (names, ats, prices.tolist()))
        return map(Result, *kept, means.tolist(), stds.tolist()), good

    async def _send(self, message: Any, results: list[Result]) -> None:
        if self._shape == "batch":
            await self._outbox.send(self._target, message.partition, encode(Results(results)), message.key)
            return
        values = encode_lines(results).splitlines()
        one_each = [{"value": value, "key": KEYS[each.symbol]} for value, each in zip(values, results, strict=True)]
        await self._outbox.send_all(self._target, message.partition, one_each)


ONE, MANY, LIST = msgspec.json.Decoder(Quote), msgspec.json.Decoder(Quotes), msgspec.json.Decoder(list[Quote])
encode, encode_lines = msgspec.json.Encoder().encode, msgspec.json.Encoder().encode_lines


def _read(value: bytes, decoder: Any, quotes_in: Any) -> list[Quote]:
    """The quotes of a message; where a type is wrong, those whose types are right."""
    try:
        return quotes_in(decoder.decode(value))
    except msgspec.MsgspecError:
        found = orjson.loads(value)
        return [msgspec.convert(quote, Quote) for quote in found.get("quotes", [found]) if good(quote)]


def main() -> None:
    broker, source, target, shape = arguments()
    settings = load_settings(kafka=broker)
    app = App(
        f"cryptoviz-{target}", broker=f"kafka://{broker}", datadir=tempfile.mkdtemp(),
        consumer_group_instance_id="bench", topic_partitions=4, web_enabled=False, **OPTIONS,
    )  # fmt: skip
    search_rarely()
    rolling = Rolling(Outbox(Writer(producer_config(settings, f"bench-{target}"))), target, shape)

    async def agent(stream: Any) -> None:
        async for events in batches(stream):
            await rolling.batch(events, functools.partial(acknowledge, stream, iter(events)))

    app.agent(app.topic(source, **BYTES), name="rolling")(agent)
    faust.Worker(
        app, loglevel="INFO", logging_config=logging_config("info"), redirect_stdouts=False, quiet=True
    ).execute_from_commandline()


if __name__ == "__main__":
    main()
