"""`python -m cryptoviz.local.clickhouse`: serves one data folder until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import errno
import logging
import os
import resource
import signal
import sys
import threading
import time
from pathlib import Path

from aiohttp import web

from cryptoviz.errors import UserError
from cryptoviz.local.clickhouse.policy import READER_REQUEST_S
from cryptoviz.local.clickhouse.users import check_binding, load_users
from cryptoviz.logs import FORMATTERS, configure_logging

logger = logging.getLogger("cryptoviz.local.clickhouse")

DEFAULT_DATABASE = "crypto"
# Longest wait for answers under way at the end; the supervisor allows 3 s for everything.
LAST_ANSWERS_S = 1.0
GIVE_UP_S = 2.5
# As much as macOS grants at most.
OPEN_FILES = 10_240
# The real server's limit: clients put statements and parameters into the URL.
LONGEST_URL_BYTES = 1024 * 1024
LONGEST_HEADER_BYTES = 16 * 1024
# For a request's headers to arrive, and for the next request on a connection.
IDLE_S = 60.0
# Far more than the parts, Grafana and some people need; each costs a file, of which the engine needs most.
MOST_CONNECTIONS = 512


def main(arguments: list[str] | None = None) -> int:
    """Serve until told to stop; returns the exit code."""
    options = _options(arguments)
    configure_logging(options.log_level, options.log_format)
    try:
        users = load_users(options.users)
        check_binding(options.host, users, options.users)
        asyncio.run(_serve(options, time.monotonic()))
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


async def _serve(options: argparse.Namespace, started_at: float) -> None:
    # The engine reads the time zone once, when it is loaded: the real server's container runs in UTC.
    os.environ["TZ"] = "UTC"
    time.tzset()
    _allow_open_files()
    from cryptoviz.local.clickhouse.engine import Engine
    from cryptoviz.local.clickhouse.server import Endpoint

    engine = Engine(options.data)
    endpoint = Endpoint(engine, load_users(options.users), options.database, options.reader_request_s)
    # A query whose client has gone is stopped, hence the cancellation; bodies are decoded in threads, not here.
    runner = web.AppRunner(
        endpoint.application(),
        handler_cancellation=True,
        auto_decompress=False,
        access_log=None,
        shutdown_timeout=LAST_ANSWERS_S,
        keepalive_timeout=options.idle_s,
        max_line_size=LONGEST_URL_BYTES,
        max_field_size=LONGEST_HEADER_BYTES,
    )
    await runner.setup()
    listening: asyncio.Server | None = None
    try:
        listening = await _listen(runner, options.host, options.port)
        logger.info(
            "ClickHouse %s (chDB) on http://%s:%d, data in %s, ready after %.1f s",
            engine.catalogue.version,
            options.host,
            listening.sockets[0].getsockname()[1],
            options.data,
            time.monotonic() - started_at,
        )
        await _stop_signal()
    finally:
        # An engine busy with something it cannot leave must not hold the process: what was confirmed is on disk.
        _give_up_later()
        if listening is not None:
            listening.close()
        endpoint.close()
        await runner.cleanup()
        engine.close()
        logger.info("ClickHouse stopped")


def _allow_open_files() -> None:
    """The engine keeps three files open per thread and more per part; shells often allow 256 or 1024."""
    now, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if most == resource.RLIM_INFINITY else min(OPEN_FILES, most)
    if now != resource.RLIM_INFINITY and now < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


async def _listen(runner: web.AppRunner, host: str, port: int) -> asyncio.Server:
    server = runner.server
    assert server is not None, "the runner is set up"

    def connection() -> asyncio.Protocol:
        return server() if len(server.connections) < MOST_CONNECTIONS else _Refused()

    try:
        return await asyncio.get_running_loop().create_server(connection, host, port, backlog=128)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        reason = "the port is taken, perhaps by another ClickHouse" if taken else error.strerror
        raise UserError(
            f"cannot listen on {host}:{port}: {reason}; set CRYPTOVIZ_CLICKHOUSE_PORT to a free port"
        ) from error


class _Refused(asyncio.Protocol):
    """A connection too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


async def _stop_signal() -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stopped.set)
    await stopped.wait()


def _give_up_later() -> None:
    timer = threading.Timer(GIVE_UP_S, os._exit, (0,))
    timer.daemon = True
    timer.start()


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m cryptoviz.local.clickhouse", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the tables")
    parser.add_argument("--users", type=Path, required=True, help="users file, JSON")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=int, default=8123, help="port to listen on (8123); 0 takes a free one")
    parser.add_argument("--database", default=DEFAULT_DATABASE, help="the database read-only users read (crypto)")
    parser.add_argument(
        "--reader-request-s", type=float, default=READER_REQUEST_S, metavar="S",
        help="longest a read-only user's request may take, its answer included (120)",
    )  # fmt: skip
    parser.add_argument("--idle-s", type=float, default=IDLE_S, metavar="S", help="how long to wait for a request (60)")
    parser.add_argument("--log-level", default="info", choices=("debug", "info", "warning", "error"))
    parser.add_argument("--log-format", default="text", choices=tuple(FORMATTERS))
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
