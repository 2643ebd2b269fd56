"""Runs the numbered migrations, once each, and sets what depends on the settings: how long rows are kept, and users.

A migration is frozen text: after it was applied anywhere it is superseded by a new file, never edited. ClickHouse has
no transactions over DDL, so every statement can be run again; a migration cut off halfway is simply begun anew.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from cryptoviz.errors import UserError
from cryptoviz.settings import Settings

FOLDER = Path(__file__).parent / "migrations"
NAME = re.compile(r"\d{4}_[a-z0-9_]+")
COMMENT = re.compile(r"^\s*--.*$", re.MULTILINE)
END = re.compile(r";\s*$", re.MULTILINE)
KEPT_DAYS = re.compile(r"TTL toDateTime\(inserted_at\) \+ toIntervalDay\((\d+)\)")
FIXED = ("bar_seconds", "partitions")  # settings that cannot change once rows were made with them
KNOWN = (  # views look them up
    "stale_seconds", "signal_variation_percent", "signal_confidence_percent", "fee_percent",
    "sources", "forecast_seconds", "alert_price_move_percent", "alert_divergence_percent", "alert_signal_hours",
    "alert_lag_messages", "alert_dead_letters",
)  # fmt: skip


class Database(Protocol):
    """What the runner needs of a clickhouse-connect client."""

    def command(self, cmd: str, /) -> Any:
        """Run one statement."""

    def query(self, query: str, /) -> Any:
        """Run one query; the answer has `result_rows`."""


@dataclass(frozen=True)
class Migration:
    """One file: its name without ending, the checksum of its text, its statements."""

    name: str
    sha256: str
    statements: tuple[str, ...]


def statements(text: str, database: str) -> tuple[str, ...]:
    """The statements of a file, each ended by a semicolon at a line's end; `--` lines are left out."""
    parts = END.split(COMMENT.sub("", text))
    return tuple(part.strip().replace("{database}", database) for part in parts if part.strip())


def load(folder: Path, database: str) -> tuple[Migration, ...]:
    """All migrations in order; raises `UserError` for a misnamed file or a number used twice."""
    found: dict[str, Migration] = {}
    for path in sorted(folder.glob("*.sql")):
        if not NAME.fullmatch(path.stem):
            raise UserError(f"sql/migrations/{path.name}: name it like 0007_what_it_makes.sql")
        number, text = path.stem[:4], path.read_text()
        if number in found:
            raise UserError(f"sql/migrations/{path.name}: number {number} is taken by {found[number].name}.sql")
        sha256 = hashlib.sha256(text.encode()).hexdigest()
        found[number] = Migration(path.stem, sha256, statements(text, database))
    return tuple(found.values())


def applied(client: Database, database: str) -> dict[str, str]:
    """Checksums of the migrations this database has, by name."""
    return dict(client.query(f"SELECT name, sha256 FROM {database}.schema_migrations FINAL").result_rows)


def pending(migrations: Iterable[Migration], done: dict[str, str]) -> tuple[Migration, ...]:
    """Those not applied yet; raises `UserError` if one that was applied has other text now."""
    migrations = tuple(migrations)
    edited = [entry.name for entry in migrations if done.get(entry.name, entry.sha256) != entry.sha256]
    if edited:
        raise UserError(
            f"sql/migrations/{edited[0]}.sql was edited after it was applied: "
            "restore its text and put the change into a new migration"
        )
    return tuple(entry for entry in migrations if entry.name not in done)


def migrate(client: Database, settings: Settings, folder: Path = FOLDER) -> list[str]:
    """Bring the database up to date and say what was done, one line each; nothing to do is an empty list.

    Raises `UserError` for an edited migration or for a setting that is fixed for the life of a home.
    """
    database = settings.clickhouse_database
    migrations = load(folder, database)
    _begin(client, database)
    todo = pending(migrations, applied(client, database))
    _check_fixed(client, settings)
    _tell_home(client, settings)
    for migration in todo:
        for statement in migration.statements:
            client.command(statement)
        client.command(
            f"INSERT INTO {database}.schema_migrations (name, sha256) VALUES ('{migration.name}', '{migration.sha256}')"
        )
    return [f"applied {migration.name}" for migration in todo] + _keep(client, settings)


