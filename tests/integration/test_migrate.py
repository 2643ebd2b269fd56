"""The migrations on a real ClickHouse engine."""

from __future__ import annotations

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError
from pydantic import SecretStr

from cryptoviz.cli.migrate import run as migrate
from cryptoviz.clickhouse import connect
from cryptoviz.errors import UserError
from cryptoviz.settings import Settings
from processors.sink_rows import COLUMNS
from sql.migrate import FOLDER, kept_days

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
    assert {row[0]: row[2] for row in found} == KEYS
    assert {row[1] for row in found} == {"ReplacingMergeTree"}
    for name, days in kept_days(stack_settings).items():
        (engine,) = [str(row[3]) for row in found if row[0] == name]
        assert f"TTL toDateTime(inserted_at) + toIntervalDay({days})" in engine


def test_other_days_to_keep_rows_are_applied_to_the_tables_that_are_there(stack_settings: Settings) -> None:
    migrate(stack_settings)
    assert migrate(stack_settings.model_copy(update={"quotes_ttl_days": 3})) == ["quotes: rows are kept 3 days"]


def test_the_sink_fills_every_column_but_the_time_of_the_insert(stack_settings: Settings) -> None:
    migrate(stack_settings)
    stored = "SELECT table, name FROM system.columns WHERE database = '{db}' AND default_kind != 'ALIAS'"
    found = ask(stack_settings, stored)
    for table, columns in COLUMNS.items():
        assert {name for where, name in found if where == table} == {*columns, "inserted_at"}


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
