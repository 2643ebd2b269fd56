from __future__ import annotations

from typing import Any

import sink_messages as made
from rich.console import Console

from cryptoviz.board import Board, price_text

H1, H4 = 3600, 14400


def board(*assets: str, source: str = "all") -> Board:
    return Board(assets or ("BTC",), source, 60, (H1, H4))


def text(shown: Board) -> str:
    console = Console(width=160, no_color=True)
    with console.capture() as captured:
        console.print(shown.table())
    return captured.get()


def consensus(n: int, variation: float | None = 1.5) -> Any:
    message: Any = made.prediction(n)
    for forecast in message["forecasts"]:
        forecast |= {"model": "consensus", "variation": variation, "confidence": variation and 88.0}
    return message


def test_nothing_known_is_a_dash() -> None:
    shown = board()
    assert shown.empty
    assert "BTC" in text(shown)
    assert "-" in text(shown)


def test_price_change_forecasts_and_signals_are_shown_per_asset() -> None:
    shown = board()
    for n in (0, 2):
        shown.apply("bars", made.bar(n))
    shown.apply("predictions", consensus(2))
    shown.apply("signals", made.signal(2))
    assert shown.complete
    assert "+100.00% 2 min" in text(shown)
    assert "+1.50%  88%" in text(shown)
    assert "BUY HOLD" in text(shown)


def test_the_change_looks_back_an_hour_at_most() -> None:
    shown = board()
    for n in range(0, 200, 10):
        shown.apply("bars", made.bar(n))
    percent, ms = shown.lines["BTC"].change() or (0.0, 0)
    assert ms == 3_600_000
    assert round(percent, 6) == round((192 / 132 - 1) * 100, 6)
    assert "% 1 h" in text(shown)


def test_forecasts_of_the_batch_models_leave_the_consensus_as_it_is() -> None:
    shown = board()
    shown.apply("predictions", consensus(2))
    shown.apply("predictions", made.prediction(2))
    assert "+1.50%  88%" in text(shown)


def test_what_is_older_than_what_is_shown_changes_nothing() -> None:
    shown = board()
    shown.apply("bars", made.bar(5))
    shown.apply("bars", made.bar(4))
    assert [price for _, price in shown.lines["BTC"].closes] == [7.0]
    shown.apply("predictions", consensus(5, variation=3.0))
    shown.apply("predictions", consensus(4, variation=9.0))
    assert "+3.00%" in text(shown)


def test_other_assets_sources_and_intervals_are_passed_over() -> None:
    shown = board("ETH")
    shown.apply("bars", made.bar(0))
    assert shown.empty
    shown = board(source="binance")
    shown.apply("bars", made.bar(0))
    assert shown.empty
    shown = board()
    shown.apply("bars", {**made.bar(0), "interval_s": 3600})
    assert shown.empty


def test_a_forecast_without_a_figure_is_a_dash() -> None:
    shown = board()
    shown.apply("predictions", consensus(0, variation=None))
    assert "%" not in text(shown)


def test_prices_keep_six_digits() -> None:
    assert [price_text(price) for price in (65432.1, 0.123456789, 99.5)] == ["65,432.10", "0.123457", "99.5"]
