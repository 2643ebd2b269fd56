"""Content codings of requests and answers."""

from __future__ import annotations

import gzip
import zlib

import lz4.frame
import pytest

from cryptoviz.local.clickhouse.codings import choose_encoding, decode, encoder
from cryptoviz.local.clickhouse.failures import QueryError

TEXT = b"SELECT 1, 'some text' " * 100


@pytest.mark.parametrize("coding", ["gzip", "deflate", "lz4", "zstd"])
def test_every_coding_that_is_answered_is_read_as_well(coding: str) -> None:
    pack = encoder(coding)
    packed = pack.compress(TEXT[:50]) + pack.compress(TEXT[50:]) + pack.flush()
    assert decode(packed, coding, len(TEXT)) == TEXT
    with pytest.raises(QueryError, match="larger than 10 bytes"):
        decode(packed, coding, 10)
    with pytest.raises(QueryError, match="ends too early"):
        decode(packed[:-5], coding, len(TEXT))
    with pytest.raises(QueryError, match=f"not valid {coding}"):
        decode(b"\xff" * 40, coding, len(TEXT))


@pytest.mark.parametrize(
    ("coding", "packed"),
    [("gzip", gzip.compress(TEXT)), ("deflate", zlib.compress(TEXT)), ("LZ4", lz4.frame.compress(TEXT)), ("", TEXT)],
)
def test_what_other_programs_pack_is_read(coding: str, packed: bytes) -> None:
    assert decode(packed, coding, len(TEXT)) == TEXT


def test_lz4_frames_in_a_row_are_read() -> None:
    assert decode(lz4.frame.compress(b"a") + lz4.frame.compress(b"b"), "lz4", 10) == b"ab"


def test_an_unknown_coding_is_refused() -> None:
    with pytest.raises(QueryError, match="Unknown Content-Encoding br"):
        decode(TEXT, "br", 10)


@pytest.mark.parametrize(
    ("accepted", "chosen"),
    [
        ("gzip", "gzip"),
        ("lz4,zstd,gzip,deflate", "lz4"),
        ("gzip, deflate, zstd;q=0.5", "zstd"),
        ("lz4;q=0, gzip", "gzip"),
        ("br", None),
        ("", None),
        ("identity", None),
    ],
)
def test_the_cheapest_accepted_coding_is_chosen(accepted: str, chosen: str | None) -> None:
    assert choose_encoding(accepted) == chosen
