"""What a section has found: figures with their rounds, as a table for people and as JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.results import spread


@dataclass(frozen=True)
class Figure:
    """One thing that was measured, once per round; `more` belongs to it and is not shown: CPU by process, say."""

    what: str
    unit: str
    rounds: Sequence[float]
    note: str = ""
    more: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """For results.json."""
        return {
            "what": self.what, "unit": self.unit, **asdict(spread(self.rounds)), "each": list(self.rounds),
            "note": self.note, **self.more,
        }  # fmt: skip


def told(console: Console, title: str, figures: Iterable[Figure]) -> dict[str, Any]:
    """Show the figures as a table; what the file gets of them."""
    figures = list(figures)
    console.print(table_of(figures, title))
    return {"figures": [figure.as_dict() for figure in figures]}


def table_of(figures: Iterable[Figure], title: str) -> Table:
    """A row per figure."""
    table = Table(title=title, title_justify="left")
    table.add_column("what", overflow="fold")
    for name in ("median", "from", "to"):
        table.add_column(name, justify="right")
    table.add_column("unit")
    table.add_column("", overflow="fold")
    for figure in figures:
        of = spread(figure.rounds)
        table.add_row(figure.what, said(of.median), said(of.min), said(of.max), figure.unit, figure.note)
    return table


def said(number: float) -> str:
    """A number with as many digits as it is worth."""
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"
