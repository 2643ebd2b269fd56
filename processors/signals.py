"""From a consensus to BUY, SELL or HOLD, with the rule that decided. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cryptoviz.messages import MaTrend, SignalName, SignalReason


@dataclass(frozen=True)
class Thresholds:
    """Beyond which variation, and above which mean confidence, both in percent, a signal is BUY or SELL."""

    variation_percent: float = 2.0
    confidence_percent: float = 60.0


def decide(
    variation: float, confidence: float, thresholds: Thresholds, *, broken: bool = False, stale: bool = False
) -> tuple[SignalName, SignalReason]:
    """The signal for a consensus' variation and the members' mean confidence, in percent; NaN means no consensus.

    `broken`: a gap in its history is what leaves the series with the points it has; `stale`: its last quote is too old
    to be called a price. What is said of an old price is no reason to act, however far it goes.
    """
    if math.isnan(variation):
        return "HOLD", "series_broken" if broken else "not_enough_points"
    if stale:
        return "HOLD", "stale_source"
    if abs(variation) <= thresholds.variation_percent:
        return "HOLD", "variation_within_threshold"
    if not confidence > thresholds.confidence_percent:
        return "HOLD", "confidence_too_low"
    return ("BUY", "variation_above_threshold") if variation > 0 else ("SELL", "variation_below_threshold")


def ma_trend(short: float, long: float) -> MaTrend | None:
    """Short above long is bullish, below bearish, equal neutral; None where one is NaN."""
    if math.isnan(short) or math.isnan(long):
        return None
    return "neutral" if short == long else "bullish" if short > long else "bearish"
