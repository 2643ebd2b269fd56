"""Every question of every dashboard, put to ClickHouse as Grafana would: as its user, with its macros written out."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import Any

import clickhouse_connect
import pytest
from clickhouse_connect.driver.client import Client
from grafana_sql import Period, Value, expand
from servers import ClickHouseServer
from stored_market import fill

from cryptoviz.cli.migrate import run as migrate
from cryptoviz.clickhouse import connect
from cryptoviz.dashboards import DASHBOARDS
from cryptoviz.dashboards.dashboard import Dashboard
from cryptoviz.dashboards.query import Query
from cryptoviz.dashboards.variable import ALL, Variable
from cryptoviz.settings import load_settings

pytestmark = pytest.mark.stack
QUERIES = [
    pytest.param(dashboard, query, id=f"{dashboard.uid}: {where} {number}")
    for dashboard in DASHBOARDS
    for number, (where, query) in enumerate(dashboard.queries())
]
MARKET_MINUTES = 300
PERIODS_S = {"an hour": 3600, "six hours": 6 * 3600, "a day": 86_400, "a week": 7 * 86_400}
ODD = ("it's", '"odd"', "\\", "\\' OR 1 = 1 --", "${asset}", "$__timeFilter(at)", "{a}", "); DROP TABLE quotes", "")
KINDS = {"Date": "time", "String": "text", "Int": "number", "UInt": "number", "Float": "number", "Decimal": "number"}


class Served:
    """A ClickHouse of this file's own, asked as the user `grafana` in the database that Grafana asks."""

    def __init__(self, server: ClickHouseServer, now_s: int) -> None:
        self.now_s = now_s
        self.reader: Client = clickhouse_connect.get_client(
            host="127.0.0.1", port=server.port, username="grafana", database="crypto", autogenerate_session_id=False
        )

    def period(self, seconds: int) -> Period:
        """A period of that length that ends where the data does."""
        return Period(self.now_s - seconds, self.now_s)

    def ask(self, query: Query, period: Period, variables: Mapping[str, Value]) -> Any:
        """What the query answers."""
        return self.reader.query(expand(query.sql, period, variables))

    def options(self, variable: Variable) -> list[str]:
        """What there is to choose from."""
        if variable.query is None:
            return list(variable.values)
        return [row[0] for row in self.reader.query(variable.query.sql).result_rows]

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
        migrate(settings_of(server))
        yield server
    finally:
        server.stop()


def settings_of(server: ClickHouseServer) -> Any:
    return load_settings(
        clickhouse_url=server.url, clickhouse_user=server.user, clickhouse_password=server.password
    )  # fmt: skip


@pytest.fixture(scope="module")
def empty(server: ClickHouseServer) -> Served:
    """Before the first quote; tests with it come before those with `filled`."""
    return Served(server, int(time.time()))


@pytest.fixture(scope="module")
def filled(server: ClickHouseServer) -> Served:
    """With the market of some hours that end now."""
    now_s = int(time.time())
    client = connect(settings_of(server))
    fill(client, "crypto", now_s * 1000, MARKET_MINUTES)
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


@pytest.mark.parametrize(("dashboard", "query"), QUERIES)
def test_nothing_stored_is_no_error(empty: Served, dashboard: Dashboard, query: Query) -> None:
    answer = empty.ask(query, empty.period(3600), empty.chosen(dashboard))
    # An answer without rows may come without columns, too.
    assert kinds(answer) in (declared(query), {})


@pytest.mark.parametrize("seconds", PERIODS_S.values(), ids=PERIODS_S)
@pytest.mark.parametrize(("dashboard", "query"), QUERIES)
def test_every_period_is_answered_as_declared(filled: Served, dashboard: Dashboard, query: Query, seconds: int) -> None:
    answer = filled.ask(query, filled.period(seconds), filled.chosen(dashboard))
    assert kinds(answer) in (declared(query), {})
    assert answer.result_rows or query.may_be_empty
    if query.series:
        (name,) = query.times
        at = [row[answer.column_names.index(name)] for row in answer.result_rows]
        assert None not in at
        assert at == sorted(at)
        keys = [
            tuple(row[answer.column_names.index(each)] for each in (name, *query.texts)) for row in answer.result_rows
        ]
        assert len(keys) == len(set(keys)), "of two points of a line at one time Grafana draws the last"
