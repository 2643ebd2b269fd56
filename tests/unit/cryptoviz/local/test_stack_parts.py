"""Which parts a stack has, what each waits for, and what it is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from cryptoviz.cli.up import demo_settings
from cryptoviz.local.broker import server_properties
from cryptoviz.local.grafana import Grafana
from cryptoviz.local.part import Part, at_once
from cryptoviz.local.ports import PortClaim
from cryptoviz.local.stack_parts import (
    DEMO,
    FORECASTER,
    PIPELINE,
    PROCESSING,
    SERVERS,
    Machine,
    broker_of,
    build_parts,
    embedded,
    environment,
    port_claims,
)
from cryptoviz.local.supervisor import levels
from cryptoviz.running import reachable
from cryptoviz.settings import Settings, load_settings

MACHINE = Machine(Path("/java"), [Path("/kafka.jar")])


def parts_of(names: tuple[str, ...], folder: Path, machine: Machine = MACHINE, **settings: object) -> dict[str, Part]:
    ours = embedded(load_settings(home=folder / "home", **settings), "secret")
    return {part.name: part for part in build_parts(ours, names, machine)}


def test_a_live_pipeline_starts_servers_then_tables_and_topics_then_all_that_uses_them(tmp_path: Path) -> None:
    parts = parts_of(PIPELINE, tmp_path)
    assert levels(parts.values()) == [["kafka-format", "clickhouse"], ["kafka", "migrate"], ["topics"],
                                      ["sink", "worker-1", "produce", "monitor"]]  # fmt: skip
    assert {name for name, part in parts.items() if part.one_shot} == {"kafka-format", "topics", "migrate"}


def test_the_login_of_another_kafka_does_not_go_to_the_embedded_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dotenv = {
        "KAFKA_SECURITY": "sasl_ssl", "KAFKA_SASL_USERNAME": "pipeline", "KAFKA_SASL_PASSWORD": "very-secret",
        "CLICKHOUSE_URL": "https://elsewhere", "CLICKHOUSE_CA": __file__, "KAFKA_CA": __file__,
    }  # fmt: skip
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("".join(f"CRYPTOVIZ_{name}={value}\n" for name, value in dotenv.items()))
    env = parts_of(PIPELINE, tmp_path)["sink"].env
    assert "very-secret" not in env.values()
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    read = load_settings()  # as the part does, which finds the same .env
    assert (read.kafka_security, read.kafka) == ("plaintext", "127.0.0.1:9092")
    assert read.clickhouse_url == "http://127.0.0.1:8123"


@pytest.mark.parametrize(
    ("host", "listens"),
    [("127.0.0.1", "127.0.0.1"), ("127.0.0.2", "127.0.0.2"), ("0.0.0.0", "127.0.0.1"), ("10.1.2.3", "127.0.0.1"),
     ("::", "127.0.0.1"), ("myhost", "127.0.0.1")],
)  # fmt: skip
def test_kafka_which_has_no_passwords_is_never_offered_to_other_machines(
    tmp_path: Path, host: str, listens: str
) -> None:
    settings = load_settings(home=tmp_path, host=host)
    assert reachable(host) == {"0.0.0.0": "127.0.0.1", "::": "127.0.0.1"}.get(host, host)
    properties = server_properties(broker_of(settings))
    assert properties["listeners"] == f"PLAINTEXT://{listens}:9092,CONTROLLER://127.0.0.1:9093"
    assert properties["advertised.listeners"] == f"PLAINTEXT://{listens}:9092"
    assert embedded(settings, "secret").kafka == f"{listens}:9092"
    assert parts_of(SERVERS, tmp_path, host=host)["kafka"].address == f"{listens}:9092"


def test_the_storage_is_formatted_once(tmp_path: Path) -> None:
    assert "kafka-format" in parts_of(SERVERS, tmp_path)
    data = tmp_path / "home" / "kafka" / "data"
    data.mkdir(parents=True)
    (data / "meta.properties").touch()
    parts = parts_of(SERVERS, tmp_path)
    assert "kafka-format" not in parts
    assert parts["kafka"].after == ()


def test_a_replay_has_neither_market_nor_producer(tmp_path: Path) -> None:
    assert {"produce", "market", "grafana"}.isdisjoint(parts_of(PROCESSING, tmp_path))


def test_the_demo_polls_the_market_and_real_keys_stay_out_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CRYPTOVIZ_COINMARKETCAP_API_KEY", "a real key")
    parts = parts_of(DEMO, tmp_path, market_port=18100)
    env = parts["produce"].env
    assert env["CRYPTOVIZ_BINANCE_URL"] == "http://127.0.0.1:18100/binance"
    assert env["CRYPTOVIZ_COINMARKETCAP_API_KEY"] == "demo"
    assert "market" in parts["produce"].after
    assert not any("_URL" in name and "BINANCE" in name for name in parts_of(PIPELINE, tmp_path)["produce"].env)


def test_demo_data_are_kept_beside_the_live_ones() -> None:
    assert demo_settings(load_settings(home="/data/coins")).home == Path("/data/coins-demo")
    assert demo_settings(load_settings()).home == Path(".cryptoviz-demo")


def test_every_worker_has_a_name_and_a_port_of_its_own(tmp_path: Path) -> None:
    parts = parts_of(PROCESSING, tmp_path, workers=3, worker_port=18001)
    workers = [part.env for name, part in parts.items() if name.startswith("worker-")]
    assert [env["CRYPTOVIZ_WORKER_ID"] for env in workers] == ["worker-1", "worker-2", "worker-3"]
    assert [env["CRYPTOVIZ_WORKER_PORT"] for env in workers] == ["18001", "18002", "18003"]


def test_a_part_reads_back_the_settings_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = embedded(
        load_settings(home=tmp_path, assets="BTC,ETH", horizon_hours="2,8", kafka_port=19092, bar_seconds=300), "secret"
    )
    for name, value in environment(given).items():
        monkeypatch.setenv(name, value)
    assert load_settings() == given
    assert given.kafka == "127.0.0.1:19092"
    assert given.clickhouse_password.get_secret_value() == "secret"


def test_passwords_are_not_shown_with_a_part(tmp_path: Path) -> None:
    assert "secret" not in repr(parts_of(PIPELINE, tmp_path))


def test_every_port_setting_is_claimed(tmp_path: Path) -> None:
    settings = load_settings(home=tmp_path, workers=2)
    claimed = port_claims(settings, (*DEMO, FORECASTER))
    ports = {f"CRYPTOVIZ_{name.upper()}" for name in Settings.model_fields if name.endswith("_port")}
    assert {claim.setting for claim in claimed} == ports
    assert PortClaim(settings.worker_port + 1, "worker-2", "CRYPTOVIZ_WORKER_PORT") in claimed


def test_who_watches_its_own_progress_is_not_ended_for_saying_that_it_is_unwell(tmp_path: Path) -> None:
    parts = parts_of(PIPELINE, tmp_path)
    assert {name for name, part in parts.items() if part.alive} >= {"sink", "worker-1"}
    assert parts["produce"].alive is None


def test_nothing_waits_for_the_batch_models_or_falls_with_them(tmp_path: Path) -> None:
    assert FORECASTER not in parts_of(DEMO, tmp_path)
    parts = parts_of((*DEMO, FORECASTER), tmp_path, forecaster_port=18030)
    part = parts[FORECASTER]
    assert not part.critical
    assert part.ready is at_once
    assert part.argv[-1] == "forecast"
    assert part.env["CRYPTOVIZ_FORECASTER_PORT"] == "18030"
    assert not any(FORECASTER in other.after for other in parts.values())


def test_grafana_is_told_where_things_are_and_may_fail(tmp_path: Path) -> None:
    grafana = Grafana(("/opt/grafana/bin/grafana", "server"), Path("/opt/grafana"))
    part = parts_of(PIPELINE, tmp_path, Machine(Path("/java"), [], grafana), grafana_port=13000)["grafana"]
    assert tuple(part.argv) == ("/opt/grafana/bin/grafana", "server", "--homepath", "/opt/grafana")
    assert part.env["GF_SERVER_HTTP_PORT"] == "13000"
    assert part.env["CRYPTOVIZ_CLICKHOUSE_PORT"] == "8123"
    assert not part.critical
    assert "secret" not in "".join(part.env.values())
