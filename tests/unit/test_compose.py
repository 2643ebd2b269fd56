"""The Compose file against the settings, the commands and the versions it must agree with."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from cryptoviz.alerting.files import FOLDER
from cryptoviz.cli import COMMANDS
from cryptoviz.dashboards.home import HOME
from cryptoviz.generate import COMPOSE_ONLY
from cryptoviz.local.grafana import (
    PLUGIN,
    PLUGIN_VERSION,
    Grafana,
    grafana_environment,
)
from cryptoviz.local.kafka_jars import KAFKA_VERSION
from cryptoviz.settings import Settings, load_settings

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, Any] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
VARIABLES = {f"CRYPTOVIZ_{name.upper()}" for name in Settings.model_fields}
PASSWORDS = re.findall(r"\$\{(CRYPTOVIZ_\w+):\?", TEXT)


def test_our_services_run_commands_that_exist() -> None:
    assert {service["command"][0] for service in OURS.values()} == set(COMMANDS) & {
        "topics", "migrate", "produce", "process", "sink", "forecast", "monitor"
    }  # fmt: skip


def test_our_services_are_given_settings_that_exist() -> None:
    given = {name for service in OURS.values() for name in service["environment"]}
    assert given <= VARIABLES
    assert {"CRYPTOVIZ_KAFKA", "CRYPTOVIZ_CLICKHOUSE_URL", "CRYPTOVIZ_CLICKHOUSE_PASSWORD"} <= given


def test_variables_of_the_file_are_settings_or_named_in_the_example() -> None:
    assert set(re.findall(r"\$\{(\w+)", TEXT)) <= VARIABLES | set(COMPOSE_ONLY)


def test_published_ports_are_on_loopback_and_those_of_the_settings() -> None:
    defaults = Settings()
    wanted = {"kafka": defaults.kafka_port, "clickhouse": defaults.clickhouse_port, "grafana": defaults.grafana_port}
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {
        name: [f"127.0.0.1:${{CRYPTOVIZ_{name.upper()}_PORT:-{port}}}:{port}"] for name, port in wanted.items()
    }


def test_health_checks_ask_the_ports_the_parts_listen_on() -> None:
    for name, setting in (("produce", "PRODUCER_PORT"), ("worker", "WORKER_PORT"), ("sink", "SINK_PORT"),
                          ("forecast", "FORECASTER_PORT"), ("monitor", "MONITOR_PORT")):  # fmt: skip
        port = SERVICES[name]["environment"][f"CRYPTOVIZ_{setting}"]
        assert f"127.0.0.1:{port}/" in SERVICES[name]["healthcheck"]["test"][-1]


def test_images_are_pinned_and_the_versions_are_those_of_the_embedded_stack() -> None:
    images = {name: service["image"] for name, service in SERVICES.items()}
    assert all(re.fullmatch(r"[a-z/-]+:\d+(\.\d+)+", image) for image in images.values()), images
    assert images["kafka"] == f"apache/kafka:{KAFKA_VERSION}"
    assert SERVICES["grafana"]["environment"]["GF_PLUGINS_PREINSTALL_SYNC"] == f"{PLUGIN}@{PLUGIN_VERSION}"


def test_no_password_has_a_default() -> None:
    assert len(PASSWORDS) >= 4
    for line in TEXT.splitlines():
        if "PASSWORD" in line and ":" in line:
            assert ":?" in line, line


def test_a_clickhouse_server_keeps_each_of_its_own_logs_as_long_as_the_setting_says() -> None:
    file = ROOT / "sql" / "server" / "logs.xml"
    clickhouse = SERVICES["clickhouse"]
    folder = "/etc/clickhouse-server/config.d/"
    assert [entry for entry in clickhouse["volumes"] if entry.startswith(f"./sql/server/{file.name}:{folder}")]
    days = f"${{CRYPTOVIZ_SERVER_LOGS_TTL_DAYS:-{Settings().server_logs_ttl_days}}}"
    assert clickhouse["environment"]["CRYPTOVIZ_SERVER_LOGS_TTL"] == f"event_date + INTERVAL {days} DAY DELETE"
    logs = {entry.tag: entry for entry in ElementTree.parse(file).getroot()}
    assert int(logs.pop("logger").findtext("count") or "") <= 3
    assert logs.pop("opentelemetry_span_log").attrib == {"remove": "1"}
    assert {"query_log", "query_thread_log", "trace_log", "part_log", "text_log", "metric_log",
            "asynchronous_metric_log", "processors_profile_log"} <= logs.keys()  # fmt: skip
    for name, log in logs.items():
        assert [(part.tag, part.attrib) for part in log] == [("ttl", {"from_env": "CRYPTOVIZ_SERVER_LOGS_TTL"})], name


def test_what_containers_say_is_kept_within_bounds() -> None:
    for name, service in SERVICES.items():
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}, name


def test_no_container_can_gain_rights() -> None:
    for name, service in SERVICES.items():
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["cap_drop"] == ["ALL"], name
        assert "privileged" not in service, name
        assert not {"pid", "ipc", "network_mode", "devices"} & service.keys(), name
        assert not any("docker.sock" in volume for volume in service.get("volumes", ())), name
    added = {name: service["cap_add"] for name, service in SERVICES.items() if "cap_add" in service}
    assert added == {"clickhouse": ["CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"]}


def test_our_containers_run_as_a_user_without_rights_and_write_to_memory_only() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    _, _, last_stage = dockerfile.rpartition("\nFROM ")
    user, uid = "cryptoviz", "10001"
    assert f"--uid {uid}" in last_stage
    assert re.findall(r"^USER (\w+)$", last_stage, re.MULTILINE) == [user]
    home = COMPOSE["x-environment"]["CRYPTOVIZ_HOME"]
    for name, service in OURS.items():
        assert service["read_only"] is True, name
        assert "user" not in service, name
        folders = {entry.partition(":")[0]: entry for entry in service["tmpfs"]}
        assert folders.keys() == {"/tmp", home}, name
        assert f"uid={uid}" in folders[home], name
        assert all("size=" in entry for entry in folders.values()), name
    assert SERVICES["grafana"]["read_only"] is True


def test_services_start_in_order_of_health_and_completion() -> None:
    for name, service in OURS.items():
        for other, condition in service["depends_on"].items():
            one_shot = SERVICES[other].get("restart") == "no"
            wanted = "service_completed_successfully" if one_shot else "service_healthy"
            assert condition == {"condition": wanted}, (name, other)
            assert one_shot or "healthcheck" in SERVICES[other]


def test_compose_itself_accepts_the_file(tmp_path: Path) -> None:
    compose = shutil.which("docker-compose")
    if compose is None:
        pytest.skip("docker-compose is not installed (Debian: apt-get install docker-compose)")
    (tmp_path / "docker-compose.yml").write_text(TEXT)
    (tmp_path / ".env").write_text("".join(f"{name}=secret\n" for name in {*PASSWORDS}))
    config = [compose, "--profile", "forecast", "config"]
    done = subprocess.run(config, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert set(yaml.safe_load(done.stdout)["services"]) == set(SERVICES)
    (tmp_path / ".env").write_text("")
    refused = subprocess.run(config, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert refused.returncode != 0
    assert "in .env" in refused.stderr


def test_the_image_is_built_from_what_it_copies() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {
        word
        for line in (ROOT / "Dockerfile").read_text().splitlines()
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    }
    assert copied == allowed
    assert all((ROOT / name).exists() for name in copied)


def test_the_images_lock_holds_versions_of_the_whole_lock() -> None:
    whole, image = (_locked(name) for name in ("requirements.txt", "requirements-image.txt"))
    assert image <= whole
    assert {"faust-streaming", "confluent-kafka", "requests"} <= {entry.split("==")[0] for entry in image}
    assert not {"chdb", "pytest"} & {entry.split("==")[0] for entry in image}


def test_the_batch_models_are_built_from_a_lock_of_their_own_that_agrees_with_the_whole_one() -> None:
    assert SERVICES["forecast"]["build"]["args"] == {"REQUIREMENTS": "requirements-forecast.txt"}
    assert SERVICES["forecast"]["profiles"] == ["forecast"]
    whole, forecast = (_locked(name) for name in ("requirements.txt", "requirements-forecast.txt"))
    both = {entry.split("==")[0] for entry in whole} & {entry.split("==")[0] for entry in forecast}
    differing = {entry.split("==")[0] for entry in forecast - whole} & both
    assert differing <= {"pandas"}
    assert {"prophet", "statsforecast", "confluent-kafka"} <= {entry.split("==")[0] for entry in forecast}
    assert not {"prophet", "statsforecast"} & {entry.split("==")[0] for entry in whole}


def test_no_lock_names_an_address() -> None:
    for name in ("requirements.txt", "requirements-image.txt", "requirements-forecast.txt"):
        assert not re.search(r"https?://|index-url", (ROOT / name).read_text())


def _locked(name: str) -> set[str]:
    return set(re.findall(r"^[a-z0-9-]+==[^\s;\\]+", (ROOT / name).read_text(), re.MULTILINE))


def test_grafana_is_set_up_as_on_one_machine(tmp_path: Path) -> None:
    here = grafana_environment(Settings(), Grafana(("grafana",), tmp_path), tmp_path)
    there = {name: str(value) for name, value in SERVICES["grafana"]["environment"].items()}
    own = {"HTTP_ADDR", "HTTP_PORT", "PATHS_", "LOG_", "PASSWORD", "HOME_DASHBOARD", "PREINSTALL"}
    same = {name for name in here if name.startswith("GF_") and not any(part in name for part in own)}
    assert {name: here[name] for name in same} == {name: there[name] for name in same}
    assert {name for name in here if name.startswith("CRYPTOVIZ_")} <= set(there)


@pytest.mark.parametrize("webhook", ["", "https://example.com/hook"])
def test_alerts_are_sent_where_a_webhook_is_set_as_on_one_machine(tmp_path: Path, webhook: str) -> None:
    here = grafana_environment(load_settings(alert_webhook=webhook), Grafana(("grafana",), tmp_path), tmp_path)[
        "CRYPTOVIZ_ALERT_WEBHOOK"
    ]
    assert here == (webhook or FOLDER)
    compose = shutil.which("docker-compose")
    if compose is None:
        pytest.skip("docker-compose is not installed (Debian: apt-get install docker-compose)")
    (tmp_path / "docker-compose.yml").write_text(TEXT)
    lines = "".join(f"{name}=secret\n" for name in {*PASSWORDS})
    (tmp_path / ".env").write_text(f"{lines}CRYPTOVIZ_ALERT_WEBHOOK={webhook}\n")
    config = [compose, "config"]
    done = subprocess.run(config, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
    there = yaml.safe_load(done.stdout)["services"]["grafana"]["environment"]
    assert there["CRYPTOVIZ_ALERT_WEBHOOK"] == here


def test_grafana_opens_the_dashboard_home() -> None:
    grafana = SERVICES["grafana"]
    home = Path(grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert f"./grafana/dashboards:{home.parent}:ro" in grafana["volumes"]
    assert home.name == HOME.file
