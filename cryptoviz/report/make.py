"""Makes the report of a finished replay: reads its figures, prints the tables, writes the folder."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from pydantic import SecretStr
from rich.console import Console

from cryptoviz.errors import Retryable, UserError
from cryptoviz.report.folder import EACH, PAGE, Wanted, as_csv, write_report
from cryptoviz.report.page import Replayed, Section, page, section
from cryptoviz.report.read import Figures, read_figures
from cryptoviz.report.scoreboard import sources
from cryptoviz.report.tables import tables
from cryptoviz.report.verdict import why_no_scores
from cryptoviz.settings import Settings

# Settings that say where and how fast things run, not what comes out.
ELSEWHERE = (
    "home", "host", "kafka", "clickhouse", "partitions", "sources", "backfill", "heartbeat", "producer", "request",
    "worker", "sink", "log_",
)  # fmt: skip
ELSEWHERE_ENDS = ("_port", "_retention_hours", "_retention_megabytes", "_ttl_days")


def make_report(settings: Settings, replayed: Replayed, wanted: Wanted, console: Console) -> None:
    """Print and write the report; raises `UserError` if it cannot be read or written."""
    try:
        figures = read_figures(settings)
    except Retryable as error:
        raise UserError(f"no report: {error}") from error
    sections = _sections(figures, wanted.source)
    why_none = "" if sections else why_no_scores(settings.horizons_s, replayed.covered_s)
    for one in sections:
        for table in tables(one.board, console.width):
            console.print(table)
        console.print(one.verdict)
    if why_none:
        console.print(why_none)
    write_report(wanted.folder, as_csv(figures.columns, figures.rows), page(replayed, sections, why_none))
    console.print(f"Report: {wanted.folder / PAGE} (not financial advice)", soft_wrap=True)


def _sections(figures: Figures, source: str) -> list[Section]:
    shown = sources(figures.rows) if source == EACH else (source,)
    found = [figures.of(name) for name in shown]
    return [section(*of_source) for of_source in found if any(row["n"] for row in of_source[0].rows)]


def settings_told(settings: Settings) -> tuple[tuple[str, str, str], ...]:
    """Variable, value and meaning of the settings that have a say in the figures."""
    found = []
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if name.startswith(ELSEWHERE) or name.endswith(ELSEWHERE_ENDS) or isinstance(value, SecretStr):
            continue
        text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
        found.append((f"CRYPTOVIZ_{name.upper()}", text or "all", field.description or ""))
    return tuple(found)


def replayed_of(
    settings: Settings, files: Sequence[Path], rows: tuple[int, int], period_ms: tuple[int, int] | None
) -> Replayed:
    """What the page says of the replay itself; `rows` are those fed and stored, `period_ms` the first and last time."""
    return Replayed(
        tuple(file.name for file in files), *rows, period_ms, settings.bar_seconds, settings_told(settings),
        version("cryptoviz"), f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
    )  # fmt: skip
