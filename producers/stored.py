"""What ClickHouse already holds: the time of the last quote of each source and asset, from which history is fetched."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from threading import Event
from urllib.parse import urlsplit

from clickhouse_connect.driver.exceptions import ClickHouseError

from cryptoviz.clickhouse import connect
from cryptoviz.errors import Retryable, UserError
from cryptoviz.settings import Settings
from producers.failures import Stopped

logger = logging.getLogger(__name__)

WAIT_S = 30.0
AGAIN_EVERY_S = 1.0
NOTHING_YET = (60, 81)  # unknown table, unknown database: nothing has been stored so far

LastStored = dict[tuple[str, str], int]
Query = Callable[[Settings], LastStored]


def last_stored(settings: Settings, stop: Event, wait_s: float = WAIT_S, query: Query | None = None) -> LastStored:
    """Time in ms of the last quote by (source, asset), {} where nothing is stored.

    Waits for a ClickHouse that does not answer, says so, and goes on without it after `wait_s`.
    """
    deadline, said = time.monotonic() + wait_s, False
    while True:
        try:
            return (query or _query)(settings)
        except UserError as error:
            logger.warning("what history is stored cannot be seen, so all of it is fetched: %s", error)
            return {}
        except (Retryable, ClickHouseError, OSError) as error:
            if getattr(error, "code", None) in NOTHING_YET:
                return {}
            problem = type(error.__cause__ or error).__name__  # the text may hold the address with its password
        if time.monotonic() >= deadline:
            logger.warning("ClickHouse still does not answer (%s); the full history is fetched", problem)
            return {}
        if not said:
            said = True
            logger.warning("ClickHouse at %s does not answer (%s); waiting up to %.0f s to see what history is stored",
                           urlsplit(settings.clickhouse_url).netloc.rpartition("@")[2], problem, wait_s)  # fmt: skip
        if stop.wait(AGAIN_EVERY_S):
            raise Stopped


def _query(settings: Settings) -> LastStored:
    client = connect(settings, timeout_s=15)
    try:
        found = client.query(
            "SELECT source, asset, toUnixTimestamp64Milli(max(at)) FROM "
            f"{settings.clickhouse_database}.quotes WHERE at > now64(3) - INTERVAL {settings.backfill_hours} HOUR "
            "GROUP BY source, asset"
        )
        return {(source, asset): int(at) for source, asset, at in found.result_rows}
    finally:
        client.close()
