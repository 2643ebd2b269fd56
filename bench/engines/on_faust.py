"""Faust as its guide shows it: a record, a table, `async for`, `topic.send`.

faust-streaming.github.io/faust: "User Guide: Agents", "Models, Serialization, and Codecs", "Tables and Windowing".
"""

from __future__ import annotations

import math
import sys
import tempfile

import faust
from work import SYMBOLS, Rolling, arguments

broker, source, target, shape = arguments()


class Quote(faust.Record, serializer="json"):
    """The fields this work needs of a quote."""

    asset: str
    price: float
    at: int
    received_at: int
    currency: str


class Quotes(faust.Record, serializer="json"):
    """A raw message."""

    quotes: list[Quote]


class Result(faust.Record, serializer="json"):
    """One quote's result; Faust adds its own `__faust` field."""

    symbol: str
    at: int
    price: float
    mean: float
    std: float


class Results(faust.Record, serializer="json"):
    """Those of a batch."""

    results: list[Result]


app = faust.App(
    f"usual-{target}", broker=f"kafka://{broker}", store="memory://", topic_partitions=4, web_enabled=False,
    datadir=tempfile.mkdtemp(),
)  # fmt: skip
incoming = app.topic(source, value_type=Quote if shape == "single" else Quotes)
outgoing = app.topic(target, value_type=Results if shape == "batch" else Result)
windows = app.Table("windows", default=list, partitions=4)


def worked_out(quote: Quote) -> Result:
    base, total, squares, place, prices = windows[quote.asset] or (0.0, 0.0, 0.0, 0, [])
    window = Rolling(base, total, squares, place, prices)
    mean, std = window.add(quote.price)
    windows[quote.asset] = [window.base, window.total, window.squares, window.next, window.prices]
    return Result(symbol=quote.asset, at=quote.at, price=quote.price, mean=mean, std=std)


def good(quote: Quote) -> bool:
    return isinstance(quote.price, float) and 0 < quote.price < math.inf and quote.asset in SYMBOLS


@app.agent(incoming)
async def rolling(stream: faust.Stream) -> None:
    async for value in stream:
        results = [worked_out(quote) for quote in ([value] if shape == "single" else value.quotes) if good(quote)]
        if shape == "batch":
            await outgoing.send(value=Results(results=results))
        else:
            for each in results:
                await outgoing.send(key=each.symbol, value=each)


if __name__ == "__main__":
    sys.argv[1:] = ["worker", "-l", "info"]
    app.main()
