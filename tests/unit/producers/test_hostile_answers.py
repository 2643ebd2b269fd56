"""Sources that mean harm: answers without end, letter by letter, packed a thousandfold, or from somebody else."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

import pytest
from local_http import LocalHttp, Reply, local_http

from producers.failures import Failure
from producers.http import HttpClient
from producers.source import Request

TIMEOUT_S = 1.0
# A machine under load answers late; what never ends would take until the server's own end, 30 s.
GIVEN_UP_WITHIN_S = 10.0
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
Say = Callable[[bytes], None]


def _body_without_end(say: Say) -> None:
    say(OK + b"\r\n[")
    while True:
        say(b" " * 65536)


def _chunks_without_end(say: Say) -> None:
    say(OK + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        say(b"10000\r\n" + b" " * 65536 + b"\r\n")


def _body_letter_by_letter(say: Say) -> None:
    say(OK + b"Content-Length: 100000\r\n\r\n")
    _drip(say, b" ")


def _status_letter_by_letter(say: Say) -> None:
    _drip(say, b"H")


def _headers_letter_by_letter(say: Say) -> None:
    say(OK + b"X-Slow: ")
    _drip(say, b"x")


def _continue_without_end(say: Say) -> None:
    _drip(say, b"HTTP/1.1 100 Continue\r\n\r\n")


def _headers_without_end(say: Say) -> None:
    say(OK)
    while True:
        say(b"X-More: x\r\n")


def _packed_nothing_without_end(say: Say) -> None:
    packer = zlib.compressobj(wbits=31)
    say(OK + b"Content-Encoding: gzip\r\n\r\n" + packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH))
    while True:
        say(packer.flush(zlib.Z_FULL_FLUSH) or b"\x00\x00\x00\xff\xff")


def _drip(say: Say, letter: bytes) -> None:
    pace = Event()
    while True:
        say(letter)
        pace.wait(0.05)


@contextmanager
def _speaking(speech: Callable[[Say], None], wrap: ssl.SSLContext | None = None) -> Iterator[int]:
    """A server on a free port that says that to the first who comes, until they hang up or for 30 s."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)

        def serve() -> None:
            until = time.monotonic() + 30
            with suppress(OSError):
                connection = listener.accept()[0]
                with wrap.wrap_socket(connection, server_side=True) if wrap else connection as talking:
                    talking.settimeout(30)

                    def say(words: bytes) -> None:
                        if time.monotonic() > until:
                            raise TimeoutError
                        talking.sendall(words)

                    talking.recv(65536)
                    speech(say)

        serving = Thread(target=serve, daemon=True)
        serving.start()
        yield listener.getsockname()[1]
    serving.join(31)


def _failure(url: str, max_bytes: int = 1_000_000) -> Failure:
    started = time.monotonic()
    with pytest.raises(Failure) as caught:
        HttpClient(url, TIMEOUT_S, lambda: 0, max_bytes=max_bytes).get(Request("/x"))
    assert time.monotonic() - started < GIVEN_UP_WITHIN_S
    return caught.value


@pytest.mark.parametrize("speech", [_body_without_end, _chunks_without_end])
def test_an_answer_without_end_is_too_large(speech: Callable[[Say], None]) -> None:
    with _speaking(speech) as port:
        assert _failure(f"http://127.0.0.1:{port}").reason == "too_large"


@pytest.mark.parametrize(
    "speech",
    [_body_letter_by_letter, _status_letter_by_letter, _headers_letter_by_letter, _continue_without_end,
     _packed_nothing_without_end],
)  # fmt: skip
def test_an_answer_that_never_comes_to_its_end_is_cut_off_in_time(speech: Callable[[Say], None]) -> None:
    with _speaking(speech) as port:
        failure = _failure(f"http://127.0.0.1:{port}")
    assert (failure.reason, failure.again) == ("timeout", True)


def test_headers_without_end_are_not_read_to_their_end() -> None:
    with _speaking(_headers_without_end) as port:
        assert _failure(f"http://127.0.0.1:{port}").state == "failing"


def test_an_answer_packed_a_thousandfold_is_not_unpacked_whole(server: LocalHttp) -> None:
    packer = zlib.compressobj(9, wbits=31)
    packed = b"".join(packer.compress(b" " * 1_000_000) for _ in range(100)) + packer.flush()
    assert len(packed) < 1_000_000
    server.answer = lambda _: Reply(packed, headers={"Content-Encoding": "gzip"})
    tracemalloc.start()
    try:
        assert _failure(server.url).reason == "too_large"
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


def test_nobody_else_is_asked_on_a_sources_word(server: LocalHttp) -> None:
    with local_http() as elsewhere:
        for status in (301, 302, 303, 307, 308):
            server.answer = lambda _, status=status: Reply(status=status, headers={"Location": elsewhere.url + "/x"})  # type: ignore[misc]
            assert _failure(server.url).reason == "redirect"
        assert elsewhere.asked == []
    assert len(server.asked) == 5


def test_after_an_answer_was_cut_off_the_next_is_read_as_ever(server: LocalHttp) -> None:
    release = Event()
    client = HttpClient(server.url, TIMEOUT_S, lambda: 0)
    server.answer = lambda _: Reply(hold=lambda: release.wait(30))
    with pytest.raises(Failure, match="timeout"):
        client.get(Request("/x"))
    release.set()
    server.answer = lambda _: Reply(b"[1]")
    assert [client.get(Request("/x")) for _ in range(3)] == [[1]] * 3


def test_a_stranger_with_a_certificate_of_their_own_making_is_refused(tmp_path: Path) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed (Debian: apt-get install openssl)")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost", "-days", "1",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True, timeout=60,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with _speaking(lambda say: say(OK + b"Content-Length: 2\r\n\r\n[]"), context) as port:
        failure = _failure(f"https://127.0.0.1:{port}")
    assert (failure.reason, failure.again) == ("tls", False)
    assert failure.detail == "127.0.0.1 is not to be trusted: self-signed certificate"
