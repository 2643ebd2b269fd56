"""What is generated and committed is what the code would generate now."""

from __future__ import annotations

from pathlib import Path

from cryptoviz.alerting.files import alerting_files
from cryptoviz.generate import dashboards, env_example, schemas
from cryptoviz.settings import Settings
from producers.sources import SOURCES

ROOT = Path(__file__).resolve().parents[2]


def test_env_example_lists_every_setting_with_its_default() -> None:
    assert (ROOT / ".env.example").read_text() == env_example(SOURCES), "run `make generate`"


def test_schemas_are_those_of_the_messages() -> None:
    committed = {path.name: path.read_text() for path in (ROOT / "docs" / "schemas").glob("*.json")}
    assert committed == dict(schemas()), "run `make generate`"


def test_dashboards_are_those_described() -> None:
    committed = {path.name: path.read_text() for path in (ROOT / "grafana" / "dashboards").glob("*.json")}
    assert committed == dict(dashboards()), "run `make generate`"


def test_alerts_are_those_described() -> None:
    folder = ROOT / "grafana" / "provisioning" / "alerting"
    committed = {path.name: path.read_text() for path in folder.iterdir()}
    assert committed == dict(alerting_files()), "run `make generate`"


def test_every_setting_says_what_it_is() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
