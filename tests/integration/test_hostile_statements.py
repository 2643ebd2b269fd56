"""What readers who mean harm may try on the embedded endpoint, and that it gives them nothing and goes on serving."""

from __future__ import annotations

import gzip
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
import requests
from endpoint import clickhouse_process
from hostile_statements import ALLOWED, EXHAUSTING, PARAMETERS, REFUSED
from waiting import wait_until

from cryptoviz.cli.migrate import run as migrate
from cryptoviz.local.clickhouse.policy import LIMITS, READER_BODY_BYTES, READERS_AT_ONCE
from cryptoviz.settings import load_settings

pytestmark = pytest.mark.stack

SECRET = "sesame-4711"
READERS = ("grafana", "analyst")
REQUEST_S, IDLE_S = 20.0, 3.0
# The engine looks at the clock between blocks of rows, and the machine may be busy.
ANSWER_WITHIN_S = REQUEST_S + 10
# What the engine keeps ready for its next query.
KEPT_BYTES = 1 << 30


class Besieged:
    """An endpoint with the project's tables, somebody's secrets, and a neighbour who must never be called."""

    def __init__(self, url: str, password: str, process: subprocess.Popen[bytes], folder: Path) -> None:
        self.url, self.password, self._process, self.folder = url, password, process, folder
        self.file, self.new = folder / "secret.csv", folder / "new.csv"
        self.file.write_text(f"{SECRET}\n")
        self.neighbour = socket.create_server(("127.0.0.1", 0))
        self.neighbour.setblocking(False)
        self.port = int(url.rpartition(":")[2])

    def fill(self) -> None:
        migrate(load_settings(clickhouse_url=self.url, clickhouse_user="cryptoviz", clickhouse_password=self.password))
        for statement in (
            "CREATE DATABASE other",
            "CREATE TABLE other.secrets (word String) ENGINE = MergeTree ORDER BY word",
            f"INSERT INTO other.secrets VALUES ('{SECRET}')",
            "INSERT INTO crypto.quotes (asset) VALUES ('BTC')",
        ):
            assert self.ask(statement, "cryptoviz").status_code == 200

    def ask(self, statement: str, user: str, **params: str) -> requests.Response:
        auth = (user, self.password if user == "cryptoviz" else "")
        body = self.named(statement).encode()
        return requests.post(self.url, data=body, params=params, auth=auth, timeout=ANSWER_WITHIN_S)

    def named(self, text: str) -> str:
        host, port = self.neighbour.getsockname()
        return text.replace("<file>", str(self.file)).replace("<new>", str(self.new)).replace("<net>", f"{host}:{port}")

    def state(self) -> str:
        """What there is: tables, functions, and the rows a statement might have added or removed."""
        counts = "(SELECT count() FROM crypto.quotes), (SELECT count() FROM other.secrets)"
        named = "(SELECT groupArray((database, name)) FROM (SELECT database, name FROM system.tables ORDER BY ALL))"
        made = "(SELECT count() FROM system.functions WHERE origin != 'System')"
        return self.ask(f"SELECT {counts}, {named}, {made}", "cryptoviz").text

    def was_called(self) -> bool:
        try:
            self.neighbour.accept()[0].close()
        except BlockingIOError:
            return False
        return True

    def resident_bytes(self) -> int:
        status = Path(f"/proc/{self._process.pid}/status")
        if not status.exists():
            pytest.skip("memory is read from /proc")
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) * 1024

    def is_well(self) -> None:
        """Another reader, and the writer, are served soon."""
        started = time.monotonic()
        assert self.ask("SELECT asset FROM quotes", "grafana").text == "BTC\n"
        assert self.ask("SELECT 1", "cryptoviz").text == "1\n"
        assert time.monotonic() - started < 10

    def connection(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=ANSWER_WITHIN_S)


@pytest.fixture(scope="module")
def besieged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Besieged]:
    folder = tmp_path_factory.mktemp("hostile")
    options = ("--reader-request-s", str(REQUEST_S), "--idle-s", str(IDLE_S))
    with clickhouse_process(folder / "clickhouse", *options) as (url, users, process):
        found = Besieged(url, users["cryptoviz"].password or "", process, folder)
        found.fill()
        with closing(found.neighbour):
            yield found
            assert process.poll() is None


def learnt(besieged: Besieged, answer: requests.Response) -> set[str]:
    """What an answer says and should not; the statement itself, which errors repeat, holds none of it."""
    return {word for word in (SECRET, besieged.password, "clickhouse/tables") if word in answer.text}


