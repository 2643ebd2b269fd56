"""`cryptoviz replay PATH...`: recorded candles or ticks through a pipeline of their own, into ClickHouse."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cryptoviz.cli.models import check_models
from cryptoviz.messages import ALL
from cryptoviz.report.folder import Wanted, default_name, report_folder, require_libraries
from cryptoviz.settings import HOUR_S, Settings, load_settings

if TYPE_CHECKING:
    from cryptoviz.local.console import StackConsole
    from cryptoviz.local.replay_outcome import Outcome
    from producers.recorded_rows import Judged


class Speed(click.ParamType):
    """A positive number, or `max` (None)."""

    name = "N|max"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> float | None:
        """The multiple of the recorded speed."""
        if value == "max":
            return None
        try:
            speed = float(value)
        except ValueError:
            speed = 0.0
        if not 0 < speed < float("inf"):
            self.fail(f"{value!r} is neither a positive number (1 is the recorded speed) nor max", param, ctx)
        return speed


@click.command(short_help="push recorded candles or ticks through a pipeline of its own")
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH...")
@click.option("--speed", type=Speed(), default="max", show_default=True,
              help="So many times as fast as it was recorded, or as fast as this machine can.")  # fmt: skip
@click.option("--keep-running", is_flag=True, help="Keep the stack up afterwards, to look around, until Ctrl-C.")
@click.option("--report", is_flag=False, flag_value="", metavar="[FOLDER]",
              help="Score the forecasts: print the scoreboard and write scoreboard.csv and report.html to FOLDER; "
              "put it after the paths.  [default: cryptoviz-report-<UTC time>]")  # fmt: skip
@click.option("--report-source", default=ALL, show_default=True, metavar="NAME",
              help="Whose scores the report shows: a source, all (the median over them), or each.")  # fmt: skip
def replay(
    *, paths: tuple[Path, ...], speed: float | None, keep_running: bool, report: str | None, report_source: str
) -> int:
    """Feed Parquet candles and CSV ticks (files or folders) to a stack of their own, and say what came of them.

    Everything runs on free ports and in a temporary folder that is removed at the end; set CRYPTOVIZ_HOME to an empty
    folder to keep the data. Exit code 1 if a row is neither stored nor rejected with a reason.
    """
    from cryptoviz.assets import AssetRegistry
    from cryptoviz.local.console import StackConsole
    from cryptoviz.local.interrupts import until_interrupted
    from cryptoviz.local.replay_home import fresh_home, replay_settings
    from producers.recorded_rows import judge
    from producers.recordings import find_recordings, read_recording

    if report is not None:
        require_libraries()
    settings = load_settings()
    check_models(settings)
    files = find_recordings(paths)
    judged = judge([read_recording(file) for file in files], AssetRegistry().select(settings.assets))
    console, outcomes = StackConsole(), list["Outcome"]()
    with _reporting(report, report_source, judged) as wanted, fresh_home(settings) as home:
        session = _Session(replay_settings(settings, home), judged, files, speed=speed, console=console, wanted=wanted)
        try:
            asyncio.run(until_interrupted(session.run(outcomes, keep_running)))
        finally:
            session.stop.set()
            console.close()
    if not outcomes:
        console.line("Interrupted before everything was stored.")
    return 0 if outcomes and not outcomes[0].missing else 1


def notes(judged: Judged, settings: Settings) -> list[str]:
    """What is worth knowing before a long replay."""
    rows, bar_s = judged.rows, settings.bar_seconds
    lengths = zip(rows.interval_s.tolist(), rows.columns["open"], strict=True)
    shortest_s = min((int(length_s) for length_s, opened in lengths if opened is not None), default=0)  # not of ticks
    if shortest_s <= bar_s or HOUR_S % shortest_s:
        return []
    bars = f"{shortest_s // bar_s - 1} of {shortest_s // bar_s} bars of {bar_s} s"
    advice = f"CRYPTOVIZ_BAR_SECONDS={shortest_s} would be faster"
    return [f"candles of {shortest_s} s leave {bars} to be filled: {advice}"]


@contextmanager
def _reporting(report: str | None, source: str, judged: Judged) -> Iterator[Wanted | None]:
    """What is wanted of a report, found possible, while its folder is kept ready; None without one."""
    if report is None:
        yield None
        return
    wanted = Wanted(Path(report or default_name(datetime.now(UTC))), source)
    wanted.require([series.source for series in judged.rows.known])
    with report_folder(wanted.folder):
        yield wanted


class _Interrupted(Exception):
    """The replay was called off; ends the thread that feeds and waits."""


class _Session:
    """One replay on a running stack; feeding and waiting block, so they have a thread of their own."""

    def __init__(
        self, settings: Settings, judged: Judged, files: Sequence[Path], *,
        speed: float | None, console: StackConsole, wanted: Wanted | None,
    ) -> None:  # fmt: skip
        self._settings, self._judged, self._files = settings, judged, files
        self._speed, self._console, self._wanted = speed, console, wanted
        self.stop = threading.Event()

    async def run(self, outcomes: list[Outcome], keep_running: bool) -> None:
        """Start the stack, feed it, wait, report; appends the outcome when every row has arrived."""
        from rich.console import Console

        from cryptoviz.local.stack import running_stack
        from cryptoviz.local.stack_parts import PROCESSING

        rows, home = self._judged.fed, self._settings.home
        self._console.line(f"Replaying {rows:,} rows of {len(self._files)} file(s); data and logs in {home}", "bold")
        for note in notes(self._judged, self._settings):
            self._console.note(note)
        names = (*PROCESSING, "grafana") if keep_running else PROCESSING
        async with running_stack(self._settings, names, self._console, "replay") as stack:
            self._console.line(f"Ready after {self._console.complete():.1f} s, feeding.", "bold")
            try:
                outcome = await asyncio.to_thread(self._feed, stack.settings)
            finally:
                self.stop.set()
            outcomes.append(outcome)
            Console(highlight=False).print(outcome.table())
            if self._wanted is not None:
                self._console.line("Reading the scores and drawing the report.", "bold")
                await asyncio.to_thread(self._report, stack.settings, outcome, self._wanted)
            if keep_running:
                self._console.line(f"ClickHouse answers at {stack.settings.clickhouse_url}. Ctrl-C ends everything.")
                await stack.run()

    def _feed(self, settings: Settings) -> Outcome:
        from cryptoviz.kafka import Writer, producer_config
        from cryptoviz.local.replay_outcome import Outcome, count_stored
        from cryptoviz.local.replay_screen import ReplayScreen
        from cryptoviz.progress import stages, wait_until_through
        from processors.sink_rows import TOPICS
        from producers.replay import Pace, feed

        began = time.monotonic()
        with ReplayScreen(len(self._judged.rows), self._check) as screen:
            writer = Writer(producer_config(settings, "cryptoviz-replay"))
            feed(self._judged, writer, settings, Pace(self._speed, sleep=self._pause), screen.fed)
            wait_until_through(settings, stages(TOPICS), screen.left, pause=self._pause)
        seconds = time.monotonic() - began
        return Outcome(len(self._files), self._judged.fed, self._judged.rejected, count_stored(settings), seconds)

    def _report(self, settings: Settings, outcome: Outcome, wanted: Wanted) -> None:
        from cryptoviz.report.make import make_report, replayed_of
        from cryptoviz.report.tables import console

        at = self._judged.rows.at
        period_ms = (int(at.min()), int(at.max())) if len(at) else None
        rows = (outcome.fed, outcome.stored.tables["quotes"])
        make_report(settings, replayed_of(settings, self._files, rows, period_ms), wanted, console())

    def _pause(self, seconds: float) -> None:
        self.stop.wait(seconds)
        self._check()

    def _check(self) -> None:
        if self.stop.is_set():
            raise _Interrupted
