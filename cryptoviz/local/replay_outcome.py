"""What a replay has come to: rows fed, stored and rejected, what was computed of them, and how fast."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rich.table import Table

from cryptoviz.clickhouse import connect
from cryptoviz.settings import Settings

COUNTED = ("quotes", "bars", "stats", "indicators", "predictions", "signals", "scores")
# What the feed itself set aside has no place in the log; what the worker set aside has.
SET_ASIDE = (
    "SELECT reason, count() FROM {database}.dead_letters FINAL "
    "WHERE topic = 'quotes.raw' AND isNotNull(offset) GROUP BY reason ORDER BY reason"
)


@dataclass(frozen=True)
class Stored:
    """Rows per table, and the quotes that the worker set aside, by reason."""

    tables: Mapping[str, int]
    set_aside: Mapping[str, int]


@dataclass(frozen=True)
class Outcome:
    """The figures of one replay; `rejected` is by reason, `seconds` from the first message to the last row stored."""

    files: int
    fed: int
    rejected: Mapping[str, int]
    stored: Stored
    seconds: float

    @property
    def all_rejected(self) -> dict[str, int]:
        """Rows by reason, those of the feed and those of the worker."""
        reasons = sorted({*self.rejected, *self.stored.set_aside})
        return {name: self.rejected.get(name, 0) + self.stored.set_aside.get(name, 0) for name in reasons}

    @property
    def missing(self) -> int:
        """Rows that are neither stored nor rejected; anything but 0 is a failure."""
        return self.fed - self.stored.tables["quotes"] - sum(self.all_rejected.values())

    def table(self) -> Table:
        """The figures as people read them."""
        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_column()
        table.add_column(justify="right")
        table.add_column()
        for name, number, remark in self._lines():
            table.add_row(name, number, remark)
        return table

    def _lines(self) -> Iterator[tuple[str, str, str]]:
        quotes = self.stored.tables["quotes"]
        yield "fed", f"{self.fed:,}", f"rows of {self.files} file{'s' if self.files > 1 else ''}"
        yield "stored", f"{quotes:,}", "quotes"
        yield "rejected", f"{sum(self.all_rejected.values()):,}", "rows"
        for reason, count in self.all_rejected.items():
            yield "", f"{count:,}", f"  {reason}"
        if self.missing:
            yield "missing", f"{self.missing:,}", "rows: neither stored nor rejected"
        for name in COUNTED[1:]:
            yield name, f"{self.stored.tables[name]:,}", "rows"
        yield "time", f"{self.seconds:,.1f}", f"s, {quotes / max(self.seconds, 1e-9):,.0f} quotes/s stored"


def count_stored(settings: Settings) -> Stored:
    """Count what ClickHouse holds; raises `Retryable` or `UserError` as `connect` does."""
    client = connect(settings)
    try:
        database = settings.clickhouse_database
        counts = {
            name: int(client.query(f"SELECT count() FROM {database}.{name} FINAL").result_rows[0][0])
            for name in COUNTED
        }
        set_aside = client.query(SET_ASIDE.format(database=database)).result_rows
        return Stored(counts, {str(reason): int(count) for reason, count in set_aside})
    finally:
        client.close()
