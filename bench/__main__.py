"""`make bench`: sections of measurements, each a file with `run`, into one table each and one results.json."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from bench import delay, demo, month, same_work, whole_stream
from bench.ending import end_on_sigterm
from bench.results import machine, write

SECTIONS: dict[str, Callable[[Console, int, float, str], dict[str, Any]]] = {
    "same-work": same_work.run, "whole-stream": whole_stream.run, "delay": delay.run, "demo": demo.run,
    "month": month.run,
}  # fmt: skip
"""Each takes the console, the number of rounds, the scale of the sizes and a filter, and returns what the file gets."""
OUT = Path(__file__).parent / "results.json"
WIDTH = 130


@click.command(context_settings={"show_default": True})
@click.option("--section", "sections", multiple=True, type=click.Choice(list(SECTIONS)), help="Only these. [else all]")
@click.option("--rounds", default=3, type=click.IntRange(1), help="How often each figure is measured.")
@click.option("--scale", default=1.0, type=click.FloatRange(0.01), help="Times as many quotes.")
@click.option("--only", default="", help="Only engines whose name contains this.")
@click.option("--out", type=click.Path(path_type=Path), default=OUT, help="Where the figures go.")
def main(*, sections: tuple[str, ...], rounds: int, scale: float, only: str, out: Path) -> None:
    """Measure, print and write the figures of each section."""
    end_on_sigterm()
    console = Console()
    console.width = max(console.width, WIDTH)  # in a file, too
    for section in sections or SECTIONS:
        before = machine()
        found = SECTIONS[section](console, rounds, scale, only)
        write(out, section, {"machine": before, "load_after": machine()["load"]} | found)
        console.print(f"{section}: written to {out}")


if __name__ == "__main__":
    main()
