"""The choices at the top of a dashboard, and how SQL speaks of what was chosen: with `one`, `number` and `any_of` only.

A value may come from a link that somebody else made. Grafana's `singlequote` leaves backslashes as they are, which end
a text early in ClickHouse; a percent-encoded value has neither quotes nor backslashes, and ClickHouse decodes it.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptoviz.dashboards.query import Query
from cryptoviz.dashboards.style import DATA_SOURCE, Json

ALL = "$__all"


def any_of(name: str) -> str:
    """SQL for the values chosen, an array of texts, for `IN` or a view's parameter."""
    return f"splitByChar(',', trim(BOTH '{{}}' FROM decodeURLComponent('${{{name}:percentencode}}')))"


def one(name: str) -> str:
    """SQL for the value chosen, a text; the first of them if a link from another dashboard brought several or all."""
    return f"{any_of(name)}[1]"


def number(name: str) -> str:
    """SQL for the value chosen, a whole number; 0 if it is none, as while there is nothing to choose from."""
    return f"toUInt32OrZero({one(name)})"


@dataclass(frozen=True)
class Variable:
    """A choice; `default` is what is chosen at first, `(ALL,)` all of it. Exactly one of `query` and `values` is given.

    The query answers the values in its first column and, if they differ, what people see of them in its second.
    """

    name: str
    label: str
    default: tuple[str, ...]
    query: Query | None = None
    values: tuple[str, ...] = ()
    multi: bool = False

    def json(self) -> Json:
        """What Grafana keeps of it."""
        chosen: list[str] = list(self.default)
        shown = ["All" if value == ALL else value for value in chosen]
        made: Json = {
            "name": self.name, "label": self.label, "hide": 0, "multi": self.multi, "includeAll": self.multi,
            "current": {"text": shown, "value": chosen} if self.multi else {"text": shown[0], "value": chosen[0]},
            "skipUrlSync": False, "options": [],
        }  # fmt: skip
        return made | (self._asked(self.query) if self.query else self._listed())

    def _asked(self, query: Query) -> Json:
        # Asked again with every refresh, so that a new asset or source is there without loading the page.
        sql = query.target("")["rawSql"]
        return {
            "type": "query", "datasource": DATA_SOURCE, "query": sql, "definition": sql, "refresh": 2, "sort": 0,
            "regex": "",
        }  # fmt: skip

    def _listed(self) -> Json:
        options = [{"text": value, "value": value, "selected": value in self.default} for value in self.values]
        return {"type": "custom", "query": ",".join(self.values), "options": options}


def choice(name: str, label: str, query: Query, *default: str) -> Variable:
    """One of the values that the query answers."""
    return Variable(name, label, default, query)


def choices(name: str, label: str, query: Query, *default: str) -> Variable:
    """Any number of the values that the query answers, or all of them."""
    return Variable(name, label, default, query, multi=True)


def listed(name: str, label: str, values: tuple[str, ...], default: str) -> Variable:
    """One of the values listed here."""
    return Variable(name, label, (default,), values=values)


ASSETS = Query("SELECT DISTINCT asset FROM v_series ORDER BY asset", texts=("asset",))
SOURCES = Query("SELECT source FROM v_series GROUP BY source ORDER BY source != 'all', source", texts=("source",))
HORIZONS = Query(
    "SELECT toString(horizon_s) AS value, concat(toString(intDiv(horizon_s, 3600)), ' h') AS label"
    " FROM v_horizons ORDER BY horizon_s",
    texts=("value", "label"),
)

asset = choice("asset", "Asset", ASSETS, "BTC")
assets = choices("asset", "Assets", ASSETS, "BTC", "ETH", "SOL")
source = choice("source", "Source", SOURCES, "all")
sources = choices("source", "Sources", SOURCES, ALL)
horizon = choice("horizon", "Forecast ahead", HORIZONS, "14400")
