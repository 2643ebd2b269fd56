"""When the batch models are fitted, what they file, and what they score; fits run in a real child process."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import fits
import pytest
from fakes import FakeBars, FakeTime
from pydantic import TypeAdapter

from cryptoviz import topics
from cryptoviz.errors import Retryable
from cryptoviz.messages import Prediction, Scores
from cryptoviz.settings import load_settings
from processors.batch.base import BatchModel, Fit
from processors.batch.fitting import Fitter
from processors.batch.forecaster import Forecaster, MakeFitter, Outgoing
from processors.batch.metrics import BatchMetrics
from processors.models.base import Floats

MINUTE, HOUR = 60_000, 3_600_000
NOON = 1_700_049_600_000  # a whole hour
SOON = NOON + 5 * MINUTE + 11_000
HORIZONS_S = (3600, 14400, 86400)


@dataclass
class Kafka:
    """What was published; refuses while `away`."""

    sent: list[Outgoing] = field(default_factory=list)
    away: bool = False

    def __call__(self, messages: Sequence[Outgoing]) -> None:
        if self.away:
            raise Retryable("Kafka does not answer")
        self.sent.extend(messages)

    def of(self, topic: topics.Topic) -> list[Any]:
        return [message for sent_to, _, message in self.sent if sent_to == topic]


class AtOnce(nullcontext[Any]):
    """Runs fits here: those of a child process have tests of their own, and take a second to begin."""

    def __init__(self, limit_s: float, stop: threading.Event) -> None:
        super().__init__(self)

    def fit(self, fit: Fit, closes: Floats, interval_s: int, horizons_s: Sequence[int]) -> Floats:
        return fit(closes, interval_s, tuple(horizons_s))


@dataclass
class World:
    """A forecaster and all it talks to; `now_ms` is the wall clock, and `late_ms` is added each time it is read."""

    models: tuple[BatchModel, ...] = (fits.model(fits.one_percent_an_hour),)
    database: FakeBars = field(default_factory=FakeBars)
    kafka: Kafka = field(default_factory=Kafka)
    settings: dict[str, Any] = field(default_factory=dict)
    now_ms: int = SOON
    late_ms: int = 0
    stop: threading.Event = field(default_factory=threading.Event)
    fitter: MakeFitter = AtOnce

    def __post_init__(self) -> None:
        self.metrics = BatchMetrics()
        settings = load_settings(**{"batch_fit_seconds": 120} | self.settings)
        self.forecaster = Forecaster(
            settings, self.models, ("BTC", "ETH"), connect=lambda: self.database,  # type: ignore[arg-type,return-value]
            publish=self.kafka, metrics=self.metrics, now_ms=self._read_clock, now_s=FakeTime(),
            fitter=self.fitter,
        )  # fmt: skip

    def _read_clock(self) -> int:
        self.now_ms += self.late_ms
        return self.now_ms

    def store(self, asset: str, hours: float, until: int = NOON + 5 * MINUTE, price: float = 100.0) -> None:
        """Bars of a minute that rise slowly, the last of which ends at `until`."""
        count = int(hours * 60)
        self.database.bars.setdefault(asset, {}).update(
            {until - n * MINUTE: (price + 0.001 * (count - n), 3) for n in range(1, count + 1)}
        )

    def look(self, now_ms: int | None = None) -> list[Any]:
        """What is filed when the forecaster looks at this time."""
        before = len(self.kafka.sent)
        self.now_ms = now_ms or self.now_ms
        self.forecaster.look(self.stop)
        return [message for _, _, message in self.kafka.sent[before:]]

    def count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"cryptoviz_forecaster_{name}", labels) or 0.0


def test_a_message_holds_every_model_and_horizon_of_one_asset() -> None:
    world = World(models=(fits.model(fits.one_percent_an_hour), fits.model(fits.unchanged)))
    world.store("BTC", 24)
    (message,) = world.look()
    TypeAdapter(Prediction).validate_python(message)
    ((topic, asset, _),) = world.kafka.sent
    assert (topic, asset) == (topics.PREDICTIONS, "BTC")
    made_at, price = NOON + 5 * MINUTE, message["price"]
    assert message["id"] == f"BTC/all/60/{made_at}/batch"
    assert (message["made_at"], message["points"], message["origin"]) == (made_at, 1440, "live")
    assert price == pytest.approx(101.439)
    assert [(one["model"], one["horizon_s"]) for one in message["forecasts"]] == [
        (model, horizon_s) for model in ("one_percent_an_hour", "unchanged") for horizon_s in HORIZONS_S
    ]
    first, *_, last = message["forecasts"]
    assert first["target_at"] == made_at + HOUR
    assert first["forecast"] == pytest.approx(price * 1.01)
    assert first["variation"] == pytest.approx(1.0)
    assert (first["reason"], first["version"], first["bounds"]) == ("", "1", [])
    prices = [101.439 - 0.001 * n for n in range(20)]
    mean = sum(prices) / 20
    volatility = math.sqrt(sum((one - mean) ** 2 for one in prices) / 20) / mean * 100
    assert first["confidence"] == pytest.approx(99 * (1 - volatility / 200))
    assert last["forecast"] == price
    assert world.count("forecasts_total", model="unchanged") == 3


def test_a_series_is_forecast_soon_after_the_start_and_then_on_every_hour() -> None:
    world = World()
    world.store("BTC", 24)
    assert [message["made_at"] for message in world.look()] == [NOON + 5 * MINUTE]
    filed = []
    for minute in range(6, 130):
        world.store("BTC", 0.02, until=NOON + minute * MINUTE)
        filed += [message["made_at"] for message in world.look(NOON + minute * MINUTE + 12_000)]
    assert filed == [NOON + HOUR, NOON + 2 * HOUR]


def test_an_asset_that_comes_later_is_forecast_when_it_comes() -> None:
    world = World()
    world.store("BTC", 24)
    assert [message["asset"] for message in world.look()] == ["BTC"]
    world.store("ETH", 24, until=NOON + 10 * MINUTE)
    assert [message["asset"] for message in world.look(NOON + 10 * MINUTE + 11_000)] == ["ETH"]


def test_old_prices_are_not_forecast_from() -> None:
    world = World()
    world.store("BTC", 24, until=NOON - HOUR)
    assert world.look() == []


def test_nothing_is_filed_whose_target_has_come() -> None:
    # The clock is read for the scores, for the newest bars, and before filing: so long the fits take here.
    world = World(late_ms=90 * MINUTE)
    world.store("BTC", 24, until=NOON + 180 * MINUTE)
    (message,) = world.look(NOON + 11_000)
    assert {one["horizon_s"] for one in message["forecasts"]} == {14400, 86400}
    slower = World(late_ms=25 * HOUR)
    slower.store("BTC", 24, until=NOON + 50 * HOUR)
    assert slower.look(NOON + 11_000) == []
    assert slower.count("fits_total", model="one_percent_an_hour", outcome="ok") == 1
    assert slower.count("last_filed_timestamp_seconds") == 0


def test_a_fit_that_fails_is_a_null_forecast_and_a_warning_and_the_others_go_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    models = (fits.model(fits.breaks), fits.model(fits.dies), fits.model(fits.unchanged))
    world = World(models=models, fitter=Fitter)
    world.store("BTC", 24)
    world.store("ETH", 24)
    for message in world.look():
        TypeAdapter(Prediction).validate_python(message)
        said = {one["model"]: one for one in message["forecasts"]}
        for model in ("breaks", "dies"):
            one = said[model]
            assert (one["forecast"], one["variation"], one["confidence"]) == (None, None, None)
            assert one["reason"] == "fit_failed"
        assert said["unchanged"]["forecast"] == message["price"]
    assert "breaks of BTC/all: fit_failed (LinAlgError: singular matrix)" in caplog.text
    assert world.count("fits_total", model="breaks", outcome="fit_failed") == 2
    assert world.count("fits_total", model="unchanged", outcome="ok") == 2


def test_a_fit_that_hangs_is_a_null_forecast() -> None:
    settings = {"batch_fit_seconds": fits.NO_TIME_S}
    world = World(models=(fits.model(fits.never_ends),), settings=settings, fitter=Fitter)
    world.store("BTC", 24)
    (message,) = world.look()
    assert {one["reason"] for one in message["forecasts"]} == {"fit_timed_out"}


def test_too_short_a_series_is_not_fitted() -> None:
    world = World()
    world.store("BTC", 11.75)
    world.store("ETH", 12)
    btc, eth = world.look()
    assert {one["reason"] for one in btc["forecasts"]} == {"not_enough_points"}
    assert {one["reason"] for one in eth["forecasts"]} == {""}
    assert world.count("fits_total", model="one_percent_an_hour", outcome="not_enough_points") == 1


def test_only_the_bars_since_the_last_gap_count() -> None:
    world = World()
    world.store("BTC", 24)
    del world.database.bars["BTC"][NOON + 5 * MINUTE - 13 * HOUR]
    (message,) = world.look()
    assert message["points"] == 13 * 60 - 1
    assert {one["reason"] for one in message["forecasts"]} == {""}


def test_we_end_during_a_fit_without_filing_half_of_it() -> None:
    world = World(models=(fits.model(fits.unchanged), fits.model(fits.never_ends)), fitter=Fitter)
    world.store("BTC", 24)
    threading.Timer(0.5, world.stop.set).start()
    assert world.look() == []


def test_bounds_come_from_past_errors_of_the_same_model_and_horizon() -> None:
    world = World(models=(fits.model(fits.unchanged),))
    world.store("BTC", 24)
    world.database.errors = [("unchanged", 3600, 0.01)] * 20 + [("unchanged", 14400, 0.02)] * 19
    (message,) = world.look()
    hour, four_hours, _ = message["forecasts"]
    assert [(one["level"], one["lower"] / message["price"]) for one in hour["bounds"]] == [
        (level, pytest.approx(0.99)) for level in (0.5, 0.8, 0.95)
    ]
    assert four_hours["bounds"] == []


def test_while_kafka_or_clickhouse_is_away_it_warns_once_and_stays_well(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.store("BTC", 24)
    world.kafka.away = True
    assert world.look() == world.look() == []
    world.kafka.away = False
    world.database.troubles = [ConnectionError("refused")]
    assert world.look() == []
    assert world.forecaster.health()["ok"]
    assert "refused" in world.forecaster.health()["state"]
    assert caplog.text.count("trying again") == 1
    assert len(world.look()) == 1
    assert world.forecaster.health()["state"] == "running"


def waiting(made_at: int, horizon_s: int, forecast: float) -> tuple[Any, ...]:
    """A row of a filed forecast as the scoring reads it."""
    bounds: list[Any] = [{"level": 0.8, "lower": 90.0, "upper": 110.0}]
    return (
        "BTC",
        "all",
        made_at,
        horizon_s,
        made_at + horizon_s * 1000,
        "unchanged",
        "1",
        100.0,
        forecast,
        99.0,
        bounds,
    )


def test_a_forecast_is_scored_once_its_target_has_come_and_only_once() -> None:
    world = World(models=(fits.model(fits.unchanged),))
    world.store("BTC", 30, until=NOON + HOUR)
    world.database.waiting = [waiting(NOON, 3600, 103.0), waiting(NOON - 3 * HOUR, 14400, 99.0),
                              waiting(NOON, 14400, 100.0)]  # fmt: skip
    assert [message for message in world.look(NOON + HOUR - 1000) if "scores" in message] == []
    scored = [message for message in world.look(NOON + HOUR + 11_000) if "scores" in message]
    (message,) = scored
    TypeAdapter(Scores).validate_python(message)
    assert message["id"] == f"BTC/all/60/{NOON + HOUR}/batch"
    assert message["actual"] == pytest.approx(101.799)
    assert [(one["made_at"], one["horizon_s"]) for one in message["scores"]] == [(NOON, 3600), (NOON - 3 * HOUR, 14400)]
    assert [one["error"] for one in message["scores"]] == [pytest.approx(1.201), pytest.approx(-2.799)]
    assert [one["hit"] for one in message["scores"]] == [True, False]
    # ClickHouse does not have the score yet, so it still says that the forecast waits.
    assert [message for message in world.look(NOON + HOUR + 26_000) if "scores" in message] == []
    assert world.count("scores_total", model="unchanged") == 2


def test_scoring_waits_for_kafka() -> None:
    world = World(models=(fits.model(fits.unchanged),))
    world.store("BTC", 30, until=NOON + HOUR)
    world.database.waiting = [waiting(NOON, 3600, 103.0)]
    world.kafka.away = True
    world.look(NOON + HOUR + 11_000)
    world.kafka.away = False
    assert len([message for message in world.look(NOON + HOUR + 26_000) if "scores" in message]) == 1
