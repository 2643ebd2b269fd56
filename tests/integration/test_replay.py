"""Four recorded days through the real stack: every candle stored, every result recomputed, the same under kills."""

from __future__ import annotations

import subprocess
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from independent import (
    FURTHER,
    MODELS,
    Expected,
    expected_at,
    expected_stats,
    further_at,
    is_broken,
    is_stale,
    points_before,
    same_percent,
    same_price,
)
from independent_indicators import expected_indicators, same_value
from replays import Replayed, fingerprints, finish_replay, part_of, replay, rows, start_replay, tables_of
from stored_scores import check_learned, check_scores
from waiting import wait_until

from cryptoviz.assets import AssetRegistry
from processors.learning import CONSENSUS_ADAPTIVE
from processors.models import MODELS as REGISTERED
from processors.models import ONLINE_MODELS

INTERVAL_MS = 300_000
DAY_MS = 86_400_000
STALE_MS = 600_000
FED_MS = 4 * DAY_MS
HORIZONS_S = (3600, 14_400, 86_400)
WINDOWS_S = (3600, 21_600, 86_400, 259_200)
FILE = "candles/binance_5m_2024-06_usdt_pairs.parquet"
TIMEOUT_S = 900
LATER = {*(model.name for model in (*REGISTERED, *ONLINE_MODELS)), CONSENSUS_ADAPTIVE}
"""Models that came later and have tests of their own."""
LEARNED = [("BTC", "all"), ("DOGE", "binance"), ("SOL", "all")]
"""Series whose bounds and shares are followed from their first score on."""

pytestmark = [pytest.mark.stack, pytest.mark.timeout(TIMEOUT_S)]


def _known(table: pa.Table) -> dict[str, dict[int, dict[str, Any]]]:
    """Candles of the registry's assets by asset and start."""
    found: dict[str, dict[int, dict[str, Any]]] = defaultdict(dict)
    registry = AssetRegistry()
    for row in table.to_pylist():
        listing = registry.listing(row["source"], row["symbol"])
        if listing is not None:
            found[listing.asset][row["ts"]] = row
    return found


class Recorded:
    """A recording, and one replay of it with the tables still at hand."""

    def __init__(self, file: Path, home: Path) -> None:
        self.file, self.table = file, pq.read_table(file)
        self.candles = _known(self.table)
        self.known = sum(map(len, self.candles.values()))
        self.home = home
        self.replayed = replay(home, file, "--speed", "max", bar_seconds="300")


