"""What read-only users may do, judged from trees as the engine writes them."""

from __future__ import annotations

from typing import Any

import pytest

from cryptoviz.local.clickhouse.failures import QueryError
from cryptoviz.local.clickhouse.guard import check_setting, check_statement, clamp, has_totals, output_format
from cryptoviz.local.clickhouse.policy import LIMITS, Catalogue, Scope, function_allowances

CATALOGUE = Catalogue(
    version="1",
    timezone="UTC",
    functions=function_allowances(
        [
            ("file", "", "Other", False),
            ("datei", "file", "Other", False),
            ("sum", "", "", True),
            ("plus", "", "Arithmetic", False),
            ("toTypeName", "", "Other", False),
            ("newThing", "", "Networking", False),
            ("in", "", "Comparison", False),
        ]
    ),
    table_functions=frozenset({"file", "url", "numbers"}),
    formats={"json": "JSON"},
    settings=frozenset(),
)


def scope(current: str = "crypto", **parameters: str) -> Scope:
    return Scope("crypto", current, parameters, CATALOGUE, lambda name: name == "view_of_ours", lambda text: {})


def select(**parts: object) -> dict[str, Any]:
    selects = {"type": "ExpressionList", "children": [{"type": "SelectQuery", **parts}]}
    return {"type": "SelectWithUnionQuery", "list_of_selects": selects}


def call(name: str, *arguments: object) -> dict[str, Any]:
    return {"type": "Function", "name": name, "arguments": {"type": "ExpressionList", "children": list(arguments)}}


def table(*parts: str) -> dict[str, Any]:
    return {"type": "TableIdentifier", "name": ".".join(parts), "name_parts": list(parts)}


def settings(**values: object) -> dict[str, Any]:
    changes = [{"name": name, "value": {"field_type": "UInt64", "value": value}} for name, value in values.items()]
    return {"type": "SetQuery", "changes": changes}


NAMED = {"type": "Identifier", "name": "default.x", "name_parts": ["default", "x"]}


@pytest.mark.parametrize(
    "tree",
    [
        select(select=call("plus", call("sumIf"), call("toTypeName"))),
        select(tables=table("bars")),
        select(tables=table("crypto", "bars")),
        select(tables=table("system", "tables")),
        select(tables={"type": "TableExpression", "table_function": call("numbers")}),
        select(tables={"type": "TableExpression", "table_function": call("crypto.view_of_ours")}),
        select(tables={"type": "TableExpression", "table_function": call("view_of_ours")}),
        select(settings=settings(max_execution_time=5, final=0)),
        select(where=call("in", {"type": "Identifier", "name": "a"}, call("tuple", NAMED))),
    ],
)
def test_harmless_statements_pass(tree: dict[str, Any]) -> None:
    check_statement(tree, scope())


@pytest.mark.parametrize(
    "tree",
    [
        {"type": "DropQuery"},
        {"type": "TransactionControl"},
        {"type": "SetQuery", "is_standalone": True, "changes": []},
        {"type": "ExplainQuery", "query": {"type": "InsertQuery"}},
        {"type": "ExplainQuery"},
        select() | {"out_file": {}},
        select() | {"format_ast": {"type": "Identifier", "name": "Template"}},
        select(select=call("file")),
        select(select=call("FILE")),
        select(select=call("datei")),
        select(select=call("newThing")),
        select(select=call("url")),
        select(select={"type": "ColumnsApplyTransformer", "func_name": "file"}),
        select(select={"type": "ColumnsApplyTransformer", "lambda": call("lambda", call("file"))}),
        select(tables=table("default", "x")),
        select(tables=table("system", "users")),
        select(tables=table("crypto", "a", "b")),
        select(tables={"type": "TableExpression", "table_function": call("url")}),
        select(tables={"type": "TableExpression", "table_function": call("file")}),
        select(tables={"type": "TableExpression", "table_function": call("system.view_of_ours")}),
        select(tables={"type": "TableExpression", "table_function": call("crypto.other")}),
        select(where=call("in", {"type": "Literal"}, NAMED)),
        select(where=call("globalNotIn", {"type": "Literal"}, NAMED)),
        select(settings=settings(max_execution_time=0)),
        select(settings=settings(max_execution_time=10**9)),
        select(settings=settings(readonly=0)),
        select(settings=settings() | {"default_settings": ["max_execution_time"]}),
        select(settings=settings() | {"query_parameters": []}),
    ],
)
def test_everything_else_is_refused(tree: dict[str, Any]) -> None:
    with pytest.raises(QueryError):
        check_statement(tree, scope())


def test_names_from_parameters_count_as_what_they_are() -> None:
    name = table("", "") | {
        "children": [{"type": "QueryParameter", "name": n, "param_type": "Identifier"} for n in "dt"]
    }
    check_statement(select(tables=name), scope(d="crypto", t="bars"))
    for database, of in (("default", "bars"), ("crypto", "a.b"), ("crypto", "/etc/passwd"), ("", "")):
        with pytest.raises(QueryError):
            check_statement(select(tables=name), scope(d=database, t=of))


def test_bare_names_are_judged_in_the_current_database() -> None:
    check_statement(select(tables=table("one")), scope("system"))
    with pytest.raises(QueryError):
        check_statement(select(tables=table("users")), scope("system"))


def test_settings_of_the_url_are_cut_to_the_limits() -> None:
    assert clamp({"max_execution_time": "65", "max_threads": "0"}, scope()) == {
        "max_execution_time": "60",
        "max_threads": str(LIMITS["max_threads"]),
    }
    assert clamp({"max_execution_time": "7"}, scope()) == {"max_execution_time": "7"}
    with pytest.raises(QueryError, match="allow_ddl"):
        clamp({"allow_ddl": "1"}, scope())


def test_a_limit_must_be_a_number() -> None:
    with pytest.raises(QueryError):
        check_setting("max_execution_time", "soon", scope())


def test_format_and_totals_are_found_in_the_tree() -> None:
    assert output_format(select() | {"format_ast": {"type": "Identifier", "name": "JSON"}}) == "JSON"
    assert output_format(select()) is None
    assert has_totals(select(group_by_with_totals=True))
    assert has_totals(select(settings=settings(extremes=1)))
    assert not has_totals(select())


def values(first: object) -> dict[str, Any]:
    return select(tables={"type": "TableExpression", "table_function": call("values", first, literal(1))})


def literal(value: object) -> dict[str, Any]:
    return {"type": "Literal", "value": {"field_type": "String", "value": value}}


@pytest.mark.parametrize("columns", ["a UInt8, b String", "alias_name String", 1])
def test_columns_may_be_described_in_a_text(columns: object) -> None:
    check_statement(values(literal(columns)), scope())


@pytest.mark.parametrize(
    "first",
    [
        *(literal(f"a UInt8, b String {word} file('x')") for word in ("ALIAS", "default", "MATERIALIZED", "Ephemeral")),
        literal("a String\nALIAS/**/file('x')"),
        {"type": "QueryParameter", "name": "s", "param_type": "String"},
    ],
)
def test_no_column_described_in_a_text_is_computed(first: dict[str, Any]) -> None:
    with pytest.raises(QueryError, match="spell out plain columns"):
        check_statement(values(first), scope())
