"""Where an INSERT's statement ends and its data begins."""

from __future__ import annotations

import pytest

from cryptoviz.local.clickhouse.insert import split_insert


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (
            b"INSERT INTO t (a, b) FORMAT Native\n\x01\x02\n\xff",
            ("INSERT INTO t (a, b) ", "Native", b"\x01\x02\n\xff"),
        ),
        (b"insert into t format TSV\n\n1", ("insert into t ", "TSV", b"\n1")),
        (b"INSERT INTO t FORMAT CSV \r\n1,2", ("INSERT INTO t ", "CSV", b"1,2")),
        (b"INSERT INTO t VALUES (1), (2)", ("INSERT INTO t ", "Values", b" (1), (2)")),
        (b"INSERT INTO t(`format`) VALUES (1)", ("INSERT INTO t(`format`) ", "Values", b" (1)")),
        (
            b"INSERT INTO t (format, values) VALUES ('SELECT')",
            ("INSERT INTO t (format, values) ", "Values", b" ('SELECT')"),
        ),
        (
            b"-- FORMAT\n/* VALUES */ INSERT INTO t FORMAT TSV\n",
            ("-- FORMAT\n/* VALUES */ INSERT INTO t ", "TSV", b""),
        ),
        (
            b"INSERT INTO t SETTINGS async_insert = 1 FORMAT TSV\n1",
            ("INSERT INTO t SETTINGS async_insert = 1 ", "TSV", b"1"),
        ),
        ("INSERT INTO `ü` VALUES ('é')".encode(), ("INSERT INTO `ü` ", "Values", " ('é')".encode())),
        (b"INSERT INTO t FORMAT JSONEachRow", ("INSERT INTO t ", "JSONEachRow", b"")),
    ],
)
def test_statement_and_data_are_cut_apart(statement: bytes, expected: tuple[str, str, bytes]) -> None:
    insert = split_insert(statement)
    assert insert is not None
    assert (insert.head, insert.format, bytes(insert.data)) == expected


def test_the_data_is_looked_at_where_it_lies_and_not_copied() -> None:
    statement = b"INSERT INTO t FORMAT Native\n" + bytes(100)
    insert = split_insert(statement)
    assert insert is not None
    assert insert.data.obj is statement


@pytest.mark.parametrize(
    ("statement", "read"),
    [
        (b"INSERT INTO t VALUES (1)", "INSERT INTO t  SELECT * FROM file('f', 'Values')"),
        (b"INSERT INTO t(a) FORMAT CSV\n(1)", "INSERT INTO t(a)  SELECT * FROM file('f', 'CSV')"),
        (
            b"INSERT INTO t SELECT b.1 FROM input('b Tuple(Int8), c Array(Int8)') ARRAY JOIN c FORMAT CSV (1)",
            "INSERT INTO t SELECT b.1 FROM file('f', 'CSV', 'b Tuple(Int8), c Array(Int8)') ARRAY JOIN c ",
        ),
        (
            b"INSERT INTO t (input) SELECT input AS x FROM (SELECT * FROM Input ( )) WHERE x IN (1) FORMAT CSV (1)",
            "INSERT INTO t (input) SELECT input AS x FROM (SELECT * FROM file('f', 'CSV')) WHERE x IN (1) ",
        ),
        (
            b"INSERT INTO t WITH x AS (SELECT * FROM input('`\xc3\xbc` Int8')) SELECT * FROM x FORMAT CSV (1)",
            "INSERT INTO t WITH x AS (SELECT * FROM file('f', 'CSV', '`\u00fc` Int8')) SELECT * FROM x ",
        ),
    ],
)
def test_the_data_is_read_as_a_file_by_the_statement_itself(statement: bytes, read: str) -> None:
    insert = split_insert(statement)
    assert insert is not None
    assert insert.reading("f") == read
    assert bytes(insert.data).strip() == b"(1)"


@pytest.mark.parametrize(
    "statement",
    [
        b"SELECT 1 FORMAT JSON",
        b"SELECT * FROM input('a Int8') FORMAT CSV 1",
        b"INSERT INTO t SELECT input FROM t FORMAT CSV",
        b"INSERT INTO t SELECT 1 FORMAT JSON",
        b"INSERT INTO t WITH x AS (SELECT 1) SELECT * FROM x",
        b"INSERT INTO t FROM INFILE 'x' FORMAT CSV",
        b"EXPLAIN INSERT INTO t VALUES (1)",
        b"(SELECT 1)",
        b"INSERT INTO t",
        b"",
        b"\x01\x02\xff",
    ],
)
def test_what_brings_no_data_is_left_to_the_engine(statement: bytes) -> None:
    assert split_insert(statement) is None
