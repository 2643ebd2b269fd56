"""Rows of a market made up for alert rules: what was stored how long ago, everything else being well."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from clickhouse_connect.driver.client import Client

PRICES = {"BTC": 98_000.0, "ETH": 3_400.0}
SOURCES = ("binance", "coingecko", "kraken")
TABLES = ("quotes", "bars", "predictions", "signals", "dead_letters", "source_health", "metrics")
LAG = "cryptoviz_consumer_lag_messages"


@dataclass
class Rows:
    """Stores rows whose times are told in seconds before `now`, which is when this was made."""

    client: Client
    database: str = "crypto"

    def __post_init__(self) -> None:
        self.now = datetime.now(UTC)

    def clear(self) -> None:
        """Forget everything that was stored."""
        for table in TABLES:
            self.client.command(f"TRUNCATE TABLE {self.database}.{table}")

    def ago(self, seconds: float) -> datetime:
        """That many seconds before now."""
        return self.now - timedelta(seconds=seconds)

    def quotes(
        self, since_s: float, until_s: float = 0, *, every_s: float = 10, sources: Iterable[str] = SOURCES,
        assets: Iterable[str] = tuple(PRICES), factor: float = 1.0, stored_s: float = 0, origin: str = "live",
    ) -> None:  # fmt: skip
        """Quotes of these sources from `since_s` to `until_s` ago, stored `stored_s` after they came."""
        rows = [
            {
                "asset": asset, "name": asset, "source": source, "symbol": f"{asset}USD", "currency": "USD",
                "price": PRICES[asset] * factor, "received_at": self.ago(each), "at": self.ago(each), "feeds": True,
                "origin": origin, "topic": "quotes.normalized", "inserted_at": self.ago(each - stored_s),
            }
            for each in _steps(since_s, until_s, every_s) for source in sources for asset in assets
        ]  # fmt: skip
        self._insert("quotes", rows)

    def bars(self, since_s: float, until_s: float, price: float, asset: str = "BTC") -> None:
        """Bars of a minute of `all` that start between then and then, all at one price."""
        rows = [
            {
                "asset": asset, "source": "all", "interval_s": 60, "start": self.ago(each), "open": price,
                "high": price, "low": price, "close": price, "quotes": 6, "origin": "live", "filed_at": self.ago(each),
            }
            for each in _steps(since_s, until_s, 60)
        ]  # fmt: skip
        self._insert("bars", rows)

    def prediction(self, ago_s: float, *, assets: Iterable[str] = tuple(PRICES), source: str = "all") -> None:
        """One forecast of an hour per asset, made and stored then."""
        at = self.ago(ago_s)
        rows = [
            {
                "asset": asset, "source": source, "interval_s": 60, "made_at": at, "horizon_s": 3600,
                "target_at": at + timedelta(hours=1), "model": "naive", "price": PRICES[asset],
                "forecast": PRICES[asset], "origin": "live", "filed_at": at, "inserted_at": at,
            }
            for asset in assets
        ]  # fmt: skip
        self._insert("predictions", rows)

    def signal(self, ago_s: float, signal: str, *, asset: str = "BTC", hours: int = 1, source: str = "all") -> None:
        """What was said then of an asset that many hours ahead."""
        at = self.ago(ago_s)
        row = {
            "asset": asset, "source": source, "interval_s": 60, "made_at": at, "horizon_s": hours * 3600,
            "signal": signal, "price": PRICES[asset], "variation": 2.5, "confidence": 90.0, "origin": "live",
            "filed_at": at,
        }  # fmt: skip
        self._insert("signals", [row])

    def state(self, source: str, state: str, since_s: float, seen_s: float = 0, reason: str = "") -> None:
        """What a source's heartbeats said from then until then."""
        row = {"source": source, "asset": "", "since": self.ago(since_s), "state": state,
               "last_seen": self.ago(seen_s), "reason": reason}  # fmt: skip
        self._insert("source_health", [row])

    def letters(self, number: int, ago_s: float, *, source: str = "binance", reason: str = "no_price") -> None:
        """Dead letters of one kind, stored then."""
        at = self.ago(ago_s)
        rows = [
            {
                "letter": f"{source} {reason} {ago_s} {each}", "topic": "quotes.raw", "source": source,
                "reason": reason, "at": at, "filed_at": at, "inserted_at": at,
            }
            for each in range(number)
        ]  # fmt: skip
        self._insert("dead_letters", rows)

    def lag(self, samples: Mapping[float, float], *, consumer: str = "sink", topic: str = "bars") -> None:
        """How many messages a consumer had not read, by how many seconds ago that was."""
        labels = {"consumer": consumer, "topic": topic}
        rows = [
            {"at": self.ago(ago_s), "part": "monitor", "name": LAG, "value": messages, "labels": labels}
            for ago_s, messages in samples.items()
        ]
        self._insert("metrics", rows)

    def _insert(self, table: str, rows: list[dict[str, Any]]) -> None:
        if rows:
            names = list(rows[0])
            data = [[row[name] for name in names] for row in rows]
            self.client.insert(table, data, names, database=self.database)


def _steps(since_s: float, until_s: float, every_s: float) -> list[float]:
    """From the far end to the near one, both included."""
    return [since_s - every_s * n for n in range(int((since_s - until_s) / every_s) + 1)]
