"""The batch models as a process on a real broker and ClickHouse: forecasts filed in advance, and scored later."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import fits
import numpy as np
import orjson
import pytest
from confluent_kafka import Consumer
from servers import KafkaServer
from sink_process import SinkProcess, ask
from waiting import wait_until

from cryptoviz.cli.migrate import run as migrate
from cryptoviz.clickhouse import connect
from cryptoviz.kafka import consumer_config
from cryptoviz.local.ports import free_ports
from cryptoviz.local.stack_parts import environment
from cryptoviz.partitions import partition_of
from cryptoviz.running import fetch
from cryptoviz.settings import Settings
from cryptoviz.topics_admin import ensure_topics
from processors.batch import BATCH_MODELS, available_models
from processors.batch.base import BatchModel
from processors.batch.forecaster import Forecaster
from processors.batch.intervals import read_errors
from processors.batch.metrics import BatchMetrics
from processors.batch.process import publish
from processors.batch.scoring import unscored
from processors.batch.series import Series

pytestmark = pytest.mark.stack
MINUTE, HOUR, FIVE_MINUTES = 60_000, 3_600_000, 300_000
FAKES = (fits.model(fits.one_percent_an_hour), fits.model(fits.breaks))
INSTALLED = {model.name for model in available_models()}
NEEDS_EXTRA = pytest.mark.skipif(
    {model.name for model in BATCH_MODELS} != INSTALLED,
    reason="the extra `forecast` is not installed (make setup-forecast)",
)


@pytest.fixture
def settings(stack_settings: Settings, broker: KafkaServer) -> Settings:
    """Topics and tables are there; only BTC is followed."""
    (port,) = free_ports(1)
    changes = {"kafka": broker.address, "assets": ("BTC",), "forecaster_port": port}
    settings = stack_settings.model_copy(update=changes)
    ensure_topics(settings)
    migrate(settings)
    return settings


@pytest.fixture
def sink(settings: Settings, tmp_path: Path) -> Iterator[SinkProcess]:
    process = SinkProcess(settings, tmp_path)
    process.start()
    yield process
    process.end(signal.SIGKILL)


def store_bars(settings: Settings, first_end: int, last_end: int, price: float = 100.0) -> None:
    """Bars of BTC/all that end from the first to the last of these times, each 0.001 above the one before."""
    ends = range(first_end, last_end + 1, MINUTE)
    closes = [price + 0.001 * n for n in range(len(ends))]
    rows = [["BTC", "all", 60, end - MINUTE, close, close, close, close, 1, "live", end, 9]
            for end, close in zip(ends, closes, strict=True)]  # fmt: skip
    names = ["asset", "source", "interval_s", "start", "open", "high", "low", "close", "quotes", "origin", "filed_at",
             "precedence"]  # fmt: skip
    client = connect(settings)
    client.insert("bars", rows, names, database=settings.clickhouse_database)
    client.close()


def forecaster(settings: Settings, now_ms: list[int], models: Sequence[BatchModel] = FAKES) -> Forecaster:
    """One at whose clock `now_ms` holds the hand."""
    return Forecaster(
        settings, models, settings.assets, connect=partial(connect, settings), publish=partial(publish, settings),
        metrics=BatchMetrics(), now_ms=lambda: now_ms[0],
    )  # fmt: skip


def read(settings: Settings, topic: str, since_ms: int) -> list[dict[str, Any]]:
    """Messages of BTC's partition with a batch id, of moments from `since_ms` on."""
    config = consumer_config(settings, "test", f"test-{time.monotonic_ns()}") | {"enable.partition.eof": True}
    del config["group.instance.id"]
    consumer = Consumer(config)
    try:
        place = partition_of("BTC", settings.partitions)
        found = []
        consumer.subscribe([topic], on_assign=lambda client, parts: client.assign(
            [part for part in parts if part.partition == place]))  # fmt: skip
        while True:
            message = consumer.poll(30)
            assert message is not None, f"no answer about {topic}"
            if message.error() is not None:
                return [one for one in found if one["id"].endswith("/batch") and _moment(one) >= since_ms]
            assert message.key() == b"BTC"
            found.append(orjson.loads(message.value() or b""))
    finally:
        consumer.close()


def _moment(message: dict[str, Any]) -> int:
    return int(message.get("made_at", message.get("target_at", 0)))


def stored(settings: Settings, table: str, count: int, sink: SinkProcess) -> list[tuple[Any, ...]]:
    """The rows of a table by model and horizon, once there are so many."""
    columns = {
        "predictions": "model, horizon_s, forecast, reason, filed_at < target_at",
        "scores": "model, horizon_s, round(error, 6), void, hit, toUnixTimestamp64Milli(target_at)",
    }[table]
    sql = f"SELECT {columns} FROM {{db}}.{table} FINAL ORDER BY made_at, model, horizon_s"
    wait_until(lambda: len(ask(settings, sql)) >= count, 60, f"{count} {table} (log: {sink.log})")
    return ask(settings, sql)


