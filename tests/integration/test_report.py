"""The report of a replay: what it writes is what the views say."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.client import Client
from recorded_files import candles
from replays import replay, rows, tables_of
from rich.console import Console

from cryptoviz.cli.migrate import run as migrate
from cryptoviz.clickhouse import connect
from cryptoviz.report.folder import Wanted
from cryptoviz.report.make import make_report, replayed_of
from cryptoviz.settings import Settings

pytestmark = pytest.mark.stack
START_S = 1_717_200_000
VIEW = "SELECT * FROM {database}.scoreboard WHERE kind = 'back_test' AND period = 'all'"
# Two models for five days, two assets, two sources, two horizons: holt is right about half of every change.
SCORES = f"""
INSERT INTO {{database}}.scores (asset, source, interval_s, made_at, horizon_s, target_at, model, price, forecast,
    confidence, actual, error, naive_error, relative_error, hit, covered, intervals, origin, scored_at)
SELECT ['BTC', 'ETH'][number % 2 + 1] AS asset, ['all', 'kraken'][intDiv(number, 2) % 2 + 1] AS source, 300,
    toDateTime64({START_S} + intDiv(number, 16) * 300, 3, 'UTC') AS made_at,
    [3600, 14400][intDiv(number, 4) % 2 + 1] AS horizon_s, made_at + toIntervalSecond(horizon_s) AS target_at,
    ['naive', 'holt'][intDiv(number, 8) % 2 + 1] AS model, 100 AS price, price + change / 2 * (model = 'holt'), 90.,
    price + change AS actual, if(model = 'holt', -change / 2, -change) AS error, -change AS naive_error,
    abs(error / naive_error), if(model = 'holt', true, NULL),
    [(0.5, abs(change) < 1), (0.8, abs(change) < 2), (0.95, true)], [(0.5, 2., 2.5), (0.8, 4., 4.5), (0.95, 8., 8.)],
    'replay', target_at
FROM (SELECT number, sin(intDiv(number, 4)) * 3 + 0.01 AS change FROM numbers(5 * 288 * 16))
"""


@pytest.fixture
def settings(stack_settings: Settings) -> Settings:
    """A database of the test's own, with tables and views."""
    migrate(stack_settings)
    return stack_settings


@pytest.fixture
def client(settings: Settings) -> Iterator[Client]:
    client = connect(settings)
    yield client
    client.close()


def _report(settings: Settings, folder: Path, source: str = "all") -> str:
    folder.mkdir()
    console = Console(file=io.StringIO(), width=120)
    last_ms = (START_S + 5 * 86_400) * 1000
    replayed = replayed_of(settings, [Path("made-up.parquet")], (1440, 1440), (START_S * 1000, last_ms))
    make_report(settings, replayed, Wanted(folder, source), console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def _same(written: dict[str, str], row: dict[str, Any]) -> None:
    """A line of the file has the row's columns in their order, floats to the last digit."""
    assert list(written) == list(row)
    for name, value in row.items():
        text = written[name]
        if isinstance(value, datetime):
            assert datetime.fromisoformat(text).replace(tzinfo=None) == value.replace(tzinfo=None)
        elif value is None:
            assert text == "", name
        else:
            assert type(value)(text) == value, name


def _check_csv(folder: Path, rows: list[dict[str, Any]]) -> None:
    with (folder / "scoreboard.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    key = ("source", "horizon_s", "asset", "model")
    assert len(lines) == len(rows)
    found = {tuple(line[name] for name in key): line for line in lines}
    for row in rows:
        _same(found[tuple(str(row[name]) for name in key)], row)


def test_what_is_written_and_printed_is_what_the_view_says(settings: Settings, client: Client, tmp_path: Path) -> None:
    database = settings.clickhouse_database
    client.command(SCORES.format(database=database))
    printed = _report(settings, tmp_path / "report")
    rows = list(client.query(VIEW.format(database=database)).named_results())
    assert len(rows) == 2 * 2 * 2 * 2
    _check_csv(tmp_path / "report", rows)
    assert "holt (4 of 4); independent outcomes per pair: 120 at 1 h, 30 at 4 h." in " ".join(printed.split())
    assert "Horizon 4 h, source all: each asset" in printed
    assert "source kraken" not in printed
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert page.count("<svg ") == 5
    assert "made-up.parquet" in page


def test_each_source_has_its_part(settings: Settings, client: Client, tmp_path: Path) -> None:
    client.command(SCORES.format(database=settings.clickhouse_database))
    printed = _report(settings, tmp_path / "report", "each")
    assert printed.index("source all") < printed.index("source kraken")
    assert (tmp_path / "report" / "report.html").read_text(encoding="utf-8").count("<svg ") == 10


def test_without_scores_it_says_why_and_writes_what_there_is(settings: Settings, tmp_path: Path) -> None:
    printed = " ".join(_report(settings, tmp_path / "report").split())
    assert "scored after 1 h more of data" in printed
    assert (tmp_path / "report" / "scoreboard.csv").read_text().startswith("kind,period,asset,source,")
    assert "scored after 1 h more of data" in (tmp_path / "report" / "report.html").read_text(encoding="utf-8")


def _recording(path: Path, hours: int) -> Path:
    """Candles of 5 minutes of two assets whose prices swing."""
    count = hours * 12
    closes = [100 + 5 * math.sin(n / 7) + math.sin(n * n) for n in range(2 * count)]
    return candles(
        path, [START_S * 1000 + number // 2 * 300_000 for number in range(2 * count)], ["BTC-USD", "ETH-USD"] * count,
        open=closes, high=closes, low=closes, close=closes,
    )  # fmt: skip


@pytest.mark.timeout(600)
def test_a_replay_ends_with_its_report(tmp_path: Path) -> None:
    file = _recording(tmp_path / "swing.parquet", hours=6)
    settings = {"bar_seconds": "300", "horizon_hours": "1,2"}
    replayed = replay(tmp_path / "home", file, "--report", tmp_path / "report", **settings)
    assert replayed.code == 0, replayed.output
    assert f"Report: {tmp_path / 'report' / 'report.html'}" in replayed.output
    with tables_of(tmp_path / "home") as client:
        found = rows(client, VIEW.format(database="crypto"))
        scored = rows(client, "SELECT countIf(void = '') AS n FROM scores FINAL")
    assert sum(row["n"] for row in found) == scored[0]["n"] > 0
    _check_csv(tmp_path / "report", found)
    for row in found:
        assert row["asset"] in replayed.output
        assert row["model"] in replayed.output
    assert "independent outcomes per pair: " in replayed.output
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "swing.parquet" in page
    assert "144 fed, 144 stored" in page
