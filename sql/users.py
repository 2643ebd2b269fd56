"""Makes the read-only users of a ClickHouse server from users.sql; where users live elsewhere it leaves them alone."""

from __future__ import annotations

import hashlib
from pathlib import Path

from pydantic import SecretStr

from cryptoviz.settings import Settings
from sql.migrate import Database, statements

FILE = Path(__file__).with_name("users.sql")


def make_users(client: Database, settings: Settings, file: Path = FILE) -> list[str]:
    """Create or update the users `grafana` and `analyst`; says in one line what was done, nothing if not its place."""
    if not _keeps_users(client):
        return []
    passwords = {"grafana": settings.clickhouse_grafana_password, "analyst": settings.clickhouse_analyst_password}
    lacking = [f"CRYPTOVIZ_CLICKHOUSE_{name.upper()}_PASSWORD" for name, word in passwords.items() if not word]
    if lacking:
        return [f"users grafana and analyst left as they are: {' and '.join(lacking)} not set"]
    text = file.read_text()
    for name, word in passwords.items():
        text = text.replace(f"{{{name}_sha256}}", _sha256(word))
    for statement in statements(text, settings.clickhouse_database):
        client.command(statement)
    return ["users grafana and analyst may read"]


def _keeps_users(client: Database) -> bool:
    # The embedded engine knows users only from a configuration file, which SQL cannot change.
    found = client.query("SELECT count() FROM system.user_directories WHERE type != 'users_xml'").result_rows
    return bool(found and found[0][0])


def _sha256(word: SecretStr) -> str:
    return hashlib.sha256(word.get_secret_value().encode()).hexdigest()