@pytest.fixture(scope="module")
def days(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    folder = tmp_path_factory.mktemp("days")
    table = pq.read_table(shared_data / FILE)
    start = pc.min(table["ts"]).as_py()
    pq.write_table(table.filter(pc.less(table["ts"], start + FED_MS)), folder / "days.parquet")
    return Recorded(folder / "days.parquet", folder / "home")


@pytest.fixture(scope="module")
def client(days: Recorded) -> Iterator[Any]:
    with tables_of(days.home) as client:
        yield client


def _check_counts(recorded: Recorded) -> None:
    replayed = recorded.replayed
    assert replayed.code == 0, replayed.output
    assert replayed.counts["fed"] == recorded.table.num_rows
    assert replayed.counts["stored"] == recorded.known
    assert replayed.counts["rejected"] == recorded.table.num_rows - recorded.known


def _check_candles_and_bars(recorded: Recorded, client: Any) -> None:
    for asset, candles in recorded.candles.items():
        ordered = sorted(candles)
        prices = rows(
            client, f"SELECT ref, price, open, high, low, volume FROM quotes WHERE asset = '{asset}' ORDER BY at"
        )
        bars = rows(
            client,
            "SELECT toUnixTimestamp64Milli(start) AS ts, open, high, low, close, volume, quotes FROM bars "
            f"WHERE asset = '{asset}' AND source = 'binance' AND interval_s = 300 ORDER BY start",
        )
        assert [int(row["ref"]) for row in prices] == ordered
        assert [row["ts"] for row in bars] == ordered
        for start, quote, bar in zip(ordered, prices, bars, strict=True):
            candle = candles[start]
            wanted = (candle["open"], candle["high"], candle["low"], candle["close"], candle["volume"])
            assert (quote["open"], quote["high"], quote["low"], quote["price"], quote["volume"]) == wanted
            assert (bar["open"], bar["high"], bar["low"], bar["close"], bar["volume"]) == wanted
            assert bar["quotes"] == 1


def _closes(client: Any) -> dict[tuple[str, str], dict[int, float]]:
    """Closes by bar end, per series, as they are stored."""
    found: dict[tuple[str, str], dict[int, float]] = defaultdict(dict)
    query = "SELECT asset, source, toUnixTimestamp64Milli(start) AS ts, close FROM bars WHERE interval_s = 300"
    for row in rows(client, query):
        found[row["asset"], row["source"]][row["ts"] + INTERVAL_MS] = row["close"]
    return found


def _counts(client: Any) -> dict[tuple[str, str], dict[int, int]]:
    """Numbers of quotes by bar end, per series."""
    found: dict[tuple[str, str], dict[int, int]] = defaultdict(dict)
    query = "SELECT asset, source, toUnixTimestamp64Milli(start) AS ts, quotes FROM bars WHERE interval_s = 300"
    for row in rows(client, query):
        found[row["asset"], row["source"]][row["ts"] + INTERVAL_MS] = row["quotes"]
    return found


def _check_predictions(client: Any) -> int:
    checked, counts = 0, _counts(client)
    for (asset, source), closes in _closes(client).items():
        where = f"WHERE asset = '{asset}' AND source = '{source}'"
        made: dict[int, dict[tuple[int, str], dict[str, Any]]] = defaultdict(dict)
        for row in rows(client, f"SELECT *, toUnixTimestamp64Milli(made_at) AS t FROM predictions {where}"):
            made[row["t"]][row["horizon_s"], row["model"]] = row
        signals = {
            (row["t"], row["horizon_s"]): row
            for row in rows(client, f"SELECT *, toUnixTimestamp64Milli(made_at) AS t FROM signals {where}")
        }
        assert set(made) == set(closes)
        assert set(signals) == {(end, horizon) for end in closes for horizon in HORIZONS_S}
        for end, forecasts in made.items():
            points = points_before(closes, end, INTERVAL_MS, DAY_MS)
            horizons_h = [horizon / 3600 for horizon in HORIZONS_S]
            broken = is_broken(closes, end, INTERVAL_MS, DAY_MS)
            stale = is_stale(counts[asset, source], end, INTERVAL_MS, STALE_MS)
            judged = zip(
                HORIZONS_S, expected_at(points, INTERVAL_MS, horizons_h, broken, stale),
                further_at(points, INTERVAL_MS, horizons_h), strict=True,
            )  # fmt: skip
            for horizon_s, wanted, further in judged:
                signal = signals[end, horizon_s]
                said = (signal["signal"], signal["reason"], signal["ma_trend"])
                assert said == (wanted.signal, wanted.reason, wanted.ma_trend), (asset, source, end)
                assert same_percent(signal["confidence"], wanted.mean_confidence)
                for name in (*MODELS, "consensus"):
                    _check_forecast(forecasts.pop((horizon_s, name)), points, wanted, name)
                for name in FURTHER:
                    _check_forecast(forecasts.pop((horizon_s, name)), points, further, name)
                checked += len(MODELS) + 1 + len(FURTHER)
            assert {name for _, name in forecasts} <= LATER
    return checked


def _check_forecast(row: dict[str, Any], points: list[float], wanted: Expected, name: str) -> None:
    forecast = wanted.forecast.get(name)
    assert same_price(row["forecast"], forecast), row
    assert same_percent(row["confidence"], wanted.confidence.get(name)), row
    variation = None if forecast is None else (forecast - points[-1]) / points[-1] * 100
    assert same_percent(row["variation"], variation), row
    assert (row["price"], row["points"]) == (points[-1], len(points))
    assert row["reason"] == ("" if forecast is not None else "not_enough_points")
    assert row["target_at"].timestamp() == row["made_at"].timestamp() + row["horizon_s"]


def _check_stats(client: Any) -> int:
    rng, checked = np.random.default_rng(1), 0
    for (asset, source), closes in _closes(client).items():
        ends = sorted(closes)
        some = sorted({ends[0], ends[-1], *rng.choice(ends, 40).tolist()})
        found = rows(
            client,
            "SELECT *, toUnixTimestamp64Milli(at) AS t FROM stats "
            f"WHERE asset = '{asset}' AND source = '{source}' AND t IN ({', '.join(map(str, some))})",
        )
        assert len(found) == len(some) * len(WINDOWS_S)
        for row in found:
            wanted = expected_stats(closes, row["t"], row["window_s"] * 1000)
            assert row["points"] == wanted["points"]
            assert all(same_price(row[name], wanted[name]) for name in ("min", "max", "mean"))
            assert abs(row["std"] - wanted["std"]) <= 1e-9 * wanted["mean"]
            assert all(same_percent(row[name], wanted[name]) for name in ("variation", "volatility"))
            checked += 1
    return checked


def _check_indicators(client: Any) -> int:
    """Every value of every bar, from runs of consecutive bars."""
    checked, order = 0, "ORDER BY asset, source, t"
    columns = "asset, source, toUnixTimestamp64Milli(start) + interval_s * 1000 AS t, high, low, close"
    bars = rows(client, f"SELECT {columns} FROM bars WHERE interval_s = 300 {order}")
    found = rows(client, f"SELECT *, toUnixTimestamp64Milli(at) AS t FROM indicators {order}")
    assert [(row["asset"], row["source"], row["t"]) for row in found] == [
        (bar["asset"], bar["source"], bar["t"]) for bar in bars
    ]
    places = {(bar["asset"], bar["source"], bar["t"]): n for n, bar in enumerate(bars)}
    firsts = [n for n, bar in enumerate(bars) if (bar["asset"], bar["source"], bar["t"] - INTERVAL_MS) not in places]
    for first, end in zip(firsts, [*firsts[1:], len(bars)], strict=True):
        high, low, close = (np.array([bar[name] for bar in bars[first:end]]) for name in ("high", "low", "close"))
        for name, values in expected_indicators(high, low, close).items():
            for row, wanted, price in zip(found[first:end], values, close, strict=True):
                assert same_value(name, row[name], wanted, price), (name, row)
                checked += 1
    return checked


def test_every_candle_of_the_assets_is_stored_and_the_rest_is_counted(days: Recorded) -> None:
    _check_counts(days)


def test_quotes_and_bars_are_the_candles(days: Recorded, client: Any) -> None:
    _check_candles_and_bars(days, client)


def test_every_prediction_and_signal_agrees_with_a_recomputation_from_the_stored_bars(client: Any) -> None:
    assert _check_predictions(client) > 450_000


def test_statistics_agree_with_a_recomputation(client: Any) -> None:
    assert _check_stats(client) > 1_000


def test_every_indicator_agrees_with_a_recomputation_from_the_stored_bars(client: Any) -> None:
    assert _check_indicators(client) > 200_000


def test_every_forecast_whose_time_came_has_one_score_and_every_score_agrees_with_a_recomputation(client: Any) -> None:
    assert check_scores(client, INTERVAL_MS) > 500_000


def test_bounds_and_shares_agree_with_a_recomputation_from_the_stored_forecasts_and_bars(client: Any) -> None:
    bounded, shared = check_learned(client, INTERVAL_MS, LEARNED)
    assert bounded > 80_000
    assert shared > 80_000


def test_killing_worker_and_sink_in_the_middle_ends_with_the_same_tables(
    days: Recorded, client: Any, tmp_path: Path
) -> None:
    process = start_replay(tmp_path / "home", days.file, "--speed", "max", bar_seconds="300")
    for name in ("process", "sink", "process", "sink"):
        _kill_at_work(process, name)
    second = finish_replay(process)
    assert second.code == 0, second.output
    assert second.output.count(" is back after ") == 4, second.output
    with tables_of(tmp_path / "home") as disturbed:
        assert fingerprints(disturbed) == fingerprints(client)


def _kill_at_work(process: subprocess.Popen[str], name: str) -> None:
    """Kill a part with -9 once it has worked for a second of processor time, which is in the middle of the replay."""

    def at_work() -> Any:
        assert process.poll() is None, "the replay ended before a part could be killed"
        part = part_of(process, name)
        return part if part is not None and part.cpu_times().user > BUSY_S[name] else None

    part = wait_until(at_work, 240, f"{name} to be at work")
    part.kill()
    part.wait(30)  # gone, not only dead: else the next one to be killed might be the same


BUSY_S = {"process": 3.0, "sink": 1.8}
"""Processor time that a part has used when it is past its start and in the middle of its work."""


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_whole_month(shared_data: Path, tmp_path: Path) -> None:
    month = Recorded(shared_data / FILE, tmp_path / "home")
    _check_counts(month)
    with tables_of(month.home) as client:
        _check_candles_and_bars(month, client)
        assert _check_predictions(client) > 3_700_000  # 30 days of 288 forecasts, 12 series, 4 horizons, 9 models
        assert check_scores(client, INTERVAL_MS) > 4_000_000
        assert min(check_learned(client, INTERVAL_MS, LEARNED)) > 700_000
        once = fingerprints(client)
    again: Replayed = replay(tmp_path / "again", month.file, "--speed", "max", bar_seconds="300")
    assert again.code == 0, again.output
    with tables_of(tmp_path / "again") as client:
        assert fingerprints(client) == once


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("kind", ["candles", "ticks"])
def test_every_other_recording_goes_through(shared_data: Path, tmp_path: Path, kind: str) -> None:
    for number, file in enumerate(sorted((shared_data / kind).iterdir())):
        if file == shared_data / FILE:
            continue
        seconds = "300" if "_5m_" in file.name else "60"
        replayed = replay(tmp_path / f"home{number}", file, "--speed", "max", bar_seconds=seconds)
        assert replayed.code == 0, replayed.output
        counts = replayed.counts
        assert counts["stored"] + counts["rejected"] == counts["fed"] > 0, replayed.output
