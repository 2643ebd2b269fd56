"""What the page says of the replay itself."""

from __future__ import annotations

from pathlib import Path

from pydantic import SecretStr

from cryptoviz.report.make import replayed_of, settings_told
from cryptoviz.settings import load_settings


def test_settings_that_decide_the_figures_are_told_and_no_address_or_secret_is() -> None:
    settings = load_settings(clickhouse_password=SecretStr("hush"), horizon_hours=(1, 4), home=Path("/somewhere"))
    told = {name: (value, meaning) for name, value, meaning in settings_told(settings)}
    assert told["CRYPTOVIZ_HORIZON_HOURS"] == ("1, 4", "Horizons of the forecasts, in hours, comma separated")
    assert told["CRYPTOVIZ_ASSETS"][0] == "all"
    assert {"CRYPTOVIZ_BAR_SECONDS", "CRYPTOVIZ_HISTORY_HOURS", "CRYPTOVIZ_STALE_SECONDS"} <= told.keys()
    assert not [name for name in told if name.endswith("_PORT") or "CLICKHOUSE" in name or "KAFKA" in name]
    assert "hush" not in str(told)
    assert "/somewhere" not in str(told)


def test_the_time_covered_takes_the_last_bar_in() -> None:
    settings = load_settings(bar_seconds=300)
    assert replayed_of(settings, [Path("a/b.csv")], (9, 8), (0, 3_300_000)).covered_s == 3600
    nothing = replayed_of(settings, [Path("a/b.csv")], (9, 0), None)
    assert (nothing.files, nothing.fed, nothing.stored, nothing.covered_s) == (("b.csv",), 9, 0, 0)
