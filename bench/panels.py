"""`make bench-panels`: how fast every panel answers over weeks of data, or with --demo over a running stack's."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import clickhouse_connect
import orjson
import psutil
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from rich.console import Console
from rich.progress import track
from rich.table import Table
from servers import ClickHouseServer

from bench.asking import Timing, questions, timed
from bench.ending import end_on_sigterm
from bench.market import Market, fill
from cryptoviz.cli.migrate import run as migrate
from cryptoviz.clickhouse import connect, first_line
from cryptoviz.running import settings_of, stack_health
from cryptoviz.settings import Settings, load_settings

RESULTS = Path(__file__).parent / "results" / "panels.json"
SETTLED_S, SETTLE_WITHIN_S = 10, 900
DEMO_LIMIT_MS, LIMIT_MS = 300, 1000
WIDTH = 130


@click.command(context_settings={"show_default": True})
@click.option("--quotes", default=20_000_000, help="How many quotes there shall be.")
@click.option("--days", default=30, help="Over how many days.")
@click.option("--assets", default=12, help="Of how many assets, at three sources each.")
@click.option("--home", type=click.Path(path_type=Path), help="A folder to keep the data for the next run. [else none]")
@click.option("--times", default=5, help="How often each question is asked, after once to warm up.")
@click.option("--only", default="", help="Only questions whose dashboard and panel contain this.")
@click.option("--shown", default=30, help="Rows of the table; the file has them all.")
@click.option("--demo", is_flag=True, help="Fill nothing: ask the running stack, or the ClickHouse the settings name.")
@click.option("--out", type=click.Path(path_type=Path), default=RESULTS, help="Where the figures go.")
def main(
    *, quotes: int, days: int, assets: int, home: Path | None, times: int, only: str, shown: int, demo: bool,
    out: Path,
) -> None:  # fmt: skip
    """Ask every query of every dashboard for five periods, and say how long ClickHouse took."""
    end_on_sigterm()
    console = Console()
    console.width = max(console.width, WIDTH)  # in a file, too
    with _running() if demo else _filled(Market(quotes, days, assets), home, console) as asked:
        load = os.getloadavg()[0]
        timings = _ask(asked, times, only, console)
        counts = {table: _count(asked, table) for table in ("quotes", "bars", "predictions", "scores")}
    limit_ms = DEMO_LIMIT_MS if demo else LIMIT_MS
    rows = sorted(timings, key=lambda timing: -timing.median_ms)
    console.print(_table(rows[:shown], limit_ms))
    over = sum(timing.median_ms > limit_ms for timing in rows)
    loads = [round(load, 1), round(os.getloadavg()[0], 1)]
    console.print(
        f"{over} of {len(rows)} queries over {limit_ms} ms; rows: "
        + ", ".join(f"{table} {count:,}" for table, count in counts.items())
        + f"; load of the machine {loads[0]} at first, {loads[1]} at last, {os.cpu_count()} processors"
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    found = {"limit_ms": limit_ms, "rows": counts, "load": loads, "queries": [_row(timing) for timing in rows]}
    out.write_bytes(orjson.dumps(found, option=orjson.OPT_INDENT_2))


@dataclass(frozen=True)
class Target:
    """Who asks, as the user `grafana`, when the data end, and ClickHouse's process if it is ours."""

    reader: Client
    until_s: int
    server: psutil.Process | None = None


@contextmanager
def _running() -> Iterator[Target]:
    settings = load_settings()
    reader = _reader(settings_of(settings, stack_health(settings)))
    yield Target(reader, int(time.time()))
    reader.close()


