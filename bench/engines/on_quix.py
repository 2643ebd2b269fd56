"""Quix Streams: a StreamingDataFrame with a stateful `apply`, at least once (its default), state with a changelog.

quix.io/docs/quix-streams: "Processing & Transforming Data" (apply, expand, filter), "Stateful Processing".
"""

from __future__ import annotations

import tempfile
from typing import Any

from quixstreams import Application, State
from work import Rolling, arguments, good, result

broker, source, target, shape = arguments()


def loaded(state: State, name: str) -> Rolling:
    return Rolling(*(state.get(name) or ()))


def kept(state: State, name: str, window: Rolling) -> None:
    state.set(name, [window.base, window.total, window.squares, window.next, window.prices])


def one(quote: dict[str, Any], state: State) -> dict[str, Any]:
    window = loaded(state, "window")
    said = result(quote, window)
    kept(state, "window", window)
    return said


def batch(message: dict[str, Any], state: State) -> list[dict[str, Any]]:
    """A batch is of one partition and keyed by it: each symbol's window is read and written once."""
    windows: dict[str, Rolling] = {}
    results = []
    for quote in filter(good, message["quotes"]):
        name = quote["asset"]
        if name not in windows:
            windows[name] = loaded(state, name)
        results.append(result(quote, windows[name]))
    for name, window in windows.items():
        kept(state, name, window)
    return results


app = Application(
    broker_address=broker, consumer_group=f"quix-{target}", auto_offset_reset="earliest",
    state_dir=tempfile.mkdtemp(), loglevel="WARNING", producer_extra_config={"linger.ms": 5, "compression.type": "lz4"},
)  # fmt: skip
frame = app.dataframe(app.topic(source, value_deserializer="json", key_deserializer="str"))
out = app.topic(target, value_serializer="json", key_serializer="str")
if shape == "single":
    frame.filter(good).apply(one, stateful=True).to_topic(out)
elif shape == "batch":
    frame.apply(batch, stateful=True).apply(lambda results: {"results": results}).to_topic(out)
else:
    frame.apply(batch, stateful=True, expand=True).to_topic(out, key=lambda said: said["symbol"])

if __name__ == "__main__":
    app.run()
