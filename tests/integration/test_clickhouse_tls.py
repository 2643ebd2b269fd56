"""ClickHouse over HTTPS: the embedded endpoint behind a proxy that ends TLS, as a server elsewhere has it."""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

import pytest
from certificates import Authority, Signed
from servers import ClickHouseServer

from cryptoviz.clickhouse import connect, rows
from cryptoviz.errors import UserError
from cryptoviz.running import parts
from cryptoviz.settings import Settings, load_settings

BLOCK_BYTES = 65536


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while block := source.recv(BLOCK_BYTES):
            sink.sendall(block)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


def _serve(listening: socket.socket, context: ssl.SSLContext, port: int) -> None:
    while True:
        try:
            plain, _ = listening.accept()
        except OSError:  # closed: the test is over
            return
        with suppress(OSError):  # clients that do not trust the certificate break off here
            client = context.wrap_socket(plain, server_side=True)
            server = socket.create_connection(("127.0.0.1", port))
            for ends in ((client, server), (server, client)):
                Thread(target=_pump, args=ends, daemon=True).start()


@contextmanager
def https(port: int, signed: Signed) -> Iterator[str]:
    """An address that speaks TLS and passes everything on to `port`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(signed.certificate, signed.key)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        Thread(target=_serve, args=(listening, context, port), daemon=True).start()
        yield f"https://127.0.0.1:{listening.getsockname()[1]}"
        listening.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def secured(clickhouse: ClickHouseServer, authority: Authority) -> Iterator[Settings]:
    with https(clickhouse.port, authority.sign("clickhouse")) as url:
        yield load_settings(
            clickhouse_url=url, clickhouse_user=clickhouse.user, clickhouse_password=clickhouse.password,
            clickhouse_ca=authority.certificate, health_port=1,
        )  # fmt: skip


def test_queries_and_inserts_go_over_tls(secured: Settings) -> None:
    client = connect(secured)
    assert rows(client, "SELECT 1 + 1", secured) == [(2,)]
    client.command("CREATE DATABASE IF NOT EXISTS over_tls")
    client.command("CREATE TABLE IF NOT EXISTS over_tls.numbers (n UInt64) ENGINE = MergeTree ORDER BY n")
    client.insert("over_tls.numbers", [[n] for n in range(1000)], column_names=["n"])
    assert rows(client, "SELECT sum(n) FROM over_tls.numbers", secured) == [(499_500,)]
    client.command("DROP DATABASE over_tls")


def test_a_certificate_of_somebody_else_is_one_clear_line(secured: Settings, tmp_path: Path) -> None:
    stranger = Authority(tmp_path / "stranger").certificate
    for authority in (stranger, None):
        with pytest.raises(UserError, match=r"not trusted.*CRYPTOVIZ_CLICKHOUSE_CA") as refused:
            connect(secured.model_copy(update={"clickhouse_ca": authority}))
        assert "\n" not in str(refused.value)


def test_a_certificate_for_another_name_is_not_trusted(clickhouse: ClickHouseServer, authority: Authority) -> None:
    signed = authority.sign("other", "subjectAltName=DNS:other.example.com\n")
    with https(clickhouse.port, signed) as url, pytest.raises(UserError, match="of another name"):
        connect(load_settings(clickhouse_url=url, clickhouse_ca=authority.certificate))


def test_a_file_that_is_no_certificate_is_named(secured: Settings, tmp_path: Path) -> None:
    rubbish = tmp_path / "rubbish.pem"
    rubbish.write_text("rubbish")
    with pytest.raises(UserError, match=r"CRYPTOVIZ_CLICKHOUSE_CA: .*rubbish\.pem holds no certificate"):
        connect(secured.model_copy(update={"clickhouse_ca": rubbish}))


def test_a_command_says_it_in_one_line(secured: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTOVIZ_CLICKHOUSE_URL", secured.clickhouse_url)
    argv = [sys.executable, "-m", "cryptoviz", "migrate"]
    done = subprocess.run(argv, check=False, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"cryptoviz: ClickHouse at {secured.clickhouse_url} shows a certificate that is not trusted")


def test_who_looks_whether_it_is_up_trusts_the_same_authority(secured: Settings) -> None:
    assert {part.name: part.up for part in parts(secured, None)}["clickhouse"]
    untrusting = secured.model_copy(update={"clickhouse_ca": None})
    assert not {part.name: part.up for part in parts(untrusting, None)}["clickhouse"]
