"""Which partition an asset lives in: Kafka's own key hash, so that every client that keys by asset agrees."""

from __future__ import annotations

from functools import lru_cache

_M = 0x5BD1E995
_SEED = 0x9747B28C
_MASK = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """The 32-bit murmur2 hash of Kafka's Java client (its default partitioner), as an unsigned number."""
    length = len(data)
    value = _SEED ^ length
    for start in range(0, length - 3, 4):
        word = int.from_bytes(data[start : start + 4], "little") * _M & _MASK
        value = (value * _M & _MASK) ^ ((word ^ (word >> 24)) * _M & _MASK)
    tail = data[length & ~3 :]
    if tail:
        value = (value ^ int.from_bytes(tail, "little")) * _M & _MASK
    value = (value ^ (value >> 13)) * _M & _MASK
    return value ^ (value >> 15)


@lru_cache(maxsize=65536)
def partition_of(asset: str, partitions: int) -> int:
    """The partition of `asset` among `partitions`, as Kafka's default partitioner places the key."""
    return (murmur2(asset.encode()) & 0x7FFFFFFF) % partitions
