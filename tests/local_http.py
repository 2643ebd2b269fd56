"""A real HTTP server on a free loopback port that gives the answers a test scripts, and remembers what it was asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Reply:
    """What to answer; `cut` promises more bytes than it sends, `hold` is called before anything is sent."""

    body: bytes = b"[]"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    hold: Callable[[], Any] | None = None


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    path: str
    params: dict[str, str]
    headers: dict[str, str]
    raw_query: str


def as_json(value: Any, status: int = 200, **headers: str) -> Reply:
    """A JSON answer; header names are written with underscores."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(json.dumps(value).encode(), status, {"Content-Type": "application/json"} | named)


class LocalHttp:
    """`answer` decides what each request gets; replace it at any time."""

    def __init__(self, answer: Callable[[Asked], Reply]) -> None:
        self.answer = answer
        self.asked: list[Asked] = []
        self.url = ""
        self._lock = Lock()

    def reply_to(self, asked: Asked) -> Reply:
        """Remember the request and answer it."""
        with self._lock:
            self.asked.append(asked)
        return self.answer(asked)


@contextmanager
def local_http(answer: Callable[[Asked], Reply] = lambda _: Reply()) -> Iterator[LocalHttp]:
    """The server while the block runs."""
    local = LocalHttp(answer)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            asked = Asked(parts.path, dict(parse_qsl(parts.query)), dict(self.headers), parts.query)
            reply = local.reply_to(asked)
            if reply.hold is not None:
                reply.hold()
            self.close_connection = reply.cut
            with suppress(ConnectionError):  # the client may have given up
                self._send(reply)

        def _send(self, reply: Reply) -> None:
            self.send_response(reply.status)
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body) + (100 if reply.cut else 0)))
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, format: str, *args: Any) -> None:
            """Tests read `asked` instead."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    local.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield local
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
