from __future__ import annotations

import gzip
import json
import logging
import socket
import time
from threading import Event

import pytest
from local_http import LocalHttp, Reply, as_json

from cryptoviz.errors import UserError
from producers.failures import Failure
from producers.http import HttpClient, decode
from producers.source import Request

SECRET = "s3cr3t-key-0123456789"


def _client(server: LocalHttp, timeout_s: float = 5, max_bytes: int = 1_000_000, key: str = "") -> HttpClient:
    header = ("X-Key", key) if key else None
    return HttpClient(server.url, timeout_s, lambda: 1_735_787_045_000, header, max_bytes=max_bytes)


def _failure(client: HttpClient) -> Failure:
    with pytest.raises(Failure) as caught:
        client.get(Request("/x", {"ids": "a,b"}))
    return caught.value


def test_a_json_answer_comes_back_decoded(server: LocalHttp) -> None:
    server.answer = lambda _: as_json({"a": [1, "2"]})
    assert _client(server).get(Request("/x", {"symbols": '["A","B"]'})) == {"a": [1, "2"]}
    assert server.asked[0].params == {"symbols": '["A","B"]'}
    assert " " not in server.asked[0].raw_query


def test_a_compressed_answer_is_unpacked_and_its_unpacked_size_is_bounded(server: LocalHttp) -> None:
    packed = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    server.answer = lambda _: Reply(gzip.compress(b"[1]"), headers=packed)
    assert _client(server).get(Request("/x")) == [1]
    server.answer = lambda _: Reply(gzip.compress(b"[" + b" " * 2_000_000 + b"]"), headers=packed)
    assert _failure(_client(server)).reason == "too_large"


def test_an_answer_that_is_cut_off_is_tried_again(server: LocalHttp) -> None:
    server.answer = lambda _: Reply(b'[{"id":', cut=True)
    failure = _failure(_client(server))
    assert (failure.reason, failure.again) == ("truncated", True)


@pytest.mark.parametrize(
    ("body", "reason"),
    [(b"<html></html>", "html"), (b" <!doctype html>", "html"), (b"", "not_json"), (b'{"a":', "not_json"),
     (b"\xff\xfe", "not_json"), (b"[" * 100_000, "not_json"), (b"1" * 5000 + b"x", "not_json")],
)  # fmt: skip
def test_what_is_not_json_is_said_to_be_so(server: LocalHttp, body: bytes, reason: str) -> None:
    server.answer = lambda _: Reply(body)
    assert _failure(_client(server)).reason == reason


def test_nan_is_let_through_to_be_rejected_in_its_item() -> None:
    assert str(decode(b'[{"price": NaN}]')) == "[{'price': nan}]"


def test_a_server_that_does_not_answer_is_given_up_in_time(server: LocalHttp) -> None:
    release = Event()
    server.answer = lambda _: Reply(hold=lambda: release.wait(10))
    started = time.monotonic()
    failure = _failure(_client(server, timeout_s=0.2))
    release.set()
    assert (failure.reason, failure.again) == ("timeout", True)
    assert time.monotonic() - started < 8


def test_a_server_that_sends_a_byte_at_a_time_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = HttpClient(f"http://127.0.0.1:{listener.getsockname()[1]}", 0.4, lambda: 0)

        def drip() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                pace = Event()
                for _ in range(100):
                    pace.wait(0.05)
                    connection.sendall(b" ")

        from threading import Thread

        def guarded() -> None:
            try:
                drip()
            except OSError:
                return

        Thread(target=guarded, daemon=True).start()
        started = time.monotonic()
        assert _failure(client).reason == "timeout"
        assert time.monotonic() - started < 4


def test_a_closed_port_is_a_connection_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    failure = _failure(HttpClient(f"http://127.0.0.1:{port}", 1, lambda: 0))
    assert (failure.state, failure.reason, failure.again) == ("failing", "connection", True)


def test_redirects_are_not_followed(server: LocalHttp) -> None:
    server.answer = lambda _: Reply(status=302, headers={"Location": "http://127.0.0.1:1/elsewhere"})
    assert _failure(_client(server, key=SECRET)).reason == "redirect"
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [200, 302, 401, 429, 500])
def test_the_key_travels_in_its_header_and_shows_up_nowhere_else(
    server: LocalHttp, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    echo = {"status": {"error_code": 1001, "error_message": f"the key {SECRET} is wrong"}}
    server.answer = lambda _: Reply(json.dumps(echo).encode(), status)
    client, told = _client(server, key=SECRET), ""
    try:
        client.get(Request("/x", {"id": "1"}))
    except Failure as failure:
        told = f"{failure!r} {failure} {failure.__cause__!r}"
    assert server.asked[0].headers["X-Key"] == SECRET
    assert SECRET not in server.asked[0].raw_query + server.asked[0].path
    assert SECRET not in told + caplog.text + repr(client)


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "schlüssel", "\x00"])
def test_a_key_no_header_can_carry_is_refused_without_showing_it(server: LocalHttp, key: str) -> None:
    with pytest.raises(UserError) as caught:
        _client(server, key=key)
    assert key not in str(caught.value)


@pytest.mark.parametrize("url", ["", "api.example.org", "ftp://example.org", "https://example.org/?key=1", "http://"])
def test_an_address_that_cannot_be_asked_is_refused(url: str) -> None:
    with pytest.raises(UserError, match="https://host/path"):
        HttpClient(url, 1, lambda: 0)
