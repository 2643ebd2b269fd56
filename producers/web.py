"""The producer's own port: `/metrics` for Prometheus and `/health` for whoever supervises it."""

from __future__ import annotations

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import orjson
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from cryptoviz.errors import UserError

Health = Callable[[], dict[str, Any]]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True


def serve(host: str, port: int, registry: CollectorRegistry, health: Health) -> ThreadingHTTPServer:
    """Start answering in the background; `health()["healthy"]` decides between 200 and 503.

    Raises `UserError` where the port is taken; port 0 takes a free one.
    """

    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                self._answer(200, CONTENT_TYPE_LATEST, generate_latest(registry))
            elif path == "/health":
                state = health()
                self._answer(200 if state["healthy"] else 503, "application/json", orjson.dumps(state))
            else:
                self._answer(404, "text/plain", b"there are /metrics and /health\n")

        def _answer(self, status: int, kind: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing: a scrape every few seconds is no news."""

    try:
        server = _Server((host, port), Handler)
    except (OSError, OverflowError) as error:
        raise UserError(
            f"the producer cannot listen on {host}:{port} ({error}); set CRYPTOVIZ_PRODUCER_PORT to a free port"
        ) from error
    Thread(target=server.serve_forever, name="web", daemon=True).start()
    return server
