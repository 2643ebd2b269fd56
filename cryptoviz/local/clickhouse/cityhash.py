"""The checksum of ClickHouse's compressed blocks: 128-bit CityHash in its version 1.0.2, which the protocol froze.

Pure Python, about 15 MB/s: enough for the clients that insist on such blocks (JDBC, Go with LZ4), used by no other.
"""

from __future__ import annotations

import struct

_MASK = (1 << 64) - 1
_K0 = 0xC3A5C85C97CB3127
_K1 = 0xB492B66FBE98F273
_K2 = 0x9AE16A3B2F90404F
_K3 = 0xC949D7C7509E6557
_MIX = 0x9DDFEA08EB382D69

State = tuple[int, int]


def cityhash128(data: bytes) -> bytes:
    """The 16 bytes that precede a compressed block, low half first."""
    size = len(data)
    if size >= 16:
        first, second = struct.unpack_from("<QQ", data)
        low, high = _hash(data[16:], first ^ _K3, second)
    elif size >= 8:
        low, high = _hash(b"", _word(data, 0) ^ (size * _K0 & _MASK), _word(data, size - 8) ^ _K1)
    else:
        low, high = _hash(data, _K0, _K1)
    return struct.pack("<QQ", low, high)


def _hash(data: bytes, low: int, high: int) -> State:
    return _hash_short(data, low, high) if len(data) < 128 else _hash_long(data, low, high)


def _hash_short(data: bytes, a: int, b: int) -> State:
    size = len(data)
    if size <= 16:
        a = _shift_mix(a * _K1 & _MASK) * _K1 & _MASK
        c = (b * _K1 + _hash_tiny(data)) & _MASK
        d = _shift_mix((a + (_word(data, 0) if size >= 8 else c)) & _MASK)
    else:
        c = _fold((_word(data, size - 8) + _K1) & _MASK, a)
        d = _fold((b + size) & _MASK, (c + _word(data, size - 16)) & _MASK)
        a = (a + d) & _MASK
        # Every 16 bytes but those of an incomplete end, and at least once.
        for at in range(0, max(size - 16, 1) if size % 16 else size - 16, 16):
            a = (a ^ _shift_mix(_word(data, at) * _K1 & _MASK) * _K1 & _MASK) * _K1 & _MASK
            b ^= a
            c = (c ^ _shift_mix(_word(data, at + 8) * _K1 & _MASK) * _K1 & _MASK) * _K1 & _MASK
            d ^= c
    a, b = _fold(a, c), _fold(d, b)
    return a ^ b, _fold(b, a)


def _hash_tiny(data: bytes) -> int:
    size = len(data)
    if size > 8:
        a, b = _word(data, 0), _word(data, size - 8)
        return _fold(a, _rotate((b + size) & _MASK, size)) ^ b
    if size >= 4:
        first, last = struct.unpack_from("<I", data)[0], struct.unpack_from("<I", data, size - 4)[0]
        return _fold(size + (first << 3), last)
    if size:
        y = data[0] + (data[size >> 1] << 8)
        z = size + (data[-1] << 2)
        return _shift_mix((y * _K2 ^ z * _K3) & _MASK) * _K2 & _MASK
    return _K2


def _hash_long(data: bytes, x: int, y: int) -> State:
    size = len(data)
    z = size * _K1 & _MASK
    v0 = (_rotate(y ^ _K1, 49) * _K1 + _word(data, 0)) & _MASK
    v1 = (_rotate(v0, 42) * _K1 + _word(data, 8)) & _MASK
    w0 = (_rotate((y + z) & _MASK, 35) * _K1 + x) & _MASK
    w1 = _rotate((x + _word(data, 88)) & _MASK, 53) * _K1 & _MASK
    whole = size // 128 * 128
    for words in struct.iter_unpack("<8Q", memoryview(data)[:whole]):
        x = _rotate((x + y + v0 + words[2]) & _MASK, 37) * _K1 & _MASK ^ w1
        y = _rotate((y + v1 + words[6]) & _MASK, 42) * _K1 & _MASK ^ v0
        z = _rotate(z ^ w0, 33)
        v0, v1 = _absorb(words[:4], v1 * _K1, x + w0)
        w0, w1 = _absorb(words[4:], z + w1, y)
        z, x = x, z
    y = (y + _rotate(w0, 37) * _K0 + z) & _MASK
    x = (x + _rotate((v0 + z) & _MASK, 49) * _K0) & _MASK
    for back in range(32, size - whole + 32, 32):
        at = size - back
        words = struct.unpack_from("<4Q", data, at)
        y = (_rotate((y - x) & _MASK, 42) * _K0 + v1) & _MASK
        w0 = (w0 + words[2]) & _MASK
        x = (_rotate(x, 49) * _K0 + w0) & _MASK
        w0 = (w0 + v0) & _MASK
        v0, v1 = _absorb(words, v0, v1)
    x, y = _fold(x, v0), _fold(y, w0)
    return (_fold((x + v1) & _MASK, w1) + y) & _MASK, _fold((x + w1) & _MASK, (y + v1) & _MASK)


def _absorb(words: tuple[int, ...], a: int, b: int) -> State:
    w, x, y, z = words
    a = (a + w) & _MASK
    b = _rotate((b + a + z) & _MASK, 21)
    c = (a + x + y) & _MASK
    return (c + z) & _MASK, (b + _rotate(c, 44) + a) & _MASK


def _fold(low: int, high: int) -> int:
    a = (low ^ high) * _MIX & _MASK
    b = (high ^ a ^ (a >> 47)) * _MIX & _MASK
    return (b ^ (b >> 47)) * _MIX & _MASK


def _shift_mix(value: int) -> int:
    return value ^ (value >> 47)


def _rotate(value: int, by: int) -> int:
    return ((value >> by) | (value << (64 - by))) & _MASK


def _word(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 8], "little")
