"""What is generated and committed is what the code would generate now."""

from __future__ import annotations

import re
from pathlib import Path

from cryptoviz.alerting.files import alerting_files
from cryptoviz.generate import dashboards, env_example, registries, schemas
from cryptoviz.metrics_page import STORED_ONLY, described, metrics_page
from cryptoviz.monitor.samples import STORED
from cryptoviz.settings import Settings
from producers.sources import SOURCES

ROOT = Path(__file__).resolve().parents[2]


def test_env_example_lists_every_setting_with_its_default() -> None:
    assert (ROOT / ".env.example").read_text() == env_example(SOURCES), "run `make generate`"


def test_schemas_are_those_of_the_messages() -> None:
    committed = {path.name: path.read_text() for path in (ROOT / "docs" / "schemas").glob("*.json")}
    assert committed == dict(schemas()), "run `make generate`"


def test_metrics_are_those_that_the_registries_hold() -> None:
    assert (ROOT / "docs" / "metrics.md").read_text() == metrics_page(registries()), "run `make generate`"


def test_the_page_of_metrics_names_every_one_that_the_code_names() -> None:
    """The registries were asked; this asks the sources, so that a registry nobody listed is noticed."""
    page = (ROOT / "docs" / "metrics.md").read_text()
    listed = set(re.findall(r"`(cryptoviz_\w+)`", page))
    for path in (ROOT / package for package in ("cryptoviz", "processors", "producers")):
        for file in path.rglob("*.py"):
            made = re.findall(r"(?:Counter|Gauge|Histogram|Family)\(\s*\"(cryptoviz_\w+)\"", file.read_text())
            assert {name for name in made if not {name, f"{name}_total"} & listed} == set(), file
    own = set(re.findall(r'"(cryptoviz_\w+)"', (ROOT / "cryptoviz" / "monitor" / "rounds.py").read_text()))
    assert set(STORED_ONLY) == own


def test_every_stored_metric_is_one_that_a_part_serves() -> None:
    served = {
        sample for registry in registries().values() for name, *_ in described(registry) for sample in _samples(name)
    }
    assert {name for name in STORED if name.startswith("cryptoviz_")} <= served


def _samples(name: str) -> set[str]:
    return {name} | {f"{name}_{suffix}" for suffix in ("sum", "count")}


def test_dashboards_are_those_described() -> None:
    committed = {path.name: path.read_text() for path in (ROOT / "grafana" / "dashboards").glob("*.json")}
    assert committed == dict(dashboards()), "run `make generate`"


def test_alerts_are_those_described() -> None:
    folder = ROOT / "grafana" / "provisioning" / "alerting"
    committed = {path.name: path.read_text() for path in folder.iterdir()}
    assert committed == dict(alerting_files()), "run `make generate`"


def test_every_setting_says_what_it_is() -> None:
    assert [name for name, field in Settings.model_fields.items() if not field.description] == []
