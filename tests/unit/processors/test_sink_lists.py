from __future__ import annotations

import re

import orjson
import pytest
import sink_messages as made

from processors.normalise import Position
from processors.sink_columns import COLUMNS
from processors.sink_lists import LISTS, Lines, statement
from processors.sink_rows import Health, Tables, add_message

MESSAGES = {
    "stats": made.stats(1),
    "predictions": made.prediction(1),
    "signals": made.signal(1),
    "scores": made.scores(1),
}


def structure(table: str) -> str:
    found = re.search(r"FROM input\('([^']*)'\) ARRAY JOIN", statement(table, "crypto"))
    assert found
    return found[1]


def fields(text: str) -> list[str]:
    """The parts between the commas that are not in brackets."""
    parts, depth = [""], 0
    for sign in text:
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += sign
    return [part.strip() for part in parts]


def test_a_statement_names_types_and_expressions() -> None:
    assert statement("signals", "crypto") == (
        "INSERT INTO crypto.signals (asset, source, interval_s, made_at, price, origin, horizon_s, signal, variation, "
        "confidence, ma_trend, reason, filed_at, precedence) "
        "SELECT asset, source, interval_s, fromUnixTimestamp64Milli(made_at, 'UTC'), price, origin, one.horizon_s, "
        "one.signal, one.variation, one.confidence, one.ma_trend, one.reason, "
        "fromUnixTimestamp64Milli(filed_at, 'UTC'), precedence "
        "FROM input('asset String, source String, interval_s Int64, made_at Int64, price Float64, origin String, "
        "signals Array(Tuple(horizon_s Int64, signal String, variation Nullable(Float64), "
        "confidence Nullable(Float64), ma_trend Nullable(String), reason String)), filed_at Int64, precedence UInt64') "
        "ARRAY JOIN signals AS one FORMAT JSONCompactEachRow"
    )


def test_what_nests_deeper_is_typed_from_the_message_too() -> None:
    assert "bounds Array(Tuple(level Float64, lower Float64, upper Float64)), weight Nullable(Float64)" in structure(
        "predictions"
    )
    assert "intervals Array(Tuple(level Float64, inside Bool, width Float64, winkler Float64))" in structure("scores")


@pytest.mark.parametrize("table", LISTS)
def test_a_line_has_as_many_values_as_the_structure_has_fields(table: str) -> None:
    tables: Tables = {}
    add_message(orjson.dumps(MESSAGES[table]), Position(table, 0, 1, made.T0), tables, Health())
    lines = tables[table]
    assert isinstance(lines, Lines)
    (line,) = map(orjson.loads, lines.lines)
    named = fields(structure(table))
    assert len(line) == len(named)
    (place,) = (number for number, name in enumerate(named) if name.startswith(f"{LISTS[table].list} Array("))
    items = named[place].removeprefix(f"{LISTS[table].list} Array(Tuple(").removesuffix("))")
    assert {len(item) for item in line[place]} == {len(fields(items))}
    assert len(line[place]) == lines.count


@pytest.mark.parametrize("table", LISTS)
def test_every_column_is_a_field_of_the_line_or_made_of_its_items(table: str) -> None:
    of = LISTS[table]
    assert set(COLUMNS[table]) <= {*of.head, *of.item[1], *of.made, "filed_at", "precedence"}
