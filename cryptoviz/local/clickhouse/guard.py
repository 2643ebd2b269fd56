"""Decides from the engine's own parse whether a read-only user may run a statement; pure, runs nothing itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

from cryptoviz.local.clickhouse.failures import ACCESS_DENIED, READONLY, SETTING_CONSTRAINT, QueryError
from cryptoviz.local.clickhouse.literals import quote
from cryptoviz.local.clickhouse.policy import (
    LIMITS,
    REFUSED_FORMATS,
    STRUCTURED_TABLE_FUNCTIONS,
    TABLE_FUNCTIONS,
    Scope,
    may_read,
    may_set,
)

Node = dict[str, Any]

_ROOTS = frozenset(
    {
        *("SelectWithUnionQuery", "ExplainQuery", "ShowTablesQuery", "ShowColumnsQuery", "ShowIndexesQuery"),
        *("ShowFunctionsQuery", "ShowEngineQuery"),
    }
)
# Node types that end in "Query" and may occur inside of those.
_STATEMENTS = _ROOTS | {"SelectIntersectExceptQuery", "SelectQuery", "TablesInSelectQuery", "SetQuery"}
# Their right side may be the bare name of a table.
_MEMBERSHIP = frozenset(
    prefix + name + suffix
    for prefix in ("", "global")
    for name in ("in", "notin", "nullin", "notnullin")
    for suffix in ("", "ignoreset")
)
# What lets a column in a structure's text be computed.
_COMPUTED_COLUMN = re.compile(r"\b(?:DEFAULT|ALIAS|MATERIALIZED|EPHEMERAL|TTL)\b", re.IGNORECASE)
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def check_statement(tree: Node, scope: Scope) -> None:
    """Raise `QueryError` unless the parsed statement only reads what read-only users may read.

    `tree` is what `parseQueryToJSON` made of the statement. Whatever is not known to be harmless is refused.
    """
    if tree.get("type") not in _ROOTS:
        raise QueryError(READONLY, f"Read-only users cannot run this statement ({tree.get('type')})")
    for node in _nodes(tree):
        kind = str(node.get("type", ""))
        if kind.endswith("Query") and kind not in _STATEMENTS:
            raise QueryError(READONLY, f"Read-only users cannot run this statement ({kind})")
        if "out_file" in node:
            raise QueryError(ACCESS_DENIED, "Read-only users cannot write files")
        check = _CHECKS.get(kind)
        if check is not None:
            check(node, scope)


def check_setting(name: str, value: object, scope: Scope) -> None:
    """Raise `QueryError` if a read-only user may not give this setting this value."""
    if not may_set(name):
        raise QueryError(READONLY, f"Cannot modify '{name}' setting in readonly mode")
    limit = LIMITS.get(name)
    if limit is not None and not 0 < _number(value) <= limit:
        raise QueryError(SETTING_CONSTRAINT, f"Setting {name} shouldn't be greater than {limit}, or 0")
    if name == "additional_table_filters":
        for text in _strings(value):
            _check_filter(text, scope)


def clamp(settings: Mapping[str, str], scope: Scope) -> dict[str, str]:
    """The URL's settings for a read-only user: clients add generous timeouts themselves, so limits cut, not refuse."""
    clamped = {}
    for name, value in settings.items():
        limit = LIMITS.get(name)
        if limit is not None:
            clamped[name] = value if 0 < _number(value) <= limit else str(limit)
            continue
        if name == "additional_table_filters":
            clamped[name] = _checked_filters(value, scope)
            continue
        check_setting(name, value, scope)
        clamped[name] = value
    return clamped


def output_format(tree: Node) -> str | None:
    """The name behind FORMAT, if the statement has one."""
    found = tree.get("format_ast")
    return str(found["name"]) if isinstance(found, dict) else None


def has_totals(tree: Node) -> bool:
    """Whether the answer has a part besides its rows (WITH TOTALS, extremes), which a stream would lose."""
    return any(
        node.get("group_by_with_totals") or (node.get("type") == "SetQuery" and "extremes" in _names(node))
        for node in _nodes(tree)
    )


def _check_table(node: Node, scope: Scope) -> None:
    _require_table(_parts(node, scope), scope)


def _require_table(parts: list[str], scope: Scope) -> None:
    database, table = (scope.current_database, parts[0]) if len(parts) == 1 else (parts[0], ".".join(parts[1:]))
    if len(parts) > 2 or not may_read(scope, database, table):
        raise QueryError(ACCESS_DENIED, f"Read-only users cannot read {database}.{table}")


def _check_function(node: Node, scope: Scope) -> None:
    name = str(node.get("name", ""))
    lowered = name.lower()
    if not _is_harmless(lowered, scope):
        raise QueryError(ACCESS_DENIED, f"Read-only users cannot call {name}()")
    if lowered in _MEMBERSHIP:
        arguments = node.get("arguments", {}).get("children", [])
        right = arguments[1] if len(arguments) > 1 else {}
        if right.get("type") == "Identifier":
            _require_table(_parts(right, scope), scope)


def _is_harmless(lowered: str, scope: Scope) -> bool:
    allowed = scope.catalogue.functions.get(lowered)
    if allowed is None:
        # Not a function of the engine: an aggregate with combinators, an operator's name, a view with parameters.
        return lowered not in scope.catalogue.table_functions or lowered in TABLE_FUNCTIONS
    return allowed or lowered in TABLE_FUNCTIONS


