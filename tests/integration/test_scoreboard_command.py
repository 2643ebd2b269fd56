"""The command `scoreboard` over forecasts of every kind: what it prints, and what it says while there is nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner
from scored_forecasts import Judged, file_all
from servers import ClickHouseServer

from cryptoviz.cli import cryptoviz
from cryptoviz.cli.migrate import run as migrate
from cryptoviz.clickhouse import connect
from cryptoviz.errors import UserError
from cryptoviz.settings import load_settings

pytestmark = pytest.mark.stack
HOUR_S = 3600
T0 = 1_700_000_400_000 // 3_600_000 * 3_600_000


def filed(origin: str, hours: range, model: str = "trend", miss: float = 2.0) -> list[Judged]:
    return [
        Judged(T0 + hour * 3_600_000, HOUR_S, 100.0, 101.0 + miss, 101.0, model=model, origin=origin) for hour in hours
    ]


@pytest.fixture
def run(clickhouse: ClickHouseServer, database: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs the command on a database of its own and gives what it printed."""
    for name, value in (("URL", clickhouse.url), ("USER", clickhouse.user), ("PASSWORD", clickhouse.password),
                        ("DATABASE", database)):  # fmt: skip
        monkeypatch.setenv(f"CRYPTOVIZ_CLICKHOUSE_{name}", value)
    monkeypatch.setenv("CRYPTOVIZ_HEALTH_PORT", "1")
    migrate(load_settings())

    def ran(*arguments: str) -> str:
        result = CliRunner().invoke(cryptoviz, ["scoreboard", *arguments], catch_exceptions=False)
        assert result.exit_code == 0
        return result.output

    return ran


def test_an_empty_scoreboard_says_when_there_will_be_one(run: Any) -> None:
    assert "an hour after they were made" in run()
    assert json.loads(run("--json")) == []


def test_a_back_test_is_called_one_and_nothing_filed_is_said_first(run: Any, database: str) -> None:
    file_all(connect(load_settings()), database, filed("backfill", range(3)))
    said = run()
    assert said.startswith("No forecast filed in advance")
    assert "Back-test: made over history" in said
    assert "2023-11-14" in said


def test_filed_forecasts_come_first_and_assets_when_asked(run: Any, database: str) -> None:
    client = connect(load_settings())
    file_all(client, database, filed("backfill", range(3)) + filed("live", range(5, 9), miss=0.0))
    said = run()
    assert said.index("Filed in advance") < said.index("Back-test")
    assert "No forecast filed" not in said
    assert "BTC" not in said
    assert "BTC" in run("--assets")
    kinds = {row["kind"]: row for row in json.loads(run("--json"))}
    assert (kinds["filed"]["n"], kinds["filed"]["rmae"], kinds["back_test"]["rmae"]) == (4, 0.0, 2.0)


def test_without_a_pipeline_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTOVIZ_CLICKHOUSE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("CRYPTOVIZ_HEALTH_PORT", "1")
    with pytest.raises(UserError, match="Is the pipeline running"):
        CliRunner().invoke(cryptoviz, ["scoreboard"], catch_exceptions=False)
