"""Every question of every dashboard, put to ClickHouse as Grafana would: as its user, with its macros written out."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError
from grafana_sql import Period, Value, expand
from servers import ClickHouseServer
from stored_market import fill
from stored_metrics import fill_letters, fill_metrics

from cryptoviz.cli.migrate import run as migrate
from cryptoviz.clickhouse import connect
from cryptoviz.dashboards import DASHBOARDS
from cryptoviz.dashboards.dashboard import Asked, Dashboard
from cryptoviz.dashboards.query import Query
from cryptoviz.dashboards.variable import ALL, Variable

pytestmark = pytest.mark.stack
ASKED = [
    pytest.param(dashboard, asked, id=f"{dashboard.uid}: {asked.where} {number}")
    for dashboard in DASHBOARDS
    for number, asked in enumerate(dashboard.asked())
]
MARKET_MINUTES = 300
PERIODS_S = (3600, 6 * 3600, 86_400, 7 * 86_400)
DEPENDING = [each for each in ASKED if "${" in each.values[1].query.sql]
MOVING = "age_s"  # goes on while nothing comes
ODD = ("it's", "\\' OR 1 = 1 --", '"odd" ${asset} $__timeFilter(at)', "1); DROP TABLE quotes", "")
KINDS = {"Date": "time", "String": "text", "Int": "number", "UInt": "number", "Float": "number", "Decimal": "number"}


class Served:
    """A ClickHouse of this file's own, asked as the user `grafana` in the database that Grafana asks."""

    def __init__(self, server: ClickHouseServer, now_s: int) -> None:
        self.now_s = now_s
        self._options: dict[str, list[str]] = {}
        self.reader: Client = clickhouse_connect.get_client(
            host="127.0.0.1", port=server.port, username="grafana", database="crypto", autogenerate_session_id=False
        )

    def period(self, seconds: int) -> Period:
        """A period of that length that ends where the data does."""
        return Period(self.now_s - seconds, self.now_s)

    def ask(self, asked: Asked, period: Period, variables: Mapping[str, Value]) -> Any:
        """What is answered; where a panel is repeated, for the first value."""
        values = dict(variables)
        if asked.repeat and not isinstance(values[asked.repeat], str):
            values[asked.repeat] = values[asked.repeat][0]
        return self.reader.query(expand(asked.query.sql, period, values))

    def options(self, variable: Variable) -> list[str]:
        """What there is to choose from."""
        if variable.query is None:
            return list(variable.values)
        sql = variable.query.sql
        if sql not in self._options:
            self._options[sql] = [row[0] for row in self.reader.query(sql).result_rows]
        return self._options[sql]

    def chosen(self, dashboard: Dashboard) -> dict[str, Value]:
        """What a dashboard shows at first: its defaults as far as there are such options, else the first option."""
        return {variable.name: self._chosen(variable) for variable in dashboard.variables}

    def _chosen(self, variable: Variable) -> Value:
        options = self.options(variable)
        there = options if variable.default == (ALL,) else [each for each in variable.default if each in options]
        found = there or options[:1] or [""]
        return found if variable.multi else found[0]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseServer]:
    server = ClickHouseServer(tmp_path_factory.mktemp("dashboards"))
    try:
        server.start()
        migrate(server.settings())
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def empty(server: ClickHouseServer) -> Served:
    """Before the first quote; the tests that have it come before those that have `filled`."""
    served = Served(server, int(time.time()))
    assert served.reader.query("SELECT count() FROM quotes").result_rows == [(0,)]
    return served


@pytest.fixture(scope="module")
def filled(server: ClickHouseServer) -> Served:
    """With the market of some hours that end now."""
    now_s = int(time.time())
    client = connect(server.settings())
    fill(client, "crypto", now_s * 1000, MARKET_MINUTES)
    fill_metrics(client, "crypto", now_s * 1000, MARKET_MINUTES)
    fill_letters(client, "crypto", now_s * 1000)
    client.close()
    return Served(server, now_s)


def kinds(answer: Any) -> dict[str, str]:
    """What Grafana takes each column for."""
    found = {}
    for name, kind in zip(answer.column_names, answer.column_types, strict=True):
        plain = kind.name.replace("Nullable(", "").replace("LowCardinality(", "")
        found[name] = next((what for start, what in KINDS.items() if plain.startswith(start)), kind.name)
    return found


def declared(query: Query) -> dict[str, str]:
    named = {"time": query.times, "text": query.texts, "number": query.numbers}
    return {name: kind for kind, names in named.items() for name in names}


def check_series(query: Query, rows: list[dict[str, Any]]) -> None:
    (name,) = query.times
    at = [row[name] for row in rows]
    assert None not in at
    assert at == sorted(at)
    points = [tuple(row[each] for each in (name, *query.texts)) for row in rows]
    assert len(points) == len(set(points)), "of two points of a line at one time Grafana draws the last"


@pytest.mark.parametrize(("dashboard", "asked"), ASKED)
def test_nothing_stored_is_no_error(empty: Served, dashboard: Dashboard, asked: Asked) -> None:
    answer = empty.ask(asked, empty.period(3600), empty.chosen(dashboard))
    assert kinds(answer) in (declared(asked.query), {})  # an answer without rows may come without columns


@pytest.mark.parametrize(("dashboard", "asked"), ASKED)
def test_every_period_is_answered_as_declared(filled: Served, dashboard: Dashboard, asked: Asked) -> None:
    query = asked.query
    for seconds in PERIODS_S:
        answer = filled.ask(asked, filled.period(seconds), filled.chosen(dashboard))
        rows = list(answer.named_results())
        assert rows or query.may_be_empty, f"nothing in {seconds} s"
        assert kinds(answer) == declared(query) or not rows
        if query.series:
            check_series(query, rows)


@pytest.mark.parametrize(("dashboard", "asked"), DEPENDING)
def test_one_several_and_all_choices_are_answered(filled: Served, dashboard: Dashboard, asked: Asked) -> None:
    at_first = filled.chosen(dashboard)
    for variable in dashboard.variables:
        options = filled.options(variable)
        assert options
        choices: list[Value] = [options, options[:1], options[-2:]] if variable.multi else [*options[:2], options[-1]]
        for value in choices:
            answer = filled.ask(asked, filled.period(3600), at_first | {variable.name: value})
            assert kinds(answer) in (declared(asked.query), {})


@pytest.mark.parametrize(("dashboard", "asked"), DEPENDING)
def test_a_value_never_becomes_sql(filled: Served, dashboard: Dashboard, asked: Asked) -> None:
    """Whatever a link puts into a variable: it is a value that nothing is stored under."""
    at_first = filled.chosen(dashboard)

    def rows(variable: Variable, value: str) -> list[dict[str, Any]]:
        answer = filled.ask(asked, filled.period(3600), at_first | {variable.name: value})
        return [{name: row[name] for name in row if name != MOVING} for row in answer.named_results()]

    for variable in dashboard.variables:
        unknown = rows(variable, "unknown")
        for value in ODD:
            assert rows(variable, value) == unknown, value


def test_grafana_may_not_change_anything(filled: Served) -> None:
    with pytest.raises(DatabaseError, match="Read-only"):
        filled.reader.command("DROP TABLE quotes")