def _begin(client: Database, database: str) -> None:
    client.command(f"CREATE DATABASE IF NOT EXISTS {database}")
    client.command(
        f"CREATE TABLE IF NOT EXISTS {database}.schema_migrations (name String, sha256 String, "
        "applied_at DateTime64(3, 'UTC') DEFAULT now64(3)) ENGINE = ReplacingMergeTree ORDER BY name"
    )
    client.command(
        f"CREATE TABLE IF NOT EXISTS {database}.home_settings (name String, value String, "
        "set_at DateTime64(3, 'UTC') DEFAULT now64(3)) ENGINE = ReplacingMergeTree ORDER BY name"
    )


def _check_fixed(client: Database, settings: Settings) -> None:
    database = settings.clickhouse_database
    stored = _home_settings(client, database)
    for name in FIXED:
        wanted = str(getattr(settings, name))
        if stored.get(name, wanted) != wanted:
            raise UserError(
                f"CRYPTOVIZ_{name.upper()} is {wanted}, but the rows in database {database} were made with "
                f"{stored[name]}: set it back, or start anew with another CRYPTOVIZ_HOME (embedded) "
                "or CRYPTOVIZ_CLICKHOUSE_DATABASE"
            )
    _set_home(client, settings, [name for name in FIXED if name not in stored])


def _tell_home(client: Database, settings: Settings) -> None:
    stored = _home_settings(client, settings.clickhouse_database)
    _set_home(client, settings, [name for name in KNOWN if stored.get(name) != _told(settings, name)])


def _home_settings(client: Database, database: str) -> dict[str, str]:
    return dict(client.query(f"SELECT name, value FROM {database}.home_settings FINAL").result_rows)


def _set_home(client: Database, settings: Settings, names: Sequence[str]) -> None:
    if names:
        values = ", ".join(f"('{name}', '{_quoted(_told(settings, name))}')" for name in names)
        client.command(f"INSERT INTO {settings.clickhouse_database}.home_settings (name, value) VALUES {values}")


def _told(settings: Settings, name: str) -> str:
    """A setting as views look it up; several values are told with commas between them."""
    value = getattr(settings, name)
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")


def kept_days(settings: Settings) -> dict[str, int]:
    """Days a row stays, per table; counted from its insert, so that replayed history outlives its arrival."""
    results = ("bars", "stats", "indicators", "predictions", "signals", "scores", "alerts")
    return (
        {"quotes": settings.quotes_ttl_days}
        | dict.fromkeys(results, settings.results_ttl_days)
        | dict.fromkeys(("dead_letters", "source_health"), settings.ledger_ttl_days)
        | {"metrics": settings.metrics_ttl_days}
    )


def _keep(client: Database, settings: Settings) -> list[str]:
    database = settings.clickhouse_database
    found = client.query(f"SELECT name, engine_full FROM system.tables WHERE database = '{database}'").result_rows
    changed = []
    for table, days in other_days(found, kept_days(settings)).items():
        client.command(f"ALTER TABLE {database}.{table} MODIFY TTL toDateTime(inserted_at) + toIntervalDay({days})")
        changed.append(f"{table}: rows are kept {days} days")
    return changed


def other_days(engines: Sequence[Sequence[str]], wanted: dict[str, int]) -> dict[str, int]:
    """The entries of `wanted` that differ from the TTL in the (table, engine definition) rows."""
    found = {table: KEPT_DAYS.search(engine) for table, engine in engines}
    current = {table: int(match[1]) if match else None for table, match in found.items()}
    return {table: days for table, days in wanted.items() if table in current and current[table] != days}
