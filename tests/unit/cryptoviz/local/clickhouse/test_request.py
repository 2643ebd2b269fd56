"""What a request asks for."""

from __future__ import annotations

import pytest

from cryptoviz.local.clickhouse.failures import QueryError
from cryptoviz.local.clickhouse.request import Query, build_query, decode_text, join

SETTINGS = frozenset({"max_threads", "final"})


def build(
    params: dict[str, str], headers: dict[str, str] | None = None, body: bytes = b"", method: str = "POST"
) -> Query:
    return build_query(method, params, headers or {}, body, SETTINGS)


def test_the_parameter_comes_before_the_body_on_a_line_of_its_own() -> None:
    assert join("INSERT INTO t FORMAT TSV", b"1\n") == b"INSERT INTO t FORMAT TSV\n1\n"
    assert join("SELECT 1", b"") == b"SELECT 1"
    assert join("", b"SELECT 2") == b"SELECT 2"


def test_url_parameters_are_sorted_by_whom_they_are_for() -> None:
    query = build(
        {
            "query": "SELECT {x:UInt8}",
            "param_x": "1",
            "max_threads": "2",
            "session_id": "s",
            "wait_end_of_query": "1",
            "database": "crypto",
            "query_id": "me",
        }
    )
    assert query.parameters == {"x": "1"}
    assert query.settings == {"max_threads": "2"}
    assert (query.database, query.query_id, query.whole, query.blocks) == ("crypto", "me", True, False)


def test_a_setting_the_engine_does_not_know_is_refused() -> None:
    with pytest.raises(
        QueryError, match=r"Code: 115\. DB::Exception: Unknown setting 'max_thread' \(UNKNOWN_SETTING\)"
    ):
        build({"max_thread": "2"})


def test_format_and_database_come_from_the_url_or_a_header() -> None:
    headers = {"X-ClickHouse-Format": "CSV", "X-ClickHouse-Database": "system"}
    assert build({}, headers).format == "CSV"
    assert build({}, headers).database == "system"
    assert build({"default_format": "JSON", "database": "crypto"}, headers).format == "JSON"
    assert build({}).format == "TabSeparated"


def test_only_post_may_write() -> None:
    assert build({}).may_write
    assert not build({}, method="GET").may_write


def test_every_request_without_an_id_gets_one_of_its_own() -> None:
    assert build({}).query_id != build({}).query_id


def test_a_statement_that_is_not_text_is_refused() -> None:
    with pytest.raises(QueryError, match="not UTF-8 at byte 7"):
        decode_text(b"SELECT \xff")
