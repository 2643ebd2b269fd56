"""Each control of the Predictions dashboard changes the numbers to those that `cryptoviz predict` prints for it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import click
import clickhouse_connect
import numpy as np
import pytest
from click.testing import CliRunner
from clickhouse_connect.driver.client import Client
from grafana_sql import Period, expand
from independent import same_percent, same_price
from servers import ClickHouseServer

from cryptoviz.cli import cryptoviz
from cryptoviz.cli.predict import predict
from cryptoviz.clickhouse import connect
from cryptoviz.dashboards.predictions import PREDICTIONS, ahead, asked, reason, signal
from cryptoviz.dashboards.predictions import now as figures
from cryptoviz.dashboards.query import Query
from cryptoviz.settings import Settings

pytestmark = pytest.mark.stack
MODELS = ("consensus", "ma_long", "ma_short", "momentum", "trend")
"""Those that the dashboard computes; the command prints more that take no parameter and are in no consensus."""
OPTIONS = {"history": "--history", "hours": "--hours", "short_window": "--short", "long_window": "--long",
           "momentum": "--momentum"}  # fmt: skip
CONTROLS = {variable.name: variable.values for variable in PREDICTIONS.variables if variable.values} | {
    "asset": ("BTC", "ETH", "DOGE"), "source": ("all", "binance", "coingecko", "kraken"),
}  # fmt: skip
AT_FIRST = {variable.name: variable.default[0] for variable in PREDICTIONS.variables}
MOVES = {
    "history": {"trend"}, "hours": {"trend", "momentum"}, "short_window": {"ma_short"}, "long_window": {"ma_long"},
    "momentum": {"momentum"}, "asset": {*MODELS}, "source": {*MODELS},
}  # fmt: skip
"""The models whose forecast hangs on a control; the consensus hangs on all of them."""
HOURS = 73
RISES = {"BTC": 0.0, "ETH": 2e-4, "DOGE": -2e-4}
"""How much the price changes per minute beside chance: enough for a BUY, a SELL and neither."""
Row = dict[str, Any]
Shown = dict[str, list[Row]]


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Of a ClickHouse of this file's own, whose database is the one that Grafana asks."""
    server = ClickHouseServer(tmp_path_factory.mktemp("predictions"))
    try:
        server.start()
        settings = server.migrated(clickhouse_database="crypto", health_port=1)
        store_bars(settings)
        yield settings
    finally:
        server.stop()


def store_bars(settings: Settings) -> None:
    """Three days of minutes that end now; a source has a gap 20 hours ago, another has been silent for a quarter."""
    rng = np.random.default_rng(3)
    last_s = int(time.time()) // 60 * 60 - 60
    rows = []
    for asset, rise in RISES.items():
        market = {"BTC": 98_000.0, "ETH": 3_400.0, "DOGE": 9e-6}[asset]
        steps = rng.normal(rise, 3e-4, HOURS * 60)
        for source in CONTROLS["source"]:
            prices = market * np.exp(np.cumsum(steps + rng.normal(0, 1e-4, len(steps))))
            for place, price in enumerate(prices.tolist()):
                back = len(prices) - 1 - place
                silent = source == "kraken" and back < 15
                if source != "coingecko" or back != 20 * 60:
                    start = (last_s - back * 60) * 1000
                    rows.append((asset, source, 60, start, price, price, price, price, 0 if silent else 3, "live"))
    names = ["asset", "source", "interval_s", "start", "open", "high", "low", "close", "quotes", "origin"]
    client = connect(settings)
    client.insert("bars", rows, names, database=settings.clickhouse_database)
    client.close()


@pytest.fixture(scope="module")
def grafana(settings: Settings) -> Iterator[Client]:
    """Who asks for the panels."""
    address = settings.clickhouse_url.rpartition(":")[2]
    client = clickhouse_connect.get_client(
        host="127.0.0.1", port=int(address), username="grafana", database=settings.clickhouse_database,
        autogenerate_session_id=False,
    )  # fmt: skip
    yield client
    client.close()


@pytest.fixture
def shown(grafana: Client) -> Callable[..., Shown]:
    """What the panels show for some choices, the others being as they are at first."""
    now_s = int(time.time())

    def rows(query: Query, chosen: Mapping[str, str]) -> list[Row]:
        answer = grafana.query(expand(query.sql, Period(now_s - 86_400, now_s + 86_400), chosen))
        return list(answer.named_results())

    def show(**changed: str) -> Shown:
        chosen = AT_FIRST | changed
        panels = {"figures": figures, "signal": signal, "reason": reason, "models": asked}
        made = {name: rows(panel.queries[0], chosen) for name, panel in panels.items()}
        return made | {"ahead": rows(ahead.queries[1], chosen)}

    return show


