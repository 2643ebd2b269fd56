from __future__ import annotations

import hashlib
import re

from fakes import FakeDatabase

from cryptoviz.local.clickhouse.policy import LIMITS, READER_DEFAULTS
from cryptoviz.settings import load_settings
from sql.users import FILE, make_users

PASSWORDS = {"clickhouse_grafana_password": "for grafana", "clickhouse_analyst_password": "for analyst"}


def test_readers_get_the_hash_of_their_password_never_the_password() -> None:
    database = FakeDatabase(keeps_users=True)
    assert make_users(database, load_settings(**PASSWORDS)) == ["users grafana and analyst may read"]
    sql = "\n".join(database.ran)
    assert "for grafana" not in sql
    assert hashlib.sha256(b"for grafana").hexdigest() in sql
    assert "{" not in sql


def test_readers_may_only_select() -> None:
    database = FakeDatabase(keeps_users=True)
    make_users(database, load_settings(**PASSWORDS))
    assert [sql for sql in database.ran if sql.startswith("GRANT")] == ["GRANT SELECT ON crypto.* TO grafana, analyst"]


def test_without_passwords_the_users_are_left_alone_and_that_is_said() -> None:
    database = FakeDatabase(keeps_users=True)
    (line,) = make_users(database, load_settings(clickhouse_grafana_password="x"))
    assert "CRYPTOVIZ_CLICKHOUSE_ANALYST_PASSWORD not set" in line
    assert database.ran == []


def test_where_users_live_elsewhere_nothing_is_done() -> None:
    database = FakeDatabase(keeps_users=False)
    assert make_users(database, load_settings(**PASSWORDS)) == []
    assert database.ran == []


def test_the_servers_limits_are_those_of_the_embedded_endpoint_and_none_can_be_switched_off() -> None:
    profile = re.findall(r"^ {4}(\w+) = (\d+)(?: MIN (\d+) MAX (\d+)| CONST)?[,;]$", FILE.read_text(), re.MULTILINE)
    limits = {name: (int(value), int(most)) for name, value, _, most in profile if most}
    assert {least for _, _, least, most in profile if most} == {"1"}, "0 would mean none"
    of_the_machine, asked_for_longer = "max_threads", "max_execution_time"
    for name in LIMITS.keys() - {of_the_machine, asked_for_longer}:
        assert limits[name] == (LIMITS[name], LIMITS[name]), name
    assert limits[asked_for_longer][0] == LIMITS[asked_for_longer]
    assert limits[asked_for_longer][1] >= 70, "Grafana asks for its own 65 s, and the server refuses what is more"
    assert of_the_machine in limits
    whole = {name: value for name, value, *_ in profile}
    assert READER_DEFAULTS.items() <= whole.items()
    assert "readonly = 2 CONST" in FILE.read_text()
    assert {"max_memory_usage_for_user", "max_concurrent_queries_for_user"} <= whole.keys()
