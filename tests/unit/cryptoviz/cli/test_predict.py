"""The predict command up to where it would ask ClickHouse: arguments, and how an answer is shown."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from cryptoviz.cli.predict import predict, verdict
from cryptoviz.errors import UserError
from cryptoviz.settings import Settings
from processors.on_demand import Question


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "Missing argument"),
        (["NOPE"], "unknown asset 'NOPE'; known are BTC"),
        (["BTC", "--models", "arima"], "unknown model arima; known are ma_short"),
        (["BTC", "--models", ","], "unknown model no model"),
        (["BTC", "--hours", "25"], "1<=x<=24"),
        (["BTC", "--history", "5"], "6<=x<=72"),
        (["BTC", "--short", "31"], "5<=x<=30"),
        (["BTC", "--long", "19"], "20<=x<=100"),
        (["BTC", "--momentum", "0"], "5<=x<=30"),
        (["BTC", "--hours", "1; DROP TABLE bars"], "not a valid integer"),
    ],
)
def test_what_cannot_be_asked_is_wrong_usage(arguments: list[str], says: str) -> None:
    outcome = CliRunner().invoke(predict, arguments)
    assert outcome.exit_code == 2
    assert says in outcome.output


def test_without_clickhouse_it_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRYPTOVIZ_CLICKHOUSE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("CRYPTOVIZ_HEALTH_PORT", "1")
    error = CliRunner().invoke(predict, ["BTC"]).exception
    assert isinstance(error, UserError)
    assert "ClickHouse at http://127.0.0.1:1 is not available" in str(error)
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("setting", "arguments", "others"),
    [("", [], ["naive", "drift", "ewma", "holt"]), ("naive", [], ["naive"]), ("naive", ["--models", "holt"], ["holt"])],
)
def test_models_that_run_are_asked_unless_others_are_named(
    monkeypatch: pytest.MonkeyPatch, setting: str, arguments: list[str], others: list[str]
) -> None:
    questions: list[Question] = []

    def stop(_: Settings, question: Question) -> None:
        questions.append(question)
        raise UserError("asked")

    monkeypatch.setenv("CRYPTOVIZ_MODELS", setting)
    monkeypatch.setattr("cryptoviz.cli.predict.asked", stop)
    assert str(CliRunner().invoke(predict, ["BTC", *arguments]).exception) == "asked"
    assert [model.name for model in questions[0].models if not model.weight] == others


def test_a_signal_is_shown_with_the_rule_that_decided() -> None:
    signal = {"signal": "SELL", "reason": "variation_below_threshold", "confidence": 90.0, "ma_trend": "bearish"}
    assert verdict({"signal": signal}) == [
        "signal [red]SELL[/]: variation below threshold (mean confidence 90.0 %), moving averages bearish",
        "Not financial advice.",
    ]
