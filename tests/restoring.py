"""An engine as a worker would find it again: its state through bytes, bars and forecasts through their messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import orjson

from cryptoviz.messages import encode
from processors.engine import Engine
from processors.rules import Rules
from processors.snapshot import dump, dump_learned, load, load_learned, restore_bar, restore_prediction
from processors.steps import Output


def restored(
    engine: Engine, published: Iterable[Output], assets: Sequence[str], rules: Rules, learned: bytes | None = None
) -> Engine:
    """What `engine` has become after being written down and read back; `published` is what the topics hold.

    `learned` is what it had learned, written earlier; by default it is written now.
    """
    found = load(dump(engine), assets, rules)
    load_learned(found, dump_learned(engine) if learned is None else learned, assets)
    for topic, _, message in published:
        if topic == "bars":
            restore_bar(found, orjson.loads(encode(message)))
        elif topic == "predictions":
            restore_prediction(found, orjson.loads(encode(message)))
    return found
