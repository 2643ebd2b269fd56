"""What Grafana makes of an alert rule: its queries' numbers joined by their labels, and its condition over them."""

from __future__ import annotations

import re
import time
from typing import Any

from clickhouse_connect.driver.client import Client
from grafana_sql import Period, expand

from cryptoviz.alerting import Rule
from cryptoviz.alerting.rule import WINDOW_S
from cryptoviz.dashboards.query import Query

Labels = frozenset[tuple[str, str]]
NAME = re.compile(r"\$(\w+)")
TERM = re.compile(r"[\w\s$<>=!&|().*/+-]+")


def ask(reader: Client, query: Query) -> Any:
    """The answer to one query of a rule, which has no variables."""
    now_s = int(time.time())
    return reader.query(expand(query.sql, Period(now_s - WINDOW_S, now_s)))


def numbers(reader: Client, query: Query) -> dict[Labels, float]:
    """Its number per set of labels; raises `AssertionError` where Grafana would refuse the answer."""
    (name,) = query.numbers
    found: dict[Labels, float] = {}
    for row in ask(reader, query).named_results():
        labels = frozenset((text, row[text]) for text in query.texts)
        assert labels not in found, f"two rows for {dict(labels)}"
        assert row[name] is not None
        found[labels] = float(row[name])
    return found


def watched(reader: Client, rule: Rule) -> dict[Labels, dict[str, float]]:
    """The alerts a rule has, whether they fire or not, each with its figures."""
    found = {name: numbers(reader, query) for name, query in rule.queries.items()}
    first = next(iter(found.values()))
    return {labels: {name: _joined(each, labels) for name, each in found.items()} for labels in first}


def firing(reader: Client, rule: Rule) -> list[dict[str, str]]:
    """The labels of those whose condition is true."""
    rows = watched(reader, rule).items()
    told = sorted(sorted(labels) for labels, values in rows if _holds(rule.condition, values))
    return [dict(labels) for labels in told]


def _joined(numbers_by_labels: dict[Labels, float], labels: Labels) -> float:
    return numbers_by_labels[labels] if labels in numbers_by_labels else numbers_by_labels[frozenset()]


def _holds(condition: str, values: dict[str, float]) -> bool:
    """Grafana's mathematics, as far as our conditions use it; raises for anything else."""
    assert TERM.fullmatch(condition), condition
    term = NAME.sub(lambda match: repr(values[match[1]]), condition).replace("&&", " and ").replace("||", " or ")
    return bool(eval(term, {"__builtins__": {}, "abs": abs}))