@contextmanager
def _filled(market: Market, home: Path | None, console: Console) -> Iterator[Target]:
    with tempfile.TemporaryDirectory(prefix="cryptoviz-bench-") as temporary:
        folder = home or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        server = ClickHouseServer(folder)
        try:
            server.start()
            settings = load_settings(
                clickhouse_url=server.url, clickhouse_user=server.user, clickhouse_password=server.password
            )
            migrate(settings)
            until_s = _fill(settings, market, console)
            reader = _reader(settings)
            yield Target(reader, until_s, psutil.Process(server.process.pid) if server.process else None)
            reader.close()
        finally:
            server.stop()


def _fill(settings: Settings, market: Market, console: Console) -> int:
    """Filled, merged as far as ClickHouse does that by itself (no OPTIMIZE), and filled up to now; until when."""
    client = connect(settings, timeout_s=900)
    database = settings.clickhouse_database
    began = time.monotonic()
    with console.status("filling"):
        fill(client, database, market, int(time.time()))
    console.print(f"filled within {time.monotonic() - began:.0f} s")
    with console.status("waiting for merges"):
        settled = _settle(client, database)
    console.print(f"merges {'done' if settled else 'still going on'} after {time.monotonic() - began:.0f} s")
    until_s = int(time.time())
    fill(client, database, market, until_s)
    client.close()
    return until_s


def _settle(client: Client, database: str) -> bool:
    deadline, quiet_since = time.monotonic() + SETTLE_WITHIN_S, time.monotonic()
    while time.monotonic() < deadline:
        (merging,) = client.query(f"SELECT count() FROM system.merges WHERE database = '{database}'").result_rows[0]
        quiet_since = time.monotonic() if merging else quiet_since
        if time.monotonic() - quiet_since > SETTLED_S:
            return True
        time.sleep(1)
    return False


def _reader(settings: Settings) -> Client:
    address = urlsplit(settings.clickhouse_url)
    try:
        return clickhouse_connect.get_client(
            host=address.hostname, port=address.port, username="grafana", database=settings.clickhouse_database,
            password=settings.clickhouse_grafana_password.get_secret_value(), autogenerate_session_id=False,
            query_limit=0,
        )  # fmt: skip
    except ClickHouseError as error:
        raise click.ClickException(f"ClickHouse at {settings.clickhouse_url}: {first_line(error)}") from error


def _ask(asked: Target, times: int, only: str, console: Console) -> list[Timing]:
    wanted = [
        question
        for question in questions(asked.reader, asked.until_s)
        if only.lower() in f"{question.dashboard}: {question.where}".lower()
    ]
    try:
        return [timed(asked.reader, each, times, asked.server) for each in track(wanted, "asking", console=console)]
    except ClickHouseError as error:
        raise click.ClickException(f"ClickHouse: {first_line(error)}") from error


def _count(asked: Target, table: str) -> int:
    return int(asked.reader.query(f"SELECT count() FROM {table} SETTINGS final = 0").result_rows[0][0])


def _table(timings: Sequence[Timing], limit_ms: int) -> Table:
    table = Table(title="Slowest first", title_justify="left")
    for name in ("dashboard", "panel", "query", "period", "chosen"):
        table.add_column(name, no_wrap=True)
    for name in ("median ms", "max ms", "cpu ms", "rows read"):
        table.add_column(name, justify="right")
    for timing in timings:
        asked, colour = timing.question, "red" if timing.median_ms > limit_ms else "green"
        table.add_row(
            asked.dashboard, asked.where[:44], str(asked.number), asked.period, asked.choices,
            f"[{colour}]{timing.median_ms:,.0f}[/]", f"{timing.max_ms:,.0f}", f"{timing.cpu_ms:,.0f}",
            f"{timing.rows_read:,}",
        )  # fmt: skip
    return table


def _row(timing: Timing) -> dict[str, Any]:
    return asdict(timing.question) | {
        "median_ms": round(timing.median_ms, 1), "max_ms": round(timing.max_ms, 1), "cpu_ms": round(timing.cpu_ms, 1),
        "rows_read": timing.rows_read, "rows": timing.rows,
    }  # fmt: skip


if __name__ == "__main__":
    main()
