"""ClickHouse's HTTP interface on one port: reads requests, runs them in threads, writes answers and errors."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import asdict
from typing import TypeVar

from aiohttp import BodyPartReader, web

from cryptoviz.local.clickhouse.blocks import compress_blocks, decompress_blocks
from cryptoviz.local.clickhouse.codings import decode
from cryptoviz.local.clickhouse.engine import Engine, Summary
from cryptoviz.local.clickhouse.execution import Execution
from cryptoviz.local.clickhouse.failures import CANNOT_DECODE, INTERNAL, NOT_IMPLEMENTED, TIMEOUT, QueryError
from cryptoviz.local.clickhouse.handshake import greeting_block, is_greeting
from cryptoviz.local.clickhouse.lane import Lane, lane_of
from cryptoviz.local.clickhouse.outgoing import CONTENT_TYPES, DEFAULT_CONTENT_TYPE, Outgoing, late_error
from cryptoviz.local.clickhouse.policy import READER_BODY_BYTES, READER_REQUEST_S
from cryptoviz.local.clickhouse.request import Query, build_query, is_true
from cryptoviz.local.clickhouse.users import User, authenticate, has_credentials

logger = logging.getLogger(__name__)
T = TypeVar("T")

DISPLAY_NAME = "cryptoviz"
WRITER_BODY_BYTES = 1 << 30
# For the body of a request to arrive.
BODY_S = 60.0


class Endpoint:
    """The handlers of one engine's HTTP interface; `database` is the one read-only users read.

    `reader_request_s` is the longest a read-only user's request may take, its answer included.
    """

    def __init__(
        self, engine: Engine, users: Mapping[str, User], database: str, reader_request_s: float = READER_REQUEST_S
    ) -> None:
        self._engine = engine
        self._users = users
        self._database = database
        self._lanes = {user.name: lane_of(user.name, user.readonly, reader_request_s) for user in users.values()}
        # Stops queries, which must not wait for a thread.
        self._control = ThreadPoolExecutor(2, "clickhouse-control")

    def application(self) -> web.Application:
        """The aiohttp application that serves this endpoint."""
        app = web.Application()
        app.router.add_get("/ping", self._ping)
        app.router.add_get("/replicas_status", self._ping)
        app.router.add_get("/", self._query)
        app.router.add_post("/", self._query)
        return app

    def close(self) -> None:
        """Stop what still reads; threads end by themselves afterwards."""
        self._engine.stop_queries()
        self._control.shutdown(wait=False, cancel_futures=True)
        for lane in self._lanes.values():
            lane.shutdown()

    async def _ping(self, request: web.Request) -> web.Response:
        return web.Response(text="Ok.\n")

    async def _query(self, request: web.Request) -> web.StreamResponse:
        if request.method in ("GET", "HEAD") and not request.query_string:
            return web.Response(text="Ok.\n")
        query_id = request.query.get("query_id", "")
        try:
            user = authenticate(self._users, request.headers, request.query)
            lane = self._lanes[user.name]
            with lane.request():
                async with within(lane.longest_s, "The request took over {} s, waiting and sending included"):
                    query = await self._read(request, user, lane)
                    query_id = query.query_id
                    return await self._answer(request, user, query, lane)
        except QueryError as error:
            logger.info("%s %s: %s", request.method, query_id, error.text)
            return self._failure(request, error, query_id)
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception as error:
            logger.exception("request %s failed", query_id)
            return self._failure(request, QueryError(INTERNAL, f"{type(error).__name__}: {error}"), query_id)

    async def _read(self, request: web.Request, user: User, lane: Lane) -> Query:
        limit = READER_BODY_BYTES if user.readonly else WRITER_BODY_BYTES
        params = dict(request.query)
        body = b""
        async with within(BODY_S, "The body did not arrive within {} s"):
            if request.content_type == "multipart/form-data":
                params |= await _form_fields(request, limit)
            else:
                body = await _body(request, limit)
        encoding, blocks = request.headers.get("Content-Encoding", ""), is_true(params.get("decompress", "0"))
        if body and (encoding or blocks):
            body = await lane.run(_unpacked, body, encoding, blocks, limit)
        return build_query(request.method, params, request.headers, body, self._engine.catalogue.settings)

    async def _answer(self, request: web.Request, user: User, query: Query, lane: Lane) -> web.StreamResponse:
        if is_greeting(query.statement, dict(request.query)):
            catalogue = self._engine.catalogue
            block = greeting_block(DISPLAY_NAME, catalogue.version, catalogue.timezone)
            block = compress_blocks(block) if query.blocks else block
            return web.Response(body=block, headers=self._headers(query.query_id, "Native", Summary()))
        await lane.take_slot()
        execution = Execution(self._engine, user, query, self._database)
        try:
            return await self._run(request, query, execution, lane)
        finally:
            if not execution.abandoned:
                lane.close_later(execution.close)

    async def _run(self, request: web.Request, query: Query, execution: Execution, lane: Lane) -> web.StreamResponse:
        answer = await self._step(execution, lane, execution.run)
        outgoing = Outgoing(answer, request.headers.get("Accept-Encoding", ""), query.blocks)
        headers = self._headers(query.query_id, answer.format, answer.summary)
        if answer.whole:
            body = await self._step(execution, lane, outgoing.everything)
            return web.Response(body=body, headers=headers | _coding(outgoing))
        return await self._send_stream(request, execution, lane, outgoing, headers)

    async def _send_stream(
        self,
        request: web.Request,
        execution: Execution,
        lane: Lane,
        outgoing: Outgoing,
        headers: dict[str, str],
    ) -> web.StreamResponse:
        tag = secrets.token_hex(8)
        response = web.StreamResponse(headers=headers | _coding(outgoing) | {"X-ClickHouse-Exception-Tag": tag})
        response.enable_chunked_encoding()
        await response.prepare(request)
        try:
            while (part := await self._step(execution, lane, outgoing.next)) is not None:
                await response.write(part)
        except asyncio.CancelledError:
            # Nobody may take what is sent for the whole of it, and a client that does not read has no more to come.
            if request.transport is not None:
                request.transport.abort()
            raise
        except QueryError as error:
            # Too late for a status: the text goes where current clients look for it, and the connection breaks off.
            logger.info("stream broke off: %s", error.text)
            await response.write(outgoing.last_words(late_error(error.text, tag)))
            if request.transport is not None:
                request.transport.close()
            return response
        await response.write_eof()
        return response

    async def _step(self, execution: Execution, lane: Lane, function: Callable[[], T]) -> T:
        """Run one blocking step; when the client goes away meanwhile, stop the query and leave the rest to its end."""
        step = asyncio.ensure_future(lane.run(function))
        try:
            return await asyncio.shield(step)
        except asyncio.CancelledError:
            execution.abandoned = True
            if execution.may_be_stopped:
                self._control.submit(self._engine.stop_query, execution.mark)
            step.add_done_callback(lambda done: _tidy(done, execution, lane))
            raise

    def _headers(self, query_id: str, format_name: str, summary: Summary) -> dict[str, str]:
        counts = {name: str(value) for name, value in asdict(summary).items()} | {"total_rows_to_read": "0"}
        return self._common_headers(query_id) | {
            "X-ClickHouse-Format": format_name,
            "X-ClickHouse-Summary": json.dumps(counts),
            "Content-Type": CONTENT_TYPES.get(format_name, DEFAULT_CONTENT_TYPE),
        }

    def _common_headers(self, query_id: str) -> dict[str, str]:
        return {
            "X-ClickHouse-Query-Id": _header_text(query_id),
            "X-ClickHouse-Timezone": self._engine.catalogue.timezone,
            "X-ClickHouse-Server-Display-Name": DISPLAY_NAME,
        }

    def _failure(self, request: web.Request, error: QueryError, query_id: str) -> web.Response:
        headers = self._common_headers(query_id) | {"X-ClickHouse-Exception-Code": str(error.code)}
        status = error.status
        if error.name == "AUTHENTICATION_FAILED" and not has_credentials(request.headers, request.query):
            status = 401
            headers["WWW-Authenticate"] = 'Basic realm="ClickHouse server HTTP API"'
        text = f"{error.text} (version {self._engine.catalogue.version})\n"
        return web.Response(status=status, text=text, headers=headers)


@asynccontextmanager
async def within(longest_s: float | None, message: str) -> AsyncIterator[None]:
    """End what is inside after `longest_s` with a `QueryError`; `message` has a place for the seconds."""
    try:
        async with asyncio.timeout(longest_s):
            yield
    except TimeoutError:
        raise QueryError(TIMEOUT, message.format(f"{longest_s:g}")) from None


def _tidy(step: asyncio.Future[T], execution: Execution, lane: Lane) -> None:
    if not step.cancelled():
        step.exception()
    lane.close_later(execution.close)


async def _body(request: web.Request, limit: int) -> bytes:
    parts = []
    size = 0
    async for part in request.content.iter_any():
        size += len(part)
        if size > limit:
            raise QueryError(CANNOT_DECODE, f"The body is larger than {limit} bytes", "QUERY_IS_TOO_LARGE")
        parts.append(part)
    return b"".join(parts)


def _unpacked(body: bytes, encoding: str, blocks: bool, limit: int) -> bytes:
    body = decode(body, encoding, limit)
    return decompress_blocks(body, limit) if blocks else body


async def _form_fields(request: web.Request, limit: int) -> dict[str, str]:
    """The fields of a form, which clients use for parameters too long for a URL."""
    fields: dict[str, str] = {}
    left = limit
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader) or part.name is None or part.filename is not None:
            raise QueryError(NOT_IMPLEMENTED, "External tables are not supported: insert the data into a table first")
        value = bytes(await part.read(decode=True))
        left -= len(value)
        if left < 0:
            raise QueryError(CANNOT_DECODE, f"The form is larger than {limit} bytes", "QUERY_IS_TOO_LARGE")
        fields[part.name] = value.decode("utf-8", "replace")
    return fields


def _coding(outgoing: Outgoing) -> dict[str, str]:
    return {"Content-Encoding": outgoing.encoding} if outgoing.encoding else {}


def _header_text(text: str) -> str:
    """A client's own id as a header value: nothing that could end the header."""
    return "".join(sign for sign in text if " " <= sign <= "~")[:200]
