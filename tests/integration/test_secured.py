"""The pipeline on a Kafka that asks for TLS and a login, and what is said to who is not let in."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from certificates import Authority
from secured_kafka import PASSWORD, USER, SecuredKafka
from servers import ClickHouseServer
from sink_process import ask
from unit.processors.streams import message, quote
from waiting import wait_until

from cryptoviz.cli.migrate import run as migrate
from cryptoviz.errors import UserError
from cryptoviz.kafka import Writer, producer_config
from cryptoviz.local.ports import free_ports
from cryptoviz.local.stack_parts import environment
from cryptoviz.messages import encode
from cryptoviz.partitions import partition_of
from cryptoviz.progress import log_ends
from cryptoviz.result_reader import result_reader
from cryptoviz.settings import Settings
from cryptoviz.status import lag_of_consumers
from cryptoviz.topics import BARS, RAW
from cryptoviz.topics_admin import ensure_topics
from processors.batch.process import wall_ms

STORED_WITHIN_S = 120
HOME = partition_of("BTC", 4)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[SecuredKafka]:
    server = SecuredKafka(tmp_path_factory.mktemp("secured"), authority)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def command(settings: Settings, name: str) -> tuple[list[str], dict[str, str]]:
    return [sys.executable, "-m", "cryptoviz", name], os.environ | environment(settings)


@contextmanager
def running(settings: Settings, name: str, folder: Path) -> Iterator[Path]:
    """A part as a process; its log."""
    log = folder / f"{name}.log"
    argv, env = command(settings, name)
    with log.open("wb") as output:
        process = subprocess.Popen(argv, stdout=output, stderr=output, env=env, cwd=folder)
    try:
        yield log
    finally:
        process.terminate()
        process.wait(60)


def ways(server: SecuredKafka) -> dict[str, dict[str, Any]]:
    """Settings of every way in, by name."""
    client = server.authority.sign("client", "extendedKeyUsage=clientAuth\n")
    return {
        "PLAIN": server.login(kafka_sasl_mechanism="PLAIN"),
        "SCRAM-SHA-256": server.login(kafka_sasl_mechanism="SCRAM-SHA-256"),
        "SCRAM-SHA-512": server.login(),
        "certificate": {
            "kafka": server.mutual_address, "kafka_security": "ssl", "kafka_ca": server.authority.certificate,
            "kafka_certificate": client.certificate, "kafka_key": client.key,
        },
    }  # fmt: skip


@pytest.mark.parametrize("way", ["PLAIN", "SCRAM-SHA-512", "certificate"])
def test_a_quote_goes_all_the_way_to_its_row(
    secured: SecuredKafka, clickhouse: ClickHouseServer, tmp_path: Path, way: str
) -> None:
    worker, sink = free_ports(2)
    settings = clickhouse.settings(
        home=tmp_path / "home", worker_port=worker, sink_port=sink, worker_id="secured",
        clickhouse_database=f"secured_{way.replace('-', '_').lower()}", **ways(secured)[way],
    )  # fmt: skip
    ensure_topics(settings)
    migrate(settings)
    price = 100.0 + len(way)
    with ExitStack() as stack:
        logs = [stack.enter_context(running(settings, name, tmp_path)) for name in ("process", "sink")]
        writer = Writer(producer_config(settings, "test"))
        writer.send(RAW.name, HOME, encode(message([quote(at=wall_ms(), price=price)])))
        assert writer.flush(30)
        stored = f"SELECT count() FROM {{db}}.quotes FINAL WHERE price = {price}"
        wait_until(lambda: ask(settings, stored) == [(1,)], STORED_WITHIN_S, f"the row (logs: {tmp_path})", every_s=0.3)
        assert not any(PASSWORD in log.read_text() for log in logs)
    assert log_ends(settings, [RAW.name])[RAW.name] >= 1


def test_the_other_mechanism_and_those_who_look_on_are_let_in_too(secured: SecuredKafka) -> None:
    settings = secured.settings(kafka_sasl_mechanism="SCRAM-SHA-256")
    ensure_topics(settings)
    assert BARS.name in log_ends(settings, [BARS.name])
    with result_reader(settings) as reader:
        assert reader.at_the_end in {True, False}


@pytest.mark.parametrize(
    ("name", "mechanism"),
    [("topics", "PLAIN"), ("topics", "SCRAM-SHA-512"), ("process", "PLAIN"), ("sink", "PLAIN"), ("produce", "PLAIN")],
)
def test_a_wrong_password_ends_a_part_with_one_line_that_does_not_tell_it(
    secured: SecuredKafka, tmp_path: Path, name: str, mechanism: str
) -> None:
    (port,) = free_ports(1)
    settings = secured.settings(
        kafka_sasl_mechanism=mechanism, kafka_sasl_password="not-that-one", home=tmp_path, producer_port=port,
        backfill_hours=0, sources="binance",
    )  # fmt: skip
    argv, env = command(settings, name)
    env["CRYPTOVIZ_BINANCE_URL"] = "http://127.0.0.1:1"
    done = subprocess.run(argv, check=False, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=90)
    assert done.returncode == 1, done.stderr
    assert done.stderr.splitlines()[-1] == (
        f"cryptoviz: Kafka at {secured.address} refuses user {USER!r}: "
        "set CRYPTOVIZ_KAFKA_SASL_USERNAME and CRYPTOVIZ_KAFKA_SASL_PASSWORD"
    )
    assert "not-that-one" not in done.stdout + done.stderr
    if name != "produce":  # which also tells what it polls
        assert len(done.stderr.splitlines()) == 1


def test_who_looks_on_with_a_wrong_password_is_told_so(secured: SecuredKafka) -> None:
    wrong = secured.settings(kafka_sasl_password="not-that-one")
    with pytest.raises(UserError, match="refuses user 'pipeline'"), result_reader(wrong):
        raise AssertionError("let in")


def test_who_asks_for_the_lag_with_a_wrong_password_is_told_so(secured: SecuredKafka) -> None:
    with pytest.raises(UserError, match="refuses user 'pipeline'"):
        dict(lag_of_consumers(secured.settings(kafka_sasl_password="not-that-one")))


def test_a_broker_signed_by_somebody_else_is_not_spoken_to(secured: SecuredKafka, tmp_path: Path) -> None:
    stranger = Authority(tmp_path)
    with pytest.raises(UserError, match=r"not trusted.*set CRYPTOVIZ_KAFKA_CA"):
        ensure_topics(secured.settings(kafka_ca=stranger.certificate))
    with pytest.raises(UserError, match=r"not trusted.*set CRYPTOVIZ_KAFKA_CA"):
        ensure_topics(secured.settings(kafka_ca=None))


def test_who_speaks_plaintext_to_it_is_reminded_of_the_setting(secured: SecuredKafka) -> None:
    plaintext = {"kafka_security": "plaintext"}
    with pytest.raises(UserError, match=r"does not answer.*CRYPTOVIZ_KAFKA_SECURITY"):
        ensure_topics(secured.settings(**plaintext), wait_s=2)


@pytest.mark.parametrize("name", ["kafka_ca", "kafka_certificate"])
def test_a_file_that_holds_something_else_is_named_with_its_setting(
    secured: SecuredKafka, tmp_path: Path, name: str
) -> None:
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("-----BEGIN CERTIFICATE-----\nrubbish\n-----END CERTIFICATE-----\n")
    settings = ways(secured)["certificate"] | {name: rubbish}
    with pytest.raises(UserError, match=f"CRYPTOVIZ_{name.upper()}") as refused:
        ensure_topics(Settings(**settings))
    assert "\n" not in str(refused.value)
