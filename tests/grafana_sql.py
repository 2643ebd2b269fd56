"""What Grafana and the ClickHouse plugin make of a dashboard's SQL before they send it: variables, then macros.

Kept to what our dashboards use, and strict about it: a form that is not known here is an error, not left as it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import quote

Value = str | Sequence[str]
VARIABLE = re.compile(r"\$\{(\w+)(?::(\w+))?\}|\$(?!__)(\w+)|\[\[(\w+)")
MACRO = re.compile(r"\$__(\w+)(?:\(([^()]*)\))?")
STEPS_S = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1200, 1800, 3600, 7200, 10800, 21600, 43200, 86400)


@dataclass(frozen=True)
class Period:
    """The time range of a dashboard, in seconds since the epoch, and how many points a panel of it can draw."""

    since_s: int
    until_s: int
    max_points: int = 1000

    def interval_s(self, at_least_s: int = 1) -> int:
        """The spacing of points as Grafana rounds it."""
        wanted = (self.until_s - self.since_s) / self.max_points
        return max(at_least_s, next((step for step in STEPS_S if step >= wanted), STEPS_S[-1]))


def expand(sql: str, period: Period, variables: Mapping[str, Value] | None = None, interval_s: int = 0) -> str:
    """The SQL that reaches ClickHouse; raises `ValueError` for a variable or macro that it would not understand."""
    return _macros(_variables(sql, variables or {}), period, interval_s or period.interval_s())


def percentencode(value: Value) -> str:
    """Grafana's format of that name; several values, or one of a choice of several, are put in braces."""
    return quote(value if isinstance(value, str) else "{" + ",".join(value) + "}", safe="-_.~")


def _variables(sql: str, variables: Mapping[str, Value]) -> str:
    def replaced(match: re.Match[str]) -> str:
        name, form = match[1], match[2]
        if form != "percentencode":
            raise ValueError(f"{match[0]}: other forms than percentencode let a value end the text it stands in")
        if name not in variables:
            raise ValueError(f"{match[0]}: the dashboard has no such variable")
        return percentencode(variables[name])

    return VARIABLE.sub(replaced, sql)


def _macros(sql: str, period: Period, interval_s: int) -> str:
    since, until = f"toDateTime({period.since_s})", f"toDateTime({period.until_s})"
    known: dict[str, Callable[[str], str]] = {
        "timeFilter": lambda column: f"{column} >= {since} AND {column} <= {until}",
        "timeFrom": lambda column: f"{column} >= {since}",
        "timeTo": lambda column: f"{column} <= {until}",
        "timeInterval": lambda column: f"toStartOfInterval(toDateTime({column}), INTERVAL {interval_s} second)",
        "fromTime": lambda _: since,
        "toTime": lambda _: until,
        "interval_s": lambda _: str(interval_s),
    }
    without_argument = {"fromTime", "toTime", "interval_s"}

    def replaced(match: re.Match[str]) -> str:
        name, argument = match[1], match[2]
        if name not in known or (argument is None) != (name in without_argument):
            raise ValueError(f"{match[0]}: not a macro that works in a dashboard of ours")
        return known[name](argument or "")

    return MACRO.sub(replaced, sql)