@pytest.mark.parametrize(
    "statement", [pytest.param(each, id=f"{what}: {each[:60]}") for what, all_of in REFUSED.items() for each in all_of]
)
def test_a_reader_is_refused_and_learns_nothing(besieged: Besieged, statement: str) -> None:
    before = besieged.state()
    params = {name: besieged.named(value) for name, value in PARAMETERS.items()}
    for user in READERS:
        answer = besieged.ask(statement, user, **params)
        assert answer.status_code in range(400, 600), answer.text
        assert "X-ClickHouse-Exception-Code" in answer.headers
        assert not learnt(besieged, answer)
    assert besieged.state() == before
    assert not besieged.new.exists()
    assert not besieged.was_called()


@pytest.mark.parametrize("statement", ALLOWED)
def test_honest_questions_are_answered(besieged: Besieged, statement: str) -> None:
    for user in READERS:
        answer = besieged.ask(statement, user)
        assert answer.status_code == 200, answer.text


def test_every_view_of_ours_can_be_read(besieged: Besieged) -> None:
    listed = "SELECT name FROM system.tables WHERE database = 'crypto' AND engine = 'View' AND create_table_query"
    views = besieged.ask(f"{listed} NOT LIKE '%{{%:%}}%' ORDER BY name", "grafana").text.split()
    assert len(views) > 10
    for view in views:
        answer = besieged.ask(f"SELECT * FROM {view} LIMIT 1", "grafana")
        assert answer.status_code == 200, (view, answer.text)


@pytest.mark.parametrize(
    "statement",
    [pytest.param(each, id=f"{what}: {each[:60]}") for what, all_of in EXHAUSTING.items() for each in all_of],
)
def test_a_greedy_question_ends_in_time_with_an_error(besieged: Besieged, statement: str) -> None:
    with suppress(requests.exceptions.ChunkedEncodingError):  # an error after the first rows breaks the answer off
        answer = besieged.ask(statement, "analyst", max_execution_time="2")
        assert answer.status_code != 200 or b"DB::Exception" in answer.content[-2000:], answer.text[:200]
    besieged.is_well()


def test_many_greedy_questions_at_once_leave_others_their_share_and_give_the_memory_back(besieged: Besieged) -> None:
    greedy = ("SELECT number, count() FROM numbers(1900000000) GROUP BY number",
              "SELECT count() FROM numbers(1900000000) WHERE sipHash64(number) = 1")  # fmt: skip
    statuses: list[int] = []

    def ask(number: int) -> None:
        statuses.append(besieged.ask(greedy[number % 2], "analyst", max_execution_time="3").status_code)

    asking = [threading.Thread(target=ask, args=(number,)) for number in range(2 * READERS_AT_ONCE)]
    for each in asking:
        each.start()
    while any(each.is_alive() for each in asking):
        besieged.is_well()
    for each in asking:
        each.join()
    assert len(statuses) == len(asking)
    assert 200 not in statuses
    wait_until(lambda: besieged.resident_bytes() < 2 * KEPT_BYTES, 30, "the memory to be given back")


HTTP_TRICKS = {
    "readonly off": {"readonly": "0"},
    "another user's name": {"user": "cryptoviz"},
    "a role": {"role": "admin"},
    "a session of somebody's": {"session_id": "x", "session_timeout": "3600"},
    "more time": {"max_execution_time": "0"},
    "more memory": {"max_memory_usage": "0"},
    "writing allowed": {"allow_ddl": "1"},
    "another database": {"database": "other"},
    "the database of files": {"database": "default"},
    "a format of the wire": {"default_format": "MySQLWire"},
    "a layout of somebody's": {"default_format": "Template", "format_template_row": "<file>"},
    "a filter that reads": {"additional_table_filters": "{'crypto.quotes': 'file(\\'<file>\\') != \\'\\''}"},
    "a file for errors": {"input_format_record_errors_file_path": "<new>"},
    "an id that ends the header": {"query_id": "x\r\nSet-Cookie: a=b"},
}
PROBES = ("SELECT * FROM secrets", "INSERT INTO crypto.quotes (asset) VALUES ('X')", "SELECT * FROM system.users",
          "SELECT * FROM `<file>`")  # fmt: skip


