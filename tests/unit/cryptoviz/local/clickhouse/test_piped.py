"""Reading what a thread writes into a pipe."""

from __future__ import annotations

import os

import pytest

from cryptoviz.local.clickhouse.piped import read_while


def test_everything_written_is_read_and_both_ends_are_closed() -> None:
    read_end, write_end = os.pipe()
    written = b"x" * 300_000

    def write() -> None:
        left = written
        while left:
            left = left[os.write(write_end, left) :]

    assert b"".join(read_while(write, read_end, write_end)) == written
    for end in (read_end, write_end):
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(end)


def test_an_error_comes_after_what_was_written_before_it() -> None:
    read_end, write_end = os.pipe()

    def write() -> None:
        os.write(write_end, b"some")
        raise ValueError("then nothing")

    chunks = read_while(write, read_end, write_end)
    assert next(chunks) == b"some"
    with pytest.raises(ValueError, match="then nothing"):
        next(chunks)


def test_a_reader_who_leaves_ends_the_writer() -> None:
    read_end, write_end = os.pipe()
    ended: list[type[BaseException]] = []

    def write() -> None:
        try:
            while True:
                os.write(write_end, b"x" * 100_000)
        except OSError as error:
            ended.append(type(error))
            raise

    chunks = read_while(write, read_end, write_end)
    next(chunks)
    chunks.close()
    assert ended == [BrokenPipeError]
