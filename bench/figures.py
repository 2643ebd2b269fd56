"""What a benchmark has found: figures with their rounds, as rows of a table and of results.json. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """One thing that was measured, once per round."""

    section: str
    what: str
    unit: str
    rounds: Sequence[float]
    note: str = ""
    more: dict[str, Any] = field(default_factory=dict)
    """What belongs to it and is not shown: CPU by process, rows by table."""

    @property
    def median(self) -> float:
        """The middle one of the rounds."""
        return median(self.rounds)

    def as_dict(self) -> dict[str, Any]:
        """For results.json."""
        spread = {"median": self.median, "min": min(self.rounds), "max": max(self.rounds), "rounds": list(self.rounds)}
        return {"what": self.what, "unit": self.unit, **spread, "note": self.note, **self.more}


def table_of(figures: Iterable[Figure], title: str) -> Table:
    """The figures of one section."""
    table = Table(title=title, title_justify="left")
    table.add_column("what", overflow="fold")
    for name in ("median", "from", "to"):
        table.add_column(name, justify="right")
    table.add_column("unit")
    table.add_column("", overflow="fold")
    for one in figures:
        numbers = (said(one.median), said(min(one.rounds)), said(max(one.rounds)))
        table.add_row(one.what, *numbers, one.unit, one.note)
    return table


def said(number: float) -> str:
    """A number with as many digits as it is worth."""
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"
