"""The queue between Faust's consumer and an agent, bounded by bytes: a slow agent makes the worker stop fetching."""

from __future__ import annotations

from typing import Any

from mode.utils.queues import ThrowableQueue

MOST_BYTES = 64 * 1024 * 1024


class BoundedQueue(ThrowableQueue[Any]):
    """Faust's queue, which counts messages, of which one may have 8 MiB; this one counts their bytes as well.

    From `MOST_BYTES` on, each partition a message comes from is fetched no more; what has been fetched of it is still
    taken in. At the half of it fetching goes on.
    """

    held_bytes = 0

    def _put(self, item: Any) -> None:
        self.held_bytes += _size(item)
        super()._put(item)

    def _get(self) -> Any:
        item = super()._get()
        self.held_bytes -= _size(item)
        return item

    def full(self) -> bool:
        """Never: what has been fetched is taken in at once. Faust would make a task of each message and wait for it."""
        return False

    def clear(self) -> None:
        """Forget everything, as Faust does when partitions are shared out anew."""
        super().clear()
        self.held_bytes = 0

    def in_pressure_high_state(self, callback: Any) -> bool:
        """Whether the partition that this message comes from has to pause; `callback` lets it go on."""
        if callback not in self._pending_pressure_drop_callbacks and self.held_bytes >= MOST_BYTES:
            self._pending_pressure_drop_callbacks.add(callback)
            self.on_pressure_high()
            return True
        return super().in_pressure_high_state(callback)

    def maybe_endorse_pressure_drop(self) -> None:
        """Let partitions go on when little enough is held."""
        if self.held_bytes <= MOST_BYTES // 2:
            super().maybe_endorse_pressure_drop()


def _size(event: Any) -> int:
    message = getattr(event, "message", None)
    return 0 if message is None else len(message.value or b"") + len(message.key or b"")
