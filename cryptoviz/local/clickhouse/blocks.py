"""ClickHouse's own compressed blocks, which clients ask for with `compress=1` and send with `decompress=1`."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import lz4.block

from cryptoviz.local.clickhouse.cityhash import cityhash128
from cryptoviz.local.clickhouse.codings import decode
from cryptoviz.local.clickhouse.failures import CANNOT_DECODE, QueryError

# Method, bytes of the block without its checksum, bytes when decompressed.
_HEADER = struct.Struct("<BII")
_CHECKSUM_BYTES = 16
_PLAIN, _LZ4, _ZSTD = 0x02, 0x82, 0x90
# The block size of the real server.
BLOCK_BYTES = 1024 * 1024


def compress_blocks(data: bytes) -> bytes:
    """`data` as LZ4 blocks, one behind the other; nothing for nothing."""
    return b"".join(_block(data[at : at + BLOCK_BYTES]) for at in range(0, len(data), BLOCK_BYTES))


def decompress_blocks(body: bytes, limit: int) -> bytes:
    """The bytes in a row of blocks; more than `limit`, or anything unreadable, is a `QueryError`."""
    parts = []
    for method, size, packed in _split(body):
        limit -= size
        if limit < 0:
            raise QueryError(CANNOT_DECODE, "The body is too large when decompressed", "QUERY_IS_TOO_LARGE")
        parts.append(_unpack(method, size, packed))
    return b"".join(parts)


def _block(data: bytes) -> bytes:
    packed: bytes = lz4.block.compress(data, store_size=False)
    block = _HEADER.pack(_LZ4, _HEADER.size + len(packed), len(data)) + packed
    return cityhash128(block) + block


def _split(body: bytes) -> Iterator[tuple[int, int, bytes]]:
    at = 0
    while at < len(body):
        start = at + _CHECKSUM_BYTES
        if len(body) < start + _HEADER.size:
            raise QueryError(CANNOT_DECODE, "The body ends within the head of a compressed block")
        method, packed_size, size = _HEADER.unpack_from(body, start)
        at = start + packed_size
        if packed_size < _HEADER.size or at > len(body):
            raise QueryError(CANNOT_DECODE, "The body ends within a compressed block")
        # The checksum is not compared: TCP has done that, and in Python it would cost more than the insert.
        yield method, size, body[start + _HEADER.size : at]


def _unpack(method: int, size: int, packed: bytes) -> bytes:
    if method == _PLAIN:
        return packed
    if method == _ZSTD:
        return decode(packed, "zstd", size)
    if method != _LZ4:
        raise QueryError(CANNOT_DECODE, f"Unknown compression method 0x{method:02x} of a block")
    try:
        return bytes(lz4.block.decompress(packed, uncompressed_size=size))
    except lz4.block.LZ4BlockError as error:
        raise QueryError(CANNOT_DECODE, f"A compressed block is not valid LZ4: {error}") from error
