"""Errors of the engine as the HTTP interface tells them."""

from __future__ import annotations

from cryptoviz.local.clickhouse.failures import QueryError, from_engine


def test_code_name_and_status_are_read_from_the_engines_text() -> None:
    error = from_engine(RuntimeError("Streaming query failed: Code: 60. DB::Exception: No table. (UNKNOWN_TABLE)\n"))
    assert (error.code, error.name, error.status) == (60, "UNKNOWN_TABLE", 404)
    assert error.text == "Code: 60. DB::Exception: No table. (UNKNOWN_TABLE)"


def test_the_endpoints_own_call_of_the_parser_is_cut_out() -> None:
    error = from_engine(
        RuntimeError(
            "Code: 62. DB::Exception: Syntax error: failed at position 1 (SELEC): SELEC 1. Expected one of: x: "
            "In scope SELECT parseQueryToJSON('SELEC 1'). (SYNTAX_ERROR)"
        )
    )
    assert error.text.endswith("SELEC 1. Expected one of: x (SYNTAX_ERROR)")


def test_a_text_without_code_is_kept() -> None:
    error = from_engine(RuntimeError("something else"))
    assert (error.code, error.message, error.status) == (1002, "something else", 500)


def test_own_errors_have_clickhouses_names() -> None:
    assert QueryError(164, "No").text == "Code: 164. DB::Exception: No (READONLY)"
