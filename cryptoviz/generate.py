"""Writes what is committed but generated: `.env.example`, JSON Schemas, dashboards, alerts: run `make generate`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from cryptoviz.alerting import RULES
from cryptoviz.alerting.files import alerting_files
from cryptoviz.alerting.runbook import runbook
from cryptoviz.dashboards import DASHBOARDS
from cryptoviz.messages import schema_of
from cryptoviz.settings import Settings, SourceSettings
from cryptoviz.topics import QUOTES_AND_RESULTS, RAW

ROOT = Path(__file__).resolve().parents[1]
COMPOSE_ONLY = {"CRYPTOVIZ_GRAFANA_ADMIN_PASSWORD": "Password of Grafana's admin, needed by docker compose alone"}
HEADER = """# Every setting with its default; copy to .env and uncomment what you change.
# A variable of the environment wins over .env. Times are in the unit their name ends with.
"""


def env_example(sources: Iterable[str]) -> str:
    """The text of `.env.example` for these sources."""
    lines = [HEADER]
    for name, field in Settings.model_fields.items():
        lines += _entry(f"CRYPTOVIZ_{name.upper()}", field.description or "", _default(field))
    lines.append("# Only for docker compose, which also needs the three ClickHouse passwords above")
    for name, description in COMPOSE_ONLY.items():
        lines += _entry(name, description, "")
    for source in sources:
        lines.append(f"# Source {source}; empty means its own default")
        for name, field in SourceSettings.model_fields.items():
            lines += _entry(f"CRYPTOVIZ_{source.upper()}_{name.upper()}", field.description or "", "")
    return "\n".join(lines)


def schemas() -> Iterator[tuple[str, str]]:
    """(file name, content) of the JSON Schema of each topic's message."""
    dead = RAW.dead
    for name, message in [*((topic.name, topic.message) for topic in QUOTES_AND_RESULTS), ("dead", dead.message)]:
        if message is not None:
            yield f"{name}.schema.json", json.dumps(schema_of(message), indent=2, sort_keys=True) + "\n"


def dashboards() -> Iterator[tuple[str, str]]:
    """(file name, content) of each of Grafana's dashboards."""
    guide = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
    for dashboard in (*DASHBOARDS, runbook(guide, RULES)):
        yield dashboard.file, dashboard.text()


def _entry(name: str, description: str, default: str) -> list[str]:
    return [f"# {description}", f"# {name}={default}", ""]


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return ",".join(map(str, value)) if isinstance(value, tuple) else "" if value is None else str(value)


def main() -> None:
    """Write the files."""
    from producers.sources import SOURCES

    (ROOT / ".env.example").write_text(env_example(SOURCES), encoding="utf-8")
    folder = ROOT / "docs" / "schemas"
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in schemas():
        (folder / name).write_text(content, encoding="utf-8")
    for name, content in dashboards():
        (ROOT / "grafana" / "dashboards" / name).write_text(content, encoding="utf-8")
    for name, content in alerting_files():
        (ROOT / "grafana" / "provisioning" / "alerting" / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
