"""How bars become the points of a fit, and which models there are."""

from __future__ import annotations

from pathlib import Path

import fits
import numpy as np
import pytest

from cryptoviz.errors import UserError
from cryptoviz.settings import load_settings
from processors.batch import BATCH_MODELS, available_models, process
from processors.batch.base import BatchModel, log_percent, points_for_fit, prices, spacing_s, steps_ahead

ROOT = Path(__file__).resolve().parents[4]


@pytest.mark.parametrize(
    ("interval_s", "spacing"), [(1, 900), (60, 900), (300, 900), (600, 1200), (720, 3600), (900, 900), (3600, 3600)]
)
def test_points_are_whole_bars_apart_and_divide_an_hour(interval_s: int, spacing: int) -> None:
    assert spacing_s(interval_s) == spacing
    assert steps_ahead(interval_s, (3600, 86400)) == [3600 // spacing, 86400 // spacing]


def test_a_fit_sees_every_fifteenth_minute_counted_back_from_the_newest() -> None:
    closes = np.arange(1.0, 101.0)
    assert points_for_fit(closes, 60).tolist() == [10.0, 25.0, 40.0, 55.0, 70.0, 85.0, 100.0]
    assert points_for_fit(closes, 900).tolist() == closes.tolist()


@pytest.mark.parametrize("level", [9e-6, 1.0, 98_000.0])
def test_points_are_of_one_size_whatever_the_price_and_lead_back_to_it(level: float) -> None:
    closes = level * np.array([0.99, 1.01, 1.0])
    assert np.allclose(log_percent(closes, 900), [-1.005034, 0.995033, 0.0], atol=1e-6)
    assert np.allclose(prices(log_percent(closes, 900), closes[-1]), closes, rtol=1e-12)


def test_every_file_of_a_model_is_registered_and_described() -> None:
    folder = ROOT / "processors" / "batch"
    files = {path.stem for path in folder.glob("*.py") if "BatchModel(" in path.read_text()}
    assert files - {"base"} == {model.name for model in BATCH_MODELS}
    assert all(f"`{model.name}`" in (ROOT / "docs" / "models.md").read_text() for model in BATCH_MODELS)


def test_a_model_whose_library_is_not_installed_is_not_there() -> None:
    absent = BatchModel("absent", "no_such_library", fits.unchanged)
    assert available_models((absent, fits.model(fits.unchanged))) == (fits.model(fits.unchanged),)


def test_without_any_library_the_command_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "BATCH_MODELS", (BatchModel("absent", "no_such_library", fits.unchanged),))
    with pytest.raises(UserError, match=r"make setup-forecast.*cryptoviz\[forecast\]"):
        process.run(load_settings())
