"""Serves a part's metrics and health on its port: /metrics for Prometheus, /health as JSON."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import orjson
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from cryptoviz.errors import UserError

Health = Callable[[], Mapping[str, Any]]


class _Handler(BaseHTTPRequestHandler):
    timeout = 10

    def __init__(self, registry: CollectorRegistry, health: Health, *args: Any) -> None:
        self._registry, self._health = registry, health
        super().__init__(*args)

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._answer(200, CONTENT_TYPE_LATEST, generate_latest(self._registry))
        elif path == "/health":
            health = self._health()
            self._answer(200 if health.get("ok") else 503, "application/json", orjson.dumps(health))
        else:
            self._answer(404, "text/plain", b"/metrics or /health\n")

    def _answer(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not news."""


def serve(host: str, port: int, setting: str, registry: CollectorRegistry, health: Health) -> ThreadingHTTPServer:
    """Serve in the background until `shutdown()`; `health` gives a mapping whose `ok` decides between 200 and 503.

    Port 0 takes a free one. Raises `UserError` naming `setting`, which moves the port, if it is taken.
    """
    try:
        server = ThreadingHTTPServer((host, port), partial(_Handler, registry, health))
    except (OSError, OverflowError) as error:
        raise UserError(f"cannot listen on {host}:{port} ({error}); set {setting} to a free port") from error
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    return server
