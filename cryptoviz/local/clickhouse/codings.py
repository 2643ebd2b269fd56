"""HTTP content codings of requests and answers: gzip, deflate, LZ4 frames and Zstandard."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable
from typing import Any, Protocol

import lz4.frame

from cryptoviz.local.clickhouse.failures import CANNOT_DECODE, QueryError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_GZIP_WINDOW = 16 + zlib.MAX_WBITS
# Cheapest first: on one machine bytes cost little and processor time much.
_ANSWERED = ("lz4", "zstd", "gzip", "deflate")


class Encoder(Protocol):
    """Compresses an answer chunk by chunk."""

    def compress(self, data: bytes) -> bytes:
        """Take a chunk, return what can be sent already."""

    def flush(self) -> bytes:
        """Return the rest."""


class _Lz4Encoder:
    def __init__(self) -> None:
        self._frame = lz4.frame.LZ4FrameCompressor()
        self._start = self._frame.begin()

    def compress(self, data: bytes) -> bytes:
        start, self._start = self._start, b""
        return bytes(start + self._frame.compress(data))

    def flush(self) -> bytes:
        start, self._start = self._start, b""
        return bytes(start + self._frame.flush())


def choose_encoding(accept_encoding: str) -> str | None:
    """The coding to answer in, or None for plain; weights are read only to leave out `q=0`."""
    accepted = set()
    for part in accept_encoding.lower().split(","):
        name, _, weight = part.partition(";")
        if weight.replace(" ", "") not in ("q=0", "q=0.0"):
            accepted.add(name.strip())
    return next((name for name in _ANSWERED if name in accepted), None)


def encoder(encoding: str) -> Encoder:
    """A fresh encoder for one of the codings `choose_encoding` returns."""
    if encoding == "lz4":
        return _Lz4Encoder()
    if encoding == "zstd":
        return _ZstdEncoder()
    return zlib.compressobj(1, zlib.DEFLATED, _GZIP_WINDOW if encoding == "gzip" else zlib.MAX_WBITS)


class _ZstdEncoder:
    def __init__(self) -> None:
        self._frame = zstd.ZstdCompressor(level=1)

    def compress(self, data: bytes) -> bytes:
        return bytes(self._frame.compress(data))

    def flush(self) -> bytes:
        return bytes(self._frame.flush())


def decode(body: bytes, encoding: str, limit: int) -> bytes:
    """Undo the Content-Encoding of a request; more than `limit` bytes, or anything unreadable, is a `QueryError`."""
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return body
    decoder = _DECODERS.get(name)
    if decoder is None:
        raise QueryError(CANNOT_DECODE, f"Unknown Content-Encoding {encoding}: gzip, deflate, lz4 and zstd are read")
    try:
        decoded, ended = decoder(body, limit + 1)
    except (zlib.error, RuntimeError, EOFError, zstd.ZstdError) as error:
        raise QueryError(CANNOT_DECODE, f"The body is not valid {name}: {error}") from error
    if len(decoded) > limit:
        raise QueryError(CANNOT_DECODE, f"The body is larger than {limit} bytes when decoded", "QUERY_IS_TOO_LARGE")
    if not ended:
        raise QueryError(CANNOT_DECODE, f"The {name} body ends too early")
    return decoded


def _inflate(window: int) -> Callable[[bytes, int], tuple[bytes, bool]]:
    def decoder(body: bytes, limit: int) -> tuple[bytes, bool]:
        stream = zlib.decompressobj(window)
        return stream.decompress(body, limit), stream.eof

    return decoder


def _framed(make: Callable[[], Any]) -> Callable[[bytes, int], tuple[bytes, bool]]:
    """LZ4 and Zstandard bodies may be several frames in a row."""

    def decoder(body: bytes, limit: int) -> tuple[bytes, bool]:
        parts: list[bytes] = []
        left = limit
        while True:
            stream = make()
            part = stream.decompress(body, left)
            parts.append(part)
            left -= len(part)
            body = stream.unused_data or b""
            if not body or left <= 0 or not stream.eof:
                return b"".join(parts), bool(stream.eof)

    return decoder


_DECODERS: dict[str, Callable[[bytes, int], tuple[bytes, bool]]] = {
    "gzip": _inflate(_GZIP_WINDOW),
    "x-gzip": _inflate(_GZIP_WINDOW),
    "deflate": _inflate(zlib.MAX_WBITS),
    "lz4": _framed(lz4.frame.LZ4FrameDecompressor),
    "zstd": _framed(zstd.ZstdDecompressor),
}
