"""A question to ClickHouse: its SQL with the plugin's macros, and the columns that its answer has."""

from __future__ import annotations

from dataclasses import dataclass

from cryptoviz.dashboards.style import DATA_SOURCE, PLUGIN_VERSION, Json

TIME_SERIES, TABLE = 0, 1


@dataclass(frozen=True)
class Query:
    """SQL for one SELECT and what it answers; the declared columns are held against a database by a test.

    Names in it are views and tables of the data source's own database. A time series (`series=True`) has a line for
    every combination of its texts and must come ordered by its time; anything else is a table.
    """

    sql: str
    times: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    series: bool = False
    may_be_empty: bool = False
    """Whether a healthy market may have no such rows, such as events."""

    @property
    def columns(self) -> frozenset[str]:
        """The names of everything it answers."""
        return frozenset((*self.times, *self.texts, *self.numbers))

    def target(self, ref: str) -> Json:
        """What Grafana keeps of it."""
        return {
            "refId": ref,
            "datasource": DATA_SOURCE,
            "editorType": "sql",
            "queryType": "timeseries" if self.series else "table",
            "format": TIME_SERIES if self.series else TABLE,
            "rawSql": " ".join(self.sql.split()),
            "pluginVersion": PLUGIN_VERSION,
            "meta": {},
        }


def digits(*names: str) -> str:
    """SQL for columns of a table that are prices: six significant digits of each, whatever its size."""
    return ", ".join(
        f"round({name}, 5 - toInt16(floor(log10(greatest(abs({name}), 1e-12))))) AS {name}" for name in names
    )


def line(sql: str, *numbers: str, by: tuple[str, ...] = (), time: str = "time") -> Query:
    """A time series: `numbers` over `time`, a line of each for every combination of the texts in `by`."""
    return Query(sql, (time,), by, numbers, series=True)


def table(
    sql: str, *, times: tuple[str, ...] = (), texts: tuple[str, ...] = (), numbers: tuple[str, ...] = ()
) -> Query:
    """Rows as they are."""
    return Query(sql, times, texts, numbers)
