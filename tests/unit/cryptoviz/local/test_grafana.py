"""Grafana is found where people put it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from string import Template

import pytest
import yaml

from cryptoviz.dashboards import style
from cryptoviz.local.grafana import PLUGIN, PROVISIONING, Grafana, find_grafana, grafana_environment
from cryptoviz.settings import load_settings


def install(folder: Path, name: str = "grafana") -> Path:
    """An unpacked archive, as far as finding it is concerned."""
    binary = folder / "bin" / name
    binary.parent.mkdir(parents=True)
    binary.write_text("#!/bin/sh\n")
    binary.chmod(0o755)
    (folder / "conf").mkdir()
    (folder / "conf" / "defaults.ini").touch()
    return binary


def test_the_folder_of_grafana_home_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "other")
    binary = install(tmp_path / "mine")
    monkeypatch.setenv("PATH", str(tmp_path / "other" / "bin"))
    monkeypatch.setenv("GRAFANA_HOME", str(tmp_path / "mine"))
    found = find_grafana()
    assert found is not None
    assert found.argv() == (str(binary), "server", "--homepath", str(tmp_path / "mine"))


def test_an_older_command_is_found_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    binary = install(tmp_path, "grafana-server")
    monkeypatch.setenv("PATH", str(binary.parent))
    monkeypatch.delenv("GRAFANA_HOME", raising=False)
    found = find_grafana()
    assert found is not None
    assert found.argv() == (str(binary), "--homepath", str(tmp_path))


def test_none_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("GRAFANA_HOME", raising=False)
    assert find_grafana() is None


def test_a_plugin_that_is_there_is_not_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path)
    monkeypatch.setenv("GRAFANA_HOME", str(tmp_path))
    found = find_grafana()
    assert found is not None
    settings = load_settings()
    first = grafana_environment(settings, found, tmp_path / "data")
    assert PLUGIN in first["GF_PLUGINS_PREINSTALL_SYNC"]
    (tmp_path / "data" / "plugins" / PLUGIN).mkdir(parents=True)
    env = grafana_environment(settings, found, tmp_path / "elsewhere")
    assert "GF_PLUGINS_PREINSTALL_SYNC" not in env
    assert env["GF_PATHS_PLUGINS"] == str(tmp_path / "data" / "plugins")


def test_the_admin_has_a_password_of_their_own_that_stays(tmp_path: Path) -> None:
    install(tmp_path / "grafana")
    found = Grafana((str(tmp_path / "grafana" / "bin" / "grafana"), "server"), tmp_path / "grafana")
    passwords = [
        grafana_environment(load_settings(), found, tmp_path / data)["GF_SECURITY_ADMIN_PASSWORD"]
        for data in ("one", "one", "two")
    ]
    assert passwords[0] == passwords[1] != passwords[2]
    assert len(passwords[0]) >= 20
    assert (tmp_path / "one" / "admin-password").stat().st_mode & 0o777 == 0o600


def test_home_is_a_dashboard_that_exists(tmp_path: Path) -> None:
    install(tmp_path / "grafana")
    found = Grafana((str(tmp_path / "grafana" / "bin" / "grafana"), "server"), tmp_path / "grafana")
    path = Path(
        grafana_environment(load_settings(), found, tmp_path / "data")["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    )
    assert json.loads(path.read_text())["uid"] == style.HOME


def test_the_data_source_asks_in_the_database_of_the_settings(tmp_path: Path) -> None:
    install(tmp_path / "grafana")
    found = Grafana((str(tmp_path / "grafana" / "bin" / "grafana"), "server"), tmp_path / "grafana")
    given = grafana_environment(load_settings(clickhouse_database="other"), found, tmp_path / "data")
    text = (PROVISIONING / "provisioning" / "datasources" / "clickhouse.yaml").read_text()
    (source,) = yaml.safe_load(Template(text).safe_substitute(given))["datasources"]
    assert (source["uid"], source["type"]) == (style.DATA_SOURCE["uid"], style.DATA_SOURCE["type"])
    assert source["jsonData"]["defaultDatabase"] == "other"


def test_the_data_source_speaks_tls_where_the_settings_do(tmp_path: Path) -> None:
    install(tmp_path / "grafana")
    found = Grafana((str(tmp_path / "grafana" / "bin" / "grafana"), "server"), tmp_path / "grafana")
    authority = tmp_path / "ca.pem"
    authority.write_text("-----BEGIN CERTIFICATE-----\nabc\n")
    secured = load_settings(clickhouse_url="https://clickhouse.example.com", clickhouse_ca=authority)
    given = grafana_environment(secured, found, tmp_path / "data")
    text = (PROVISIONING / "provisioning" / "datasources" / "clickhouse.yaml").read_text()
    (source,) = yaml.safe_load(text)["datasources"]  # Grafana puts variables into what it has parsed
    filled = {
        name: Template(value).substitute(given)
        for name, value in (source["jsonData"] | source["secureJsonData"]).items()
        if isinstance(value, str)
    }
    assert (filled["host"], filled["port"], filled["protocol"]) == ("clickhouse.example.com", "8443", "http")
    assert (filled["secure"], filled["tlsAuthWithCACert"]) == ("true", "true")
    assert filled["tlsCACert"] == authority.read_text()
    plain = grafana_environment(load_settings(), found, tmp_path / "data")
    assert (plain["CRYPTOVIZ_CLICKHOUSE_HOST"], plain["CRYPTOVIZ_CLICKHOUSE_PORT"]) == ("127.0.0.1", "8123")
    assert {plain[f"CRYPTOVIZ_CLICKHOUSE_{name}"] for name in ("SECURE", "WITH_AUTHORITY")} == {"false"}


def test_provisioning_asks_for_nothing_that_is_not_given(tmp_path: Path) -> None:
    install(tmp_path / "grafana")
    found = Grafana((str(tmp_path / "grafana" / "bin" / "grafana"), "server"), tmp_path / "grafana")
    given = grafana_environment(load_settings(), found, tmp_path / "data")
    files = [*(PROVISIONING / "provisioning").rglob("*.yaml"), *(PROVISIONING / "provisioning").rglob("*.yml")]
    asked = {name for file in files for name in re.findall(r"\$\{?(CRYPTOVIZ_[A-Z_]+)", file.read_text())}
    assert asked
    assert asked <= set(given)
