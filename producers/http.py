"""One source's HTTP: a bounded GET that brings a JSON value or a `Failure`, and never shows a key."""

from __future__ import annotations

import ipaddress
import json
import re
import ssl
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import orjson
import requests
import urllib3

from cryptoviz.errors import UserError
from producers.cutting_off import CuttingOff
from producers.failures import Failure, failure_of
from producers.source import Request

MAX_BYTES = 16 * 1024 * 1024
CHUNK_BYTES = 64 * 1024
HEADERS = {"Accept": "application/json", "User-Agent": "cryptoviz"}
_KEY = re.compile(r"[\x21-\x7e]+")


class HttpClient:
    """GETs of one source, not shared between threads; `key` is (header, secret) where it needs one."""

    def __init__(
        self, base_url: str, timeout_s: float, wall_ms: Callable[[], int], key: tuple[str, str] | None = None,
        max_bytes: int = MAX_BYTES,
    ) -> None:  # fmt: skip
        self._base_url = checked_url(base_url).rstrip("/")
        self._timeout_s = timeout_s
        self._wall_ms = wall_ms
        self._max_bytes = max_bytes
        self._secret = checked_key(key[1]) if key else ""
        self._session = requests.Session()
        self._session.headers.update(HEADERS | ({key[0]: self._secret} if key else {}))
        self._connections = CuttingOff()
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, self._connections)
        self._session.trust_env = not _is_loopback(self._base_url)  # a proxy cannot reach our own machine
        self._session.auth = _no_auth  # nothing from a .netrc

    @property
    def host(self) -> str:
        """What to call the other side in messages."""
        return urlsplit(self._base_url).hostname or self._base_url

    def get(self, request: Request) -> Any:
        """The JSON value of the answer; raises `Failure` for every other outcome."""
        deadline = time.monotonic() + self._timeout_s
        try:
            with self._connections.within(self._timeout_s), self._session.get(
                self._base_url + request.path, params=dict(request.params), timeout=self._timeout_s,
                stream=True, allow_redirects=False,
            ) as response:  # fmt: skip
                body = self._body(response, deadline)
        # The library's own messages hold the address and may hold headers, so none of their text is passed on.
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            raise self._failure(error, time.monotonic() > deadline) from None
        return self._decoded(response, body)

    def _failure(self, error: Exception, late: bool) -> Failure:
        if late or isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError)):
            return Failure("failing", "timeout", f"{self.host} took over {self._timeout_s:g} s", again=True)
        if isinstance(error, requests.exceptions.SSLError):
            return Failure("failing", "tls", f"{self.host} is not to be trusted: {_distrust(error)}")
        if isinstance(error, urllib3.exceptions.ProtocolError):
            return Failure("failing", "truncated", f"{self.host} hung up within the answer", again=True)
        return Failure("failing", "connection", f"{self.host}: {type(error).__name__}", again=True)

    def _body(self, response: requests.Response, deadline: float) -> bytes:
        # read1 returns what has come, so that a server that sends a byte at a time meets the deadline too.
        body = bytearray()
        while chunk := response.raw.read1(CHUNK_BYTES, decode_content=True):
            body += chunk
            if len(body) > self._max_bytes:
                raise Failure("failing", "too_large", f"{self.host} sent more than {self._max_bytes} bytes")
            if time.monotonic() > deadline:
                raise TimeoutError
        if time.monotonic() > deadline:  # it may have been cut off where it seems to end
            raise TimeoutError
        return bytes(body)

    def _decoded(self, response: requests.Response, body: bytes) -> Any:
        if 200 <= response.status_code < 300:
            return decode(body)
        try:
            payload = decode(body)
        except Failure:
            payload = None
        failure = failure_of(response.status_code, response.headers, payload, self._wall_ms())
        if self._secret and self._secret in failure.detail:
            detail = failure.detail.replace(self._secret, "***")
            raise Failure(failure.state, failure.reason, detail, retry_after_s=failure.retry_after_s)
        raise failure


def decode(body: bytes) -> Any:
    """A JSON value; NaN is let through, to be rejected in its own item only. Raises `Failure` html or not_json."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        start = body[:200].lstrip()
        if start.startswith(b"<"):
            raise Failure("failing", "html", "a web page came instead of JSON", again=True) from None
        raise Failure("failing", "not_json", f"{len(body)} bytes that are not JSON", again=True) from None


def checked_url(url: str) -> str:
    """The address if it is one we can ask; raises `UserError`."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise UserError("a source's URL must look like https://host/path, without parameters")
    return url


def checked_key(key: str) -> str:
    """The key without surrounding blanks; raises `UserError`, not showing it, if no header can carry it."""
    if not _KEY.fullmatch(key.strip()):
        raise UserError("an API key holds characters that no key has; set it again")
    return key.strip()


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _distrust(error: BaseException) -> str:
    """What is wrong with a certificate, in the words of OpenSSL."""
    causes: list[BaseException | None] = [error]
    while causes:
        cause = causes.pop()
        if isinstance(cause, ssl.SSLCertVerificationError):
            return cause.verify_message
        if isinstance(cause, BaseException):
            causes += [cause.__context__, cause.__cause__, getattr(cause, "reason", None), *cause.args]
    return "no TLS connection came about"


def _no_auth(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
