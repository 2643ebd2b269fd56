"""Writes what is committed but generated: settings, JSON Schemas, metrics, dashboards, alerts: `make generate`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from prometheus_client import REGISTRY, CollectorRegistry
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from cryptoviz.alerting import RULES
from cryptoviz.alerting.files import alerting_files
from cryptoviz.alerting.runbook import runbook
from cryptoviz.dashboards import DASHBOARDS
from cryptoviz.local.health import PartsCollector
from cryptoviz.local.part import Part, Status
from cryptoviz.messages import schema_of
from cryptoviz.metrics_page import metrics_page
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


def registries() -> dict[str, CollectorRegistry]:
    """The registry of each part, by the heading it gets."""
    import processors.metrics  # the worker's are in the process's own registry
    from processors.batch.metrics import BatchMetrics
    from processors.sink_metrics import SinkMetrics
    from producers.metrics import Metrics

    assert processors.metrics
    stack = CollectorRegistry()
    stack.register(PartsCollector({"kafka": Status(Part("kafka", ()))}))
    return {
        "The producer (`CRYPTOVIZ_PRODUCER_PORT`, 8010)": Metrics().registry,
        "The worker (`CRYPTOVIZ_WORKER_PORT`, 8001)": REGISTRY,
        "The sink (`CRYPTOVIZ_SINK_PORT`, 8020)": SinkMetrics().registry,
        "The batch models (`CRYPTOVIZ_FORECASTER_PORT`, 8030)": BatchMetrics().registry,
        "The stack itself (`CRYPTOVIZ_HEALTH_PORT`, 8000)": stack,
    }


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
    (ROOT / "docs" / "metrics.md").write_text(metrics_page(registries()), encoding="utf-8")
    for name, content in dashboards():
        (ROOT / "grafana" / "dashboards" / name).write_text(content, encoding="utf-8")
    for name, content in alerting_files():
        (ROOT / "grafana" / "provisioning" / "alerting" / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