def test_forecasts_are_filed_in_advance_and_scored_once_when_their_time_has_come(
    settings: Settings, sink: SinkProcess
) -> None:
    made_at = time.time_ns() // 1_000_000 // FIVE_MINUTES * FIVE_MINUTES
    store_bars(settings, made_at - 24 * HOUR + MINUTE, made_at)
    now, stop = [made_at + 11_000], threading.Event()
    first = forecaster(settings, now)
    first.look(stop)
    (message,) = read(settings, "predictions", made_at)
    assert message["id"] == f"BTC/all/60/{made_at}/batch"
    price = message["price"]
    assert price == pytest.approx(101.439)
    expected = [("breaks", horizon_s, None, "fit_failed", True) for horizon_s in settings.horizons_s]
    expected += [("one_percent_an_hour", horizon_s, pytest.approx(price * (1 + horizon_s / 360_000)), "", True)
                 for horizon_s in settings.horizons_s]  # fmt: skip
    assert stored(settings, "predictions", 6, sink) == expected

    client = connect(settings)
    names = [model.name for model in FAKES]
    target = made_at + HOUR
    assert unscored(client, settings, names, target - 1) == []
    assert [one.horizon_s for one in unscored(client, settings, names, target)] == [3600]
    now[0] = target + 11_000
    first.look(stop)
    assert read(settings, "scores", target) == []  # there is no bar yet

    store_bars(settings, made_at + MINUTE, target, price=price)
    first.look(stop)
    (scores,) = read(settings, "scores", target)
    assert scores["id"] == f"BTC/all/60/{target}/batch"
    actual = price + 0.059
    error = round(price * 1.01 - actual, 6)
    assert stored(settings, "scores", 1, sink) == [("one_percent_an_hour", 3600, error, "", True, target)]
    assert unscored(client, settings, names, target) == []
    forecaster(settings, now).look(stop)  # as after a restart
    assert len(read(settings, "scores", target)) == 1
    assert [one["made_at"] for one in read(settings, "predictions", made_at)] == [made_at, target, target]
    client.close()


def test_intervals_learn_from_what_was_scored_by_the_time_of_the_forecast(settings: Settings) -> None:
    made_at = time.time_ns() // 1_000_000 // HOUR * HOUR
    kept = [("BTC", "auto_ets", 3600, made_at - n * HOUR, 2.0, "") for n in range(3)]
    others = [
        ("ETH", "auto_ets", 3600, made_at, 3.0, ""),
        ("BTC", "trend", 3600, made_at, 3.0, ""),
        ("BTC", "auto_ets", 3600, made_at + HOUR, 3.0, ""),
        ("BTC", "auto_ets", 14400, made_at, None, "no_bar"),
    ]
    rows = [[asset, "all", 60, target_at - horizon_s * 1000, horizon_s, target_at, model, 200.0, error, void, 9]
            for asset, model, horizon_s, target_at, error, void in (*kept, *others)]  # fmt: skip
    names = ["asset", "source", "interval_s", "made_at", "horizon_s", "target_at", "model", "price", "error", "void",
             "precedence"]  # fmt: skip
    client = connect(settings)
    client.insert("scores", rows, names, database=settings.clickhouse_database)
    series = Series("BTC", "all", 60, made_at, np.array([200.0]))
    assert read_errors(client, settings, series, ["auto_ets", "prophet"]) == {("auto_ets", 3600): [0.01] * 3}
    client.close()


def run_command(settings: Settings, log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "cryptoviz", "forecast"], env=os.environ | environment(settings), stdout=output,
            stderr=output,
        )  # fmt: skip


def _of_real_models(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The topic also holds what other tests of this file have filed."""
    return [message for message in messages if message["forecasts"][0]["model"] in INSTALLED]


@NEEDS_EXTRA
def test_the_command_files_forecasts_of_the_real_models_and_ends_when_told_to(
    settings: Settings, tmp_path: Path
) -> None:
    made_at = time.time_ns() // 1_000_000 // FIVE_MINUTES * FIVE_MINUTES
    store_bars(settings, made_at - 72 * HOUR + MINUTE, made_at)
    process = run_command(settings, tmp_path / "forecast.log")
    try:
        (message, *_) = wait_until(lambda: _of_real_models(read(settings, "predictions", made_at)), 120,
                                   "forecasts of the real models")  # fmt: skip
        said = {(one["model"], one["horizon_s"]): one for one in message["forecasts"]}
        assert {model for model, _ in said} == {"auto_arima", "auto_ets", "prophet"}
        assert {one["reason"] for one in said.values()} == {""}
        for model in ("auto_arima", "auto_ets", "prophet"):
            rise = said[model, 3600]["forecast"] - message["price"]
            assert np.isclose(rise, 0.06, atol=0.005), (model, rise)
        status, body = fetch(f"http://127.0.0.1:{settings.forecaster_port}/health") or (0, b"{}")
        assert status == 200
        assert set(orjson.loads(body)["models"]) == {"auto_arima", "auto_ets", "prophet"}
        _, metrics = fetch(f"http://127.0.0.1:{settings.forecaster_port}/metrics") or (0, b"")
        assert b'cryptoviz_forecaster_forecasts_total{model="auto_arima"} 3.0' in metrics
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()


@pytest.mark.skipif(bool(INSTALLED), reason="the extra `forecast` is installed")
def test_without_the_extra_the_command_says_what_to_install(settings: Settings, tmp_path: Path) -> None:
    log = tmp_path / "forecast.log"
    assert run_command(settings, log).wait(60) == 1
    assert log.read_text().startswith("cryptoviz: no batch model is installed: run `make setup-forecast`")