@pytest.mark.parametrize("trick", HTTP_TRICKS)
def test_parameters_and_headers_of_a_request_win_nothing(besieged: Besieged, trick: str) -> None:
    before = besieged.state()
    params = {name: besieged.named(value) for name, value in HTTP_TRICKS[trick].items()}
    headers = {"X-ClickHouse-Database": "other", "X-Forwarded-For": "127.0.0.1", "X-ClickHouse-Format": "JSON"}
    for probe in PROBES:
        for method in ("GET", "POST"):
            answer = requests.request(
                method, besieged.url, params=params | {"query": besieged.named(probe)}, headers=headers, timeout=30
            )
            assert answer.status_code >= 400, answer.text
            assert not learnt(besieged, answer)
            assert "Set-Cookie" not in answer.headers
    question = "SELECT getSetting('readonly'), getSetting('max_memory_usage') <= 1000000000"
    answer = requests.post(besieged.url, params=params, data=question, auth=("analyst", ""), timeout=30)
    assert answer.status_code >= 400 or answer.text == "2\t1\n"
    assert besieged.state() == before
    assert not besieged.new.exists()


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_none(besieged: Besieged, method: str) -> None:
    answer = requests.request(method, besieged.url, data="DROP TABLE quotes", timeout=10)
    assert answer.status_code == 405


def test_bodies_headers_and_urls_have_their_limits(besieged: Besieged) -> None:
    large = b" " * (READER_BODY_BYTES + 1)
    packed = {"Content-Encoding": "gzip"}
    assert requests.post(besieged.url, data=large, timeout=30).status_code >= 400
    assert requests.post(besieged.url, data=gzip.compress(large), headers=packed, timeout=30).status_code >= 400
    assert requests.get(besieged.url, headers={"X-Large": "x" * 100_000}, timeout=30).status_code == 400
    assert requests.get(besieged.url, headers={f"X-{n}": "x" for n in range(500)}, timeout=30).status_code == 400
    with suppress(requests.exceptions.ConnectionError):  # it may not be read to its end
        assert requests.get(besieged.url, params={"query": "x" * 3_000_000}, timeout=30).status_code >= 400
    besieged.is_well()


def test_requests_that_never_come_whole_are_given_up(besieged: Besieged) -> None:
    """A connection that says nothing, and one that says its headers letter by letter."""
    with besieged.connection() as silent, besieged.connection() as slow:
        started = time.monotonic()
        slow.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        slow.settimeout(0.2)
        for number in range(int(ANSWER_WITHIN_S / 0.2)):
            try:
                if not slow.recv(1):
                    break
            except TimeoutError:
                slow.sendall(b"%d" % (number % 10))
            except OSError:
                break
        assert silent.recv(1) == b""
        assert time.monotonic() - started < IDLE_S + 10
    besieged.is_well()


def test_a_reader_who_sends_a_body_for_ever_is_given_up(besieged: Besieged) -> None:
    with besieged.connection() as slow:
        slow.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nSELECT")
        assert b"TIMEOUT_EXCEEDED" in slow.recv(4096)
    besieged.is_well()


def test_readers_who_do_not_read_keep_nobody_waiting_and_are_given_up(besieged: Besieged) -> None:
    statement = b"SELECT repeat('x', 1000) FROM numbers(400000)"
    request = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s" % (len(statement), statement)
    lazy = [besieged.connection() for _ in range(READERS_AT_ONCE)]
    try:
        for each in lazy:
            each.sendall(request)
        running = (
            "SELECT count() FROM system.processes WHERE query LIKE '%numbers(400000)%' AND query NOT LIKE '%LIKE%'"
        )
        wait_until(lambda: besieged.ask(running, "cryptoviz").text == f"{READERS_AT_ONCE}\n", 15, "all to be open")
        besieged.is_well()
        wait_until(lambda: besieged.ask(running, "cryptoviz").text == "0\n", REQUEST_S + 15, "all to be given up")
        assert besieged.ask("SELECT 1", "analyst").text == "1\n"
    finally:
        for each in lazy:
            each.close()


def test_limits_on_what_a_reader_takes_are_in_force(besieged: Besieged) -> None:
    for user in READERS:
        for name, limit in LIMITS.items():
            assert besieged.ask(f"SELECT getSetting('{name}')", user).text == f"{limit}\n"


def test_more_connections_than_there_may_be_are_closed_and_room_comes_back(besieged: Besieged) -> None:
    many = []
    try:
        for _ in range(600):
            many.append(besieged.connection())
        assert many[-1].recv(1) == b""
    finally:
        for each in many:
            each.close()
    wait_until(lambda: answers(besieged), 10, "room for another")
    besieged.is_well()


def answers(besieged: Besieged) -> bool:
    """Whether a connection is taken; while there are too many it is closed without a word."""
    try:
        return requests.get(f"{besieged.url}/ping", timeout=5).ok
    except requests.exceptions.ConnectionError:
        return False
