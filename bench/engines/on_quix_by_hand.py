"""Quix Streams as `on_quix`, but batches stay whole: the state is that of their key, a partition, read once each."""

from __future__ import annotations

from typing import Any

from quix_parts import application, keep, loaded, one
from quixstreams import State
from work import Rolling, arguments, good, result

broker, source, target, shape = arguments()


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
        keep(state, name, window)
    return results


app = application(broker, target)
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
