"""Bytewax as `on_bytewax`, but batches stay whole: the state is that of a partition, by hand, and no item a quote."""

from __future__ import annotations

from typing import Any

import bytewax.operators as op
import orjson
from bytewax.connectors.kafka import KafkaSinkMessage, KafkaSourceMessage
from bytewax.connectors.kafka import operators as kop
from bytewax.dataflow import Dataflow
from bytewax.run import cli_main
from confluent_kafka import OFFSET_BEGINNING
from work import Rolling, arguments, quotes_of, result

broker, source, target, shape = arguments()


def batch_step(
    windows: dict[str, Rolling] | None, quotes: list[dict[str, Any]]
) -> tuple[dict[str, Rolling], list[dict[str, Any]]]:
    """A batch is of one partition, and so is the state."""
    windows = {} if windows is None else windows
    return windows, [result(quote, windows.setdefault(quote["asset"], Rolling())) for quote in quotes]


def keyed(message: KafkaSourceMessage[Any, Any]) -> tuple[str, list[dict[str, Any]]]:
    return str(message.partition), quotes_of(message.value, shape)


def one(keyed_result: tuple[str, dict[str, Any]]) -> KafkaSinkMessage[Any, Any]:
    return KafkaSinkMessage(keyed_result[0].encode(), orjson.dumps(keyed_result[1]))


flow = Dataflow("rolling")
read = kop.input("read", flow, brokers=[broker], topics=[source], starting_offset=OFFSET_BEGINNING, tail=True)
batches = op.stateful_map("window", op.map("decode", read.oks, keyed), batch_step)
if shape == "batch":
    out = op.map("encode", batches, lambda b: KafkaSinkMessage(b[0].encode(), orjson.dumps({"results": b[1]})))
else:
    out = op.flat_map("encode", batches, lambda b: [one((each["symbol"], each)) for each in b[1]])
# A batch read makes up to 200,000 messages at once, more than the producer holds by itself.
MORE = {"queue.buffering.max.messages": "1000000"}
kop.output("write", out, brokers=[broker], topic=target, add_config=MORE)

if __name__ == "__main__":
    cli_main(flow)
