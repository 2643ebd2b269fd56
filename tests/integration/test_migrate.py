"""The migrations on a real ClickHouse engine."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError
from pydantic import SecretStr
from row_columns import columns
from sink_messages import letter
from stored_market import made

from cryptoviz.cli.migrate import run as migrate
from cryptoviz.clickhouse import connect
from cryptoviz.errors import UserError
from cryptoviz.messages import encode
from cryptoviz.settings import Settings
from processors.normalise import Position
from processors.sink_columns import COLUMNS
from processors.sink_rows import Health, add_message
from sql.migrate import FOLDER, kept_days
from sql.migrate import migrate as run_migrations

pytestmark = pytest.mark.stack
# The sorting keys that are the rows' ids, as others depend on them.
KEYS = {
    "quotes": "asset, source, symbol, at, ref",
    "bars": "asset, source, interval_s, start",
    "stats": "asset, source, interval_s, at, window_s",
    "indicators": "asset, source, interval_s, at",
    "predictions": "asset, source, interval_s, made_at, horizon_s, model",
    "signals": "asset, source, interval_s, made_at, horizon_s",
    "scores": "asset, source, interval_s, made_at, horizon_s, model",
    "dead_letters": "topic, letter",
    "source_health": "source, asset, since",
    "alerts": "rule, asset, source, at",
}
FIRST_MIGRATIONS = 6
"""What the first version had."""


def ask(settings: Settings, sql: str) -> list[tuple[object, ...]]:
    client = connect(settings)
    try:
        return [tuple(row) for row in client.query(sql.replace("{db}", settings.clickhouse_database)).result_rows]
    finally:
        client.close()


def test_a_second_run_changes_nothing(stack_settings: Settings) -> None:
    done = migrate(stack_settings)
    assert done[: len(list(FOLDER.glob("*.sql")))] == [f"applied {path.stem}" for path in sorted(FOLDER.glob("*.sql"))]
    assert migrate(stack_settings) == []


def test_every_table_replaces_rows_with_the_same_id_and_keeps_them_as_long_as_said(stack_settings: Settings) -> None:
    migrate(stack_settings)
    found = ask(
        stack_settings,
        "SELECT name, engine, sorting_key, engine_full FROM system.tables WHERE database = '{db}' "
        "AND engine LIKE '%MergeTree' AND name NOT IN ('schema_migrations', 'home_settings')",
    )
    assert {row[0]: row[2] for row in found if row[1] == "ReplacingMergeTree"} == KEYS
    assert {row[0] for row in found if row[1] != "ReplacingMergeTree"} == {"metrics"}  # samples have no id
    for name, days in kept_days(stack_settings).items():
        (engine,) = [str(row[3]) for row in found if row[0] == name]
        assert f"TTL toDateTime(inserted_at) + toIntervalDay({days})" in engine


def test_rows_of_the_first_version_are_all_there_after_the_last(stack_settings: Settings, tmp_path: Path) -> None:
    """What today's sink writes, as far as the first tables had columns for it, then all later migrations."""
    for path in sorted(FOLDER.glob("*.sql"))[:FIRST_MIGRATIONS]:
        (tmp_path / path.name).write_text(path.read_text())
    client, database = connect(stack_settings), stack_settings.clickhouse_database
    run_migrations(client, stack_settings, tmp_path)
    now_ms = int(time.time() * 1000)
    kept: dict[str, tuple[str, list[tuple[object, ...]]]] = {}
    tables = made(now_ms, 90)
    add_message(encode(letter(1)), Position("quotes.raw.dead", 0, 7, now_ms), tables, Health())
    assert set(tables) == set(KEYS) - {"alerts"}  # which nothing writes
    for table, rows in tables.items():
        there = {row[0] for row in ask(stack_settings, f"DESCRIBE {{db}}.{table}")}
        known = {name: values for name, values in columns(rows).items() if name in there}
        client.insert(table, list(known.values()), list(known), database=database, column_oriented=True)
        sql = f"SELECT {', '.join(f'toString({name})' for name in known)} FROM {{db}}.{table} FINAL ORDER BY ALL"
        kept[table] = sql, ask(stack_settings, sql)
    migrate(stack_settings)
    assert {table: ask(stack_settings, sql) for table, (sql, _) in kept.items()} == {
        table: rows for table, (_, rows) in kept.items()
    }
    assert min(len(rows) for _, rows in kept.values()) > 0
    views = [row[0] for row in ask(stack_settings, "SELECT name FROM system.tables WHERE database = '{db}' "
             "AND engine = 'View' AND NOT match(create_table_query, '\\{\\w+:')")]  # fmt: skip
    assert len(views) > 10
    for view in views:
        ask(stack_settings, f"SELECT * FROM {{db}}.{view}")


def test_other_days_to_keep_rows_are_applied_to_the_tables_that_are_there(stack_settings: Settings) -> None:
    migrate(stack_settings)
    assert migrate(stack_settings.model_copy(update={"quotes_ttl_days": 3})) == ["quotes: rows are kept 3 days"]


def test_the_sink_fills_every_column_but_the_time_of_the_insert(stack_settings: Settings) -> None:
    migrate(stack_settings)
    stored = "SELECT table, name FROM system.columns WHERE database = '{db}' AND default_kind != 'ALIAS'"
    found = ask(stack_settings, stored)
    for table, names in COLUMNS.items():
        assert {name for where, name in found if where == table} == {*names, "inserted_at"}


def test_another_bar_length_on_tables_that_have_rows_is_one_clear_line(stack_settings: Settings) -> None:
    migrate(stack_settings)
    with pytest.raises(UserError, match="CRYPTOVIZ_BAR_SECONDS is 300, but the rows"):
        migrate(stack_settings.model_copy(update={"bar_seconds": 300}))


def test_readers_read_the_views_and_change_nothing(stack_settings: Settings) -> None:
    settings = stack_settings.model_copy(update={"clickhouse_database": "crypto"})  # the one readers may read
    migrate(settings)
    reader = connect(settings.model_copy(update={"clickhouse_user": "analyst", "clickhouse_password": SecretStr("")}))
    try:
        for view in ("crypto_prices", "v_latest"):
            assert reader.query(f"SELECT * FROM crypto.{view}").result_rows == []
        with pytest.raises(DatabaseError):
            reader.command("DROP TABLE crypto.quotes")
    finally:
        reader.close()


def test_a_clickhouse_that_is_not_there_is_one_clear_line(stack_settings: Settings) -> None:
    with pytest.raises(UserError, match="is not available"):
        migrate(stack_settings.model_copy(update={"clickhouse_url": "http://127.0.0.1:1"}), wait_s=0.5)


def test_a_wrong_password_is_one_clear_line_at_once(stack_settings: Settings) -> None:
    with pytest.raises(UserError, match="CRYPTOVIZ_CLICKHOUSE_PASSWORD"):
        migrate(stack_settings.model_copy(update={"clickhouse_password": SecretStr("")}), wait_s=60)
