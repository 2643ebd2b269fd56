"""The folder a report is written to: made and tried before a replay begins, taken away if nothing came of it."""

from __future__ import annotations

import csv
import io
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cryptoviz.errors import UserError
from cryptoviz.messages import ALL
from cryptoviz.report.scoreboard import Row

NEEDED = ("jinja2", "matplotlib")
CSV, PAGE = "scoreboard.csv", "report.html"
EACH = "each"


@dataclass(frozen=True)
class Wanted:
    """Where a report goes, and whose scores it shows: a source, `all`, or `each`."""

    folder: Path
    source: str = ALL

    def require(self, known: Sequence[str]) -> None:
        """Raise `UserError` unless the source is one of those that are replayed."""
        if self.source not in {ALL, EACH, *known}:
            raise UserError(
                f"--report-source {self.source}: the files hold {', '.join(sorted(set(known)))}; "
                f"{ALL} is the median over them, {EACH} shows every one"
            )


def default_name(now: datetime) -> str:
    """The folder of those who name none."""
    return f"cryptoviz-report-{now:%Y%m%dT%H%M%SZ}"


def require_libraries() -> None:
    """Raise `UserError` unless what draws the report is installed."""
    lacking = [name for name in NEEDED if find_spec(name) is None]
    if lacking:
        raise UserError(
            f"--report needs {' and '.join(lacking)}: install the extra `report`, for example with "
            "`.venv/bin/pip install --editable '.[report]'` in the checkout"
        )


@contextmanager
def report_folder(folder: Path) -> Iterator[Path]:
    """A folder that can be written to; raises `UserError` if it is none. Removed at the end if new and still empty."""
    new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        hint = " (name files to replay before --report)" if folder.is_file() else ""
        raise UserError(f"--report {folder}: cannot write there: {error.strerror}{hint}") from error
    try:
        yield folder
    finally:
        if new and not any(folder.iterdir()):
            folder.rmdir()


def write_report(folder: Path, table: str, page: str) -> None:
    """Put both files in place; raises `UserError`, for instance when the disk is full."""
    try:
        (folder / CSV).write_text(table, encoding="utf-8", newline="")
        (folder / PAGE).write_text(page, encoding="utf-8")
    except OSError as error:
        raise UserError(f"--report {folder}: cannot write there: {error.strerror}") from error


def as_csv(columns: Sequence[str], rows: Iterable[Row]) -> str:
    """All rows under their columns' names: times as ISO in UTC, floats to the last digit, nothing for NULL."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_cell(row[name]) for name in columns] for row in rows)
    return out.getvalue()


def _cell(value: Any) -> Any:
    return f"{value:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + "Z" if isinstance(value, datetime) else value