def _check_table_expression(node: Node, scope: Scope) -> None:
    function = node.get("table_function")
    if not isinstance(function, dict):
        return
    name = str(function.get("name", ""))
    if name.lower() in STRUCTURED_TABLE_FUNCTIONS:
        _check_structure(name, function)
    if name.lower() in TABLE_FUNCTIONS:
        return
    database, _, view = name.rpartition(".")
    in_reach = (database or scope.current_database) == scope.database
    if not in_reach or view.lower() in scope.catalogue.table_functions or not scope.is_view(view):
        raise QueryError(ACCESS_DENIED, f"Read-only users cannot use the table function {name}()")


def _check_structure(name: str, function: Node) -> None:
    """A text of columns is no part of the tree: nothing in it may be an expression."""
    first: Node = next(iter(function.get("arguments", {}).get("children", [])), {})
    text = str(first.get("value", {}).get("value", "")) if first.get("type") == "Literal" else ""
    if first.get("type") == "QueryParameter" or _COMPUTED_COLUMN.search(text):
        raise QueryError(ACCESS_DENIED, f"Read-only users must spell out plain columns in {name}()")


def _check_transformer(node: Node, scope: Scope) -> None:
    name = str(node.get("func_name", ""))
    if not _is_harmless(name.lower(), scope):
        raise QueryError(ACCESS_DENIED, f"Read-only users cannot apply {name}()")


def _check_settings(node: Node, scope: Scope) -> None:
    if node.get("is_standalone"):
        raise QueryError(READONLY, "Read-only users cannot run SET")
    if set(node) - {"type", "changes", "is_standalone"}:
        raise QueryError(READONLY, "Read-only users cannot reset settings or set parameters in a statement")
    for change in node.get("changes", []):
        check_setting(str(change["name"]), change["value"].get("value"), scope)


def _check_explain(node: Node, scope: Scope) -> None:
    if node.get("query", {}).get("type") != "SelectWithUnionQuery":
        raise QueryError(READONLY, "Read-only users can explain SELECT only")


def _check_show(node: Node, scope: Scope) -> None:
    source = node.get("from")
    database = _parts(source, scope)[0] if isinstance(source, dict) else node.get("database") or scope.current_database
    if database != scope.database and database not in ("system", "information_schema", "INFORMATION_SCHEMA"):
        raise QueryError(ACCESS_DENIED, f"Read-only users cannot look into the database {database}")


def _check_union(node: Node, scope: Scope) -> None:
    name = output_format(node)
    if name is not None and name.lower() in REFUSED_FORMATS:
        raise QueryError(ACCESS_DENIED, f"Read-only users cannot use the format {name}")


_CHECKS = {
    "TableIdentifier": _check_table,
    "TableExpression": _check_table_expression,
    "Function": _check_function,
    "ColumnsApplyTransformer": _check_transformer,
    "SetQuery": _check_settings,
    "ExplainQuery": _check_explain,
    "ShowTablesQuery": _check_show,
    "ShowColumnsQuery": _check_show,
    "ShowIndexesQuery": _check_show,
    "SelectWithUnionQuery": _check_union,
}


def _check_filter(text: str, scope: Scope) -> None:
    check_statement(cast(Node, scope.parse(f"SELECT {text}")), scope)


def _checked_filters(value: str, scope: Scope) -> str:
    """Have the engine parse the map, check its filters, and write it anew so that nothing but the map goes on."""
    tree = cast(Node, scope.parse(f"SELECT 1 SETTINGS additional_table_filters = {value}"))
    check_statement(tree, scope)
    changes = [change for node in _nodes(tree) for change in node.get("changes", [])]
    if len(changes) != 1 or not isinstance(changes[0]["value"].get("value"), list):
        raise QueryError(SETTING_CONSTRAINT, "additional_table_filters must be a map of tables to filters")
    pairs = (pair["value"] for pair in changes[0]["value"]["value"])
    return "{" + ", ".join(f"{quote(str(key['value']))}: {quote(str(text['value']))}" for key, text in pairs) + "}"


def _nodes(value: object) -> Iterator[Node]:
    """Every node below `value`, itself included; literals hold no nodes, and EXPLAIN's own options are not settings."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            stack.extend(item)
        elif isinstance(item, dict):
            yield item
            own_options = item.get("type") == "ExplainQuery"
            stack.extend(
                child
                for key, child in item.items()
                if isinstance(child, (dict, list)) and not (own_options and key == "settings") and key != "changes"
            )


def _parts(node: Node, scope: Scope) -> list[str]:
    """The parts of a name, with the parameters of type Identifier put in."""
    parts = [str(part) for part in node.get("name_parts") or [node.get("name", "")]]
    values = iter(node.get("children", []))
    filled = [part or _identifier_value(next(values, {}), scope) for part in parts]
    if next(values, None) is not None:
        raise QueryError(ACCESS_DENIED, "Read-only users cannot use this form of a name")
    return filled


def _identifier_value(node: Node, scope: Scope) -> str:
    value = scope.parameters.get(str(node.get("name", "")), "")
    if node.get("type") != "QueryParameter" or not _PLAIN_NAME.fullmatch(value):
        raise QueryError(ACCESS_DENIED, "Read-only users can name tables by parameter with plain names only")
    return value


def _strings(value: object) -> Iterator[str]:
    """The values of a map of table names to filters."""
    for pair in value if isinstance(value, list) else []:
        yield str(pair["value"][1]["value"])


def _names(node: Node) -> set[str]:
    return {str(change["name"]) for change in node.get("changes", [])}


def _number(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return -1.0