@pytest.fixture
def printed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Row]:
    """What the command prints for some choices."""
    for name in ("clickhouse_url", "clickhouse_user", "clickhouse_database", "health_port"):
        monkeypatch.setenv(f"CRYPTOVIZ_{name.upper()}", str(getattr(settings, name)))
    monkeypatch.setenv("CRYPTOVIZ_CLICKHOUSE_PASSWORD", settings.clickhouse_password.get_secret_value())

    def run(**changed: str) -> Row:
        chosen = AT_FIRST | changed
        arguments = [word for name, option in OPTIONS.items() for word in (option, chosen[name])]
        said = CliRunner().invoke(
            cryptoviz, ["predict", chosen["asset"], "--source", chosen["source"], "--json", *arguments]
        )
        assert said.exit_code == 0, said.output
        found: Row = json.loads(said.output)
        return found

    return run


def six_digits(shown: float | None, value: float | None) -> bool:
    """Whether one is the other with six significant digits."""
    return shown is value if shown is None or value is None else shown == pytest.approx(value, rel=5.001e-6, abs=0)


def check(panels: Shown, answer: Row) -> None:
    """The panels against what the command printed."""
    said = {entry["model"]: entry for entry in answer["forecasts"]}
    (now,) = panels["figures"]
    assert same_price(now["price"], answer["price"])
    assert same_price(now["forecast"], said["consensus"]["forecast"])
    assert same_percent(now["variation"], said["consensus"]["variation"])
    assert same_percent(now["volatility"], answer["volatility"])
    assert now["points"] == answer["points"]
    assert now["age_s"] == pytest.approx(time.time() - answer["made_at"] / 1000, abs=5)
    assert panels["signal"] == [{"signal": answer["signal"]["signal"]}]
    assert panels["reason"] == [{"signal_reason": answer["signal"]["reason"]}]
    assert [row["model"] for row in panels["models"]] == [*MODELS]
    for row in panels["models"]:
        entry = said[row["model"]]
        assert six_digits(row["forecast"], entry["forecast"]), (row, entry)
        assert same_percent(row["variation"], entry["variation"]), (row, entry)
        assert same_percent(row["confidence"], entry["confidence"]), (row, entry)
        assert row["reason"] == entry["reason"]
    check_lines(panels["ahead"], answer, said)


def check_lines(points: list[Row], answer: Row, said: Mapping[str, Row]) -> None:
    """The lines in the chart lead from the price now to each forecast at its time."""
    drawn = {(row["model"], row["time"].timestamp() * 1000): row["forecast"] for row in points}
    known = [name for name in MODELS if said[name]["forecast"] is not None]
    wanted = {(name, answer["made_at"]): answer["price"] for name in known}
    wanted |= {(name, answer["target_at"]): said[name]["forecast"] for name in known}
    assert drawn == pytest.approx(wanted, rel=1e-9, abs=0)


def numbers(panels: Shown) -> list[Any]:
    return [value for name in ("figures", "models") for row in panels[name] for key, value in row.items()
            if key != "age_s"]  # fmt: skip


@pytest.mark.parametrize("control", CONTROLS)
def test_each_choice_shows_what_the_command_prints(
    control: str, shown: Callable[..., Shown], printed: Callable[..., Row]
) -> None:
    seen = {}
    for value in CONTROLS[control]:
        panels = shown(**{control: value})
        check(panels, printed(**{control: value}))
        seen[value] = panels
    different = {str(numbers(panels)) for panels in seen.values()}
    assert len(different) == len(seen), "two choices show the same numbers"
    forecasts = {
        model: {str(row["forecast"]) for panels in seen.values() for row in panels["models"] if row["model"] == model}
        for model in MODELS
    }
    assert {model for model, values in forecasts.items() if len(values) > 1} == MOVES[control] | {"consensus"}


def test_several_choices_at_once_show_what_the_command_prints(
    shown: Callable[..., Shown], printed: Callable[..., Row]
) -> None:
    rng = np.random.default_rng(11)
    verdicts = set()
    for asset in CONTROLS["asset"]:
        for source in CONTROLS["source"]:
            chosen = {name: str(rng.choice(CONTROLS[name])) for name in OPTIONS} | {"asset": asset, "source": source}
            panels = shown(**chosen)
            check(panels, printed(**chosen))
            verdicts.add((panels["signal"][0]["signal"], panels["reason"][0]["signal_reason"]))
    assert verdicts >= {
        ("BUY", "variation_above_threshold"), ("SELL", "variation_below_threshold"),
        ("HOLD", "variation_within_threshold"), ("HOLD", "stale_source"),
    }  # fmt: skip


def test_choices_reach_from_end_to_end_of_what_the_command_takes() -> None:
    taken = {option.opts[0]: option.type for option in predict.params}
    for name, option in OPTIONS.items():
        kind = taken[option]
        assert isinstance(kind, click.IntRange)
        values = [int(value) for value in CONTROLS[name]]
        assert (min(values), max(values)) == (kind.min, kind.max)


@pytest.mark.parametrize(
    ("control", "value", "meant"),
    [("history", "1", "6"), ("history", "999", "72"), ("hours", "0", "1"), ("hours", "400", "24"),
     ("short_window", "4", "5"), ("long_window", "101", "100"), ("momentum", "none", "5")],
)  # fmt: skip
def test_a_number_out_of_range_in_a_link_is_the_nearest_that_there_is(
    control: str, value: str, meant: str, shown: Callable[..., Shown], printed: Callable[..., Row]
) -> None:
    check(shown(**{control: value}), printed(**{control: meant}))
