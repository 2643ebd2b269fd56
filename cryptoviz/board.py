"""What `cryptoviz watch` shows: the newest price, forecasts and signals of every asset, from result messages. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rich import box
from rich.table import Table

from cryptoviz.clock import utc
from cryptoviz.topics import BARS, PREDICTIONS, SIGNALS

CONSENSUS = "consensus"
HOUR_MS = 3_600_000
COLOURS = {"BUY": "green", "SELL": "red", "HOLD": "yellow"}


@dataclass
class Line:
    """One asset: closes of the last hour as (end of bar in ms, price), and by horizon what was said last."""

    closes: deque[tuple[int, float]] = field(default_factory=deque)
    forecasts: dict[int, tuple[float | None, float | None]] = field(default_factory=dict)
    """(variation, confidence) of the consensus, both in percent."""
    signals: dict[int, str] = field(default_factory=dict)
    made_at: int = 0

    def add_close(self, end: int, price: float) -> None:
        """Note a bar's close; one that is not newer than the last changes nothing."""
        if self.closes and end <= self.closes[-1][0]:
            return
        self.closes.append((end, price))
        while self.closes[0][0] < end - HOUR_MS:
            self.closes.popleft()

    def change(self) -> tuple[float, int] | None:
        """Percent since the oldest close known, at most an hour ago, and how many ms that is."""
        if len(self.closes) < 2:
            return None
        (began, first), (ended, last) = self.closes[0], self.closes[-1]
        return (last / first - 1) * 100, ended - began


class Board:
    """The lines of all assets for one source; `apply` takes result messages in any order."""

    def __init__(self, assets: Iterable[str], source: str, bar_seconds: int, horizons_s: Iterable[int]) -> None:
        self.lines = {asset: Line() for asset in assets}
        self._source = source
        self._bar_seconds = bar_seconds
        self._horizons_s = tuple(horizons_s)

    def apply(self, topic: str, message: Mapping[str, Any]) -> None:
        """Take one message of the topics bars, predictions or signals; others' assets and sources are passed over."""
        line = self.lines.get(message["asset"])
        if line is None or message["source"] != self._source or message["interval_s"] != self._bar_seconds:
            return
        if topic == BARS.name:
            line.add_close(message["start"] + message["interval_s"] * 1000, message["close"])
        elif message["made_at"] >= line.made_at:
            line.made_at = message["made_at"]
            if topic == PREDICTIONS.name:
                # The batch models' messages have no consensus, and leave what is shown.
                line.forecasts = {
                    entry["horizon_s"]: (entry["variation"], entry["confidence"])
                    for entry in message["forecasts"]
                    if entry["model"] == CONSENSUS
                } or line.forecasts
            elif topic == SIGNALS.name:
                line.signals = {entry["horizon_s"]: entry["signal"] for entry in message["signals"]}

    @property
    def complete(self) -> bool:
        """Whether every asset has shown a price and a forecast."""
        return all(line.closes and line.forecasts and line.signals for line in self.lines.values())

    @property
    def empty(self) -> bool:
        """Whether no asset has shown anything."""
        return not any(line.closes or line.forecasts or line.signals for line in self.lines.values())

    def table(self) -> Table:
        """The board as it is now; what is not known yet is a dash."""
        horizons = [f"{seconds // 3600} h" for seconds in self._horizons_s]
        columns = ["asset", "price", "change", *(f"in {name}" for name in horizons), "signal", "as of (UTC)"]
        table = Table(*columns, title=f"source: {self._source}", title_justify="left", box=box.SIMPLE_HEAD)
        for column in table.columns:
            column.justify, column.no_wrap = "right", True
        table.columns[0].justify = table.columns[-2].justify = "left"
        for asset, line in self.lines.items():
            table.add_row(asset, *self._cells(line))
        return table

    def _cells(self, line: Line) -> list[str]:
        return [
            price_text(line.closes[-1][1]) if line.closes else "-",
            _change_text(line.change()),
            *(_forecast_text(line.forecasts.get(seconds)) for seconds in self._horizons_s),
            " ".join(_signal_text(line.signals.get(seconds)) for seconds in self._horizons_s),
            utc(line.closes[-1][0]).strftime("%H:%M:%S") if line.closes else "-",
        ]


def price_text(price: float) -> str:
    """Six significant digits, thousands apart."""
    return f"{price:,.2f}" if price >= 1000 else f"{price:.6g}"


def _change_text(change: tuple[float, int] | None) -> str:
    if change is None:
        return "-"
    percent, ms = change
    span = "1 h" if ms >= HOUR_MS else f"{ms / 60_000:.0f} min"
    return f"{_percent(percent)} {span}"


def _forecast_text(forecast: tuple[float | None, float | None] | None) -> str:
    variation, confidence = forecast or (None, None)
    if variation is None:
        return "-"
    return _percent(variation) + (f" {confidence:3.0f}%" if confidence is not None else "")


def _percent(value: float) -> str:
    return f"[{'green' if value > 0 else 'red' if value < 0 else 'white'}]{value:+.2f}%[/]"


def _signal_text(signal: str | None) -> str:
    return f"[{COLOURS.get(signal, 'white')}]{signal}[/]" if signal else "-"
