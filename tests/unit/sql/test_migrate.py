from __future__ import annotations

import re
from pathlib import Path

import pytest
from fakes import FakeDatabase

from cryptoviz.errors import UserError
from cryptoviz.settings import load_settings
from sql.migrate import FOLDER, kept_days, load, migrate, other_days, statements


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name.removeprefix('n')}.sql").write_text(text)
    return folder


def test_statements_end_at_a_semicolon_at_the_end_of_a_line_and_leave_comments_out() -> None:
    text = "-- one; two;\nCREATE TABLE {database}.a (x String DEFAULT ';x')\nORDER BY x;\n\nSELECT 1; \n"
    assert statements(text, "crypto") == ("CREATE TABLE crypto.a (x String DEFAULT ';x')\nORDER BY x", "SELECT 1")


def test_each_migration_runs_once_in_the_order_of_its_number(tmp_path: Path) -> None:
    folder = write(tmp_path, n0002_second="SELECT 2;\n", n0001_first="SELECT 1;\nSELECT 11;\n")
    database, settings = FakeDatabase(), load_settings()
    assert migrate(database, settings, folder) == ["applied 0001_first", "applied 0002_second"]
    assert [sql for sql in database.ran if sql.startswith("SELECT")] == ["SELECT 1", "SELECT 11", "SELECT 2"]
    database.ran.clear()
    assert migrate(database, settings, folder) == []
    assert not [sql for sql in database.ran if sql.startswith("SELECT")]


def test_an_applied_migration_that_was_edited_is_refused_and_nothing_runs(tmp_path: Path) -> None:
    database, settings = FakeDatabase(), load_settings()
    migrate(database, settings, write(tmp_path, n0001_first="SELECT 1;\n"))
    database.ran.clear()
    write(tmp_path, n0001_first="SELECT 1; \n", n0002_second="SELECT 2;\n")
    with pytest.raises(UserError, match=r"0001_first\.sql was edited"):
        migrate(database, settings, tmp_path)
    assert "SELECT 2" not in database.ran


def test_a_migration_cut_off_halfway_is_begun_anew(tmp_path: Path) -> None:
    folder = write(tmp_path, n0001_first="SELECT 1;\nSELECT 2;\n")
    database, settings = FakeDatabase(breaks_at="SELECT 2"), load_settings()
    with pytest.raises(ConnectionError):
        migrate(database, settings, folder)
    assert database.migrations == {}
    assert migrate(database, settings, folder) == ["applied 0001_first"]
    assert database.ran.count("SELECT 1") == 2


@pytest.mark.parametrize("name", ["1_short", "0001-dash", "0001_Upper"])
def test_a_misnamed_file_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.sql").write_text("SELECT 1;\n")
    with pytest.raises(UserError, match="name it like"):
        load(tmp_path, "crypto")


def test_a_number_used_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="number 0001 is taken by 0001_a"):
        load(write(tmp_path, n0001_a="SELECT 1;\n", n0001_b="SELECT 1;\n"), "crypto")


@pytest.mark.parametrize(("name", "other"), [("bar_seconds", 300), ("partitions", 8)])
def test_what_is_fixed_for_the_life_of_a_home_cannot_be_changed(tmp_path: Path, name: str, other: int) -> None:
    database = FakeDatabase()
    migrate(database, load_settings(), tmp_path)
    with pytest.raises(UserError, match=f"CRYPTOVIZ_{name.upper()} is {other}, but the rows"):
        migrate(database, load_settings(**{name: other}), tmp_path)
    assert migrate(database, load_settings(), tmp_path) == []


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("stale_seconds", 900),
        ("signal_variation_percent", 0.5),
        ("signal_confidence_percent", 75.0),
        ("fee_percent", 0.25),
        ("forecast_seconds", 600),
        ("alert_price_move_percent", 3.5),
        ("alert_divergence_percent", 1.0),
        ("alert_lag_messages", 50),
        ("alert_dead_letters", 0),
    ],
)
def test_views_are_told_the_settings_that_may_change_at_every_start(tmp_path: Path, name: str, other: float) -> None:
    database = FakeDatabase()
    migrate(database, load_settings(), tmp_path)
    assert database.home[name] == str(getattr(load_settings(), name))
    for value in (other, getattr(load_settings(), name)):
        assert migrate(database, load_settings(**{name: value}), tmp_path) == []
        assert database.home[name] == str(value)
    database.ran.clear()
    migrate(database, load_settings(), tmp_path)
    assert not [statement for statement in database.ran if "home_settings (name, value)" in statement]


def test_views_are_told_several_values_with_commas_and_never_more_than_a_text(tmp_path: Path) -> None:
    database = FakeDatabase()
    migrate(database, load_settings(sources="kraken,it's", alert_signal_hours="1,24"), tmp_path)
    assert (database.home["alert_signal_hours"], load_settings().sources) == ("1,24", ())
    (told,) = [sql for sql in database.ran if "('sources'" in sql]
    assert r"('sources', 'kraken,it\'s')" in told


def test_a_number_that_was_left_out_may_come_later(tmp_path: Path) -> None:
    database, settings = FakeDatabase(), load_settings()
    migrate(database, settings, write(tmp_path, n0001_first="SELECT 1;\n", n0003_third="SELECT 3;\n"))
    assert migrate(database, settings, write(tmp_path, n0002_second="SELECT 2;\n")) == ["applied 0002_second"]


def test_rows_are_kept_as_long_as_the_settings_say_and_only_a_difference_is_altered() -> None:
    engines = [
        ("quotes", "ReplacingMergeTree(precedence) ORDER BY a TTL toDateTime(inserted_at) + toIntervalDay(90) SETT"),
        ("bars", "ReplacingMergeTree(precedence) ORDER BY a TTL toDateTime(inserted_at) + toIntervalDay(9)"),
        ("stats", "ReplacingMergeTree(precedence) ORDER BY a"),
    ]  # fmt: skip
    wanted = {"quotes": 90, "bars": 730, "stats": 730, "not_made_yet": 1}
    assert other_days(engines, wanted) == {"bars": 730, "stats": 730}


def test_every_statement_of_ours_can_be_run_again() -> None:
    again = re.compile(
        r"CREATE TABLE IF NOT EXISTS|CREATE OR REPLACE VIEW|ALTER TABLE \S+\s+"
        r"(ADD (COLUMN|PROJECTION) IF NOT EXISTS|MODIFY SETTING|MATERIALIZE PROJECTION)"
    )
    for migration in load(FOLDER, "crypto"):
        assert migration.statements
        for statement in migration.statements:
            assert again.match(statement), f"{migration.name}: {statement[:60]}"


def test_every_table_of_rows_has_a_time_to_live() -> None:
    text = "\n".join(path.read_text() for path in FOLDER.glob("*.sql"))
    assert set(re.findall(r"CREATE TABLE IF NOT EXISTS \{database\}\.(\w+)", text)) == set(kept_days(load_settings()))
