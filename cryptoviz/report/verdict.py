"""What the figures of a replay say in one sentence: who beats "the price stays the same", and who does not."""

from __future__ import annotations

from dataclasses import dataclass

from cryptoviz.report.figures import duration, hours
from cryptoviz.report.scoreboard import NAIVE, Scoreboard

FEW = 30  # independent outcomes below which a mean says little about the next one


@dataclass(frozen=True)
class Wins:
    """At how many of its `pairs` of asset and horizon a model has rMAE < 1."""

    model: str
    won: int
    pairs: int

    @property
    def better(self) -> bool:
        """Whether that is more than half of them."""
        return 2 * self.won > self.pairs

    def __str__(self) -> str:
        return f"{self.model} ({self.won} of {self.pairs})"


def wins(board: Scoreboard) -> tuple[Wins, ...]:
    """One per model but the naive one, those that win most often first; without those that have no rMAE at all."""
    found = []
    for model in board.models:
        ratios = [row["rmae"] for row in board.rows if row["model"] == model and row["rmae"] is not None]
        if ratios and model != NAIVE:
            found.append(Wins(model, sum(ratio < 1 for ratio in ratios), len(ratios)))
    return tuple(sorted(found, key=lambda one: -one.won / one.pairs))


def verdict(board: Scoreboard) -> str:
    """The sentence for a board that has scores; "" where no model can be compared."""
    judged = wins(board)
    if not judged:
        return ""
    better = [str(one) for one in judged if one.better]
    worse = [str(one) for one in judged if not one.better]
    first = 'better than "the price stays the same" (rMAE < 1) at more than half of the asset-horizon pairs: '
    parts = [
        first + (", ".join(better) or "no model"),
        *([f"not better: {', '.join(worse)}"] if worse else []),
        _sample(board),
    ]
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def _sample(board: Scoreboard) -> str:
    """How many outcomes of a pair do not overlap, and what that is worth."""
    parts = []
    for horizon_s in board.horizons_s:
        counts = [row["n_independent"] for row in board.at(horizon_s).values() if row["rmae"] is not None]
        if counts:
            parts.append((horizon_s, min(counts), max(counts)))
    sizes = ", ".join(f"{low if low == high else f'{low} to {high}'} at {hours(at)}" for at, low, high in parts)
    few = ", and fewer than 30 are too few to tell skill from luck" if any(low < FEW for _, low, _ in parts) else ""
    return f"independent outcomes per pair: {sizes}{few}"


def why_no_scores(horizons_s: tuple[int, ...], covered_s: float) -> str:
    """Why a replay of so many seconds has no score."""
    first = hours(min(horizons_s))
    return (
        f"No forecast could be scored: the first forecast with horizon {first} is made at the end of the first bar "
        f"and scored after {first} more of data, and this replay covers {duration(covered_s)}."
    )
