"""How often a process searches for objects that are kept alive only by each other."""

from __future__ import annotations

import gc

OBJECTS_BETWEEN_SEARCHES = 100_000


def search_rarely() -> None:
    """Leave what has been imported out of the searches, and make them rare.

    What waits for ClickHouse or is computed from a batch is many objects and no cycle: to search it at every 700 new
    ones, as Python does, took two fifths of the sink's time and a fifth of a worker's.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(OBJECTS_BETWEEN_SEARCHES)
