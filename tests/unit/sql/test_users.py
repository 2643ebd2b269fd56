from __future__ import annotations

import hashlib

from fakes import FakeDatabase

from cryptoviz.settings import load_settings
from sql.users import make_users

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
