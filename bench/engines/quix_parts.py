"""What both Quix Streams engines share: the application, a window in its state, the step of a quote keyed by symbol.

quix.io/docs/quix-streams: "Configuring Quix Streams" (at least once is its default), "Stateful Applications" (RocksDB,
changelog topics, a state per message key).
"""

from __future__ import annotations

import tempfile
from typing import Any

from quixstreams import Application, State
from work import Rolling, result


def application(broker: str, target: str) -> Application:
    """At least once, state with a changelog; a state folder of its own, so that no run finds another's."""
    return Application(
        broker_address=broker, consumer_group=f"quix-{target}", auto_offset_reset="earliest",
        state_dir=tempfile.mkdtemp(), loglevel="WARNING",
        producer_extra_config={"linger.ms": 5, "compression.type": "lz4"},
    )  # fmt: skip


def loaded(state: State, name: str) -> Rolling:
    """The window kept under a name of the current message key; an empty one if there is none."""
    return Rolling(*(state.get(name) or ()))


def keep(state: State, name: str, window: Rolling) -> None:
    """Put the window where `loaded` finds it."""
    state.set(name, [window.base, window.total, window.squares, window.next, window.prices])


def one(quote: dict[str, Any], state: State) -> dict[str, Any]:
    """One good quote's result, where the message's key is its symbol."""
    window = loaded(state, "window")
    said = result(quote, window)
    keep(state, "window", window)
    return said
