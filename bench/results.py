"""What every section's figures share: their spread, their ratios, the machine, and the file they go to."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import orjson
import psutil

PACKAGES = ("faust-streaming", "confluent-kafka", "orjson", "numpy", "uvloop")


@dataclass(frozen=True)
class Spread:
    """Several measurements of one thing."""

    min: float
    median: float
    max: float
    rounds: int


def spread(figures: Sequence[float]) -> Spread:
    """Raises `ValueError` when there is nothing to say."""
    if not figures:
        raise ValueError("no figures")
    return Spread(min(figures), statistics.median(figures), max(figures), len(figures))


def ratios(medians: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Each figure divided by each other one's."""
    return {
        name: {other: round(mine / theirs, 3) for other, theirs in medians.items() if other != name and theirs > 0}
        for name, mine in medians.items()
    }


def machine() -> dict[str, Any]:
    """What the figures were measured on, and how busy it was."""
    return {
        "system": platform.platform(), "processor": _processor(), "processors": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total, "python": platform.python_version(),
        "load": [round(load, 2) for load in os.getloadavg()],
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": {package: version(package) for package in PACKAGES},
    }  # fmt: skip


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "")


def write(out: Path, section: str, found: Mapping[str, Any]) -> None:
    """Put one section's figures into the file, leaving the others' there."""
    try:
        known = orjson.loads(out.read_bytes())
    except (FileNotFoundError, orjson.JSONDecodeError):
        known = {}
    known[section] = dict(found)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(orjson.dumps(known, option=orjson.OPT_INDENT_2, default=asdict))
