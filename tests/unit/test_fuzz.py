"""A short hunt at everything that reads what others wrote; the long one is `make fuzz`."""

from __future__ import annotations

import random

import pytest
from fuzz import mutated, once
from fuzz_targets import TARGETS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

SLOW = {
    "normalized": 20,
    "state": 15,
    "learned": 15,
    "bars read back": 6,
    "predictions read back": 6,
    "coingecko history": 40,
}
EXAMPLES = 150


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_bad_is_set_aside_or_counted_and_stops_nothing(name: str) -> None:
    target = TARGETS[name]()
    for seed in target.seeds:
        target.read(seed)

    @settings(
        max_examples=SLOW.get(name, EXAMPLES), deadline=None, suppress_health_check=list(HealthCheck), database=None
    )
    @given(st.integers(0, 2**32))
    def hunt(seed: int) -> None:
        once(target, seed)

    hunt()


def test_a_seed_makes_the_same_input_again_and_nearly_every_input_differs_from_what_was_recorded() -> None:
    seeds = TARGETS["raw"]().seeds
    made = [mutated(random.Random(seed), seeds) for seed in range(300)]
    assert made == [mutated(random.Random(seed), seeds) for seed in range(300)]
    assert len(set(made) - set(seeds)) > 200
