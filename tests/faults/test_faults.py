"""Nothing lost and nothing doubled: a stream under kills, outages and rebalances leaves the tables of a quiet run."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import pytest
from faults.feeder import write_stream
from faults.runs import Run, differences, run, say, summary
from faults.schedule import FEEDS_SHARE, PARTS, Plan, schedule
from faults.stream import Shape, stream

pytestmark = pytest.mark.stack

SEED = int(os.environ.get("FAULT_SEED") or secrets.randbelow(10**6))
MINUTES = float(os.environ.get("FAULT_MINUTES") or 25)
KILLS = int(os.environ.get("FAULT_KILLS") or 36)
FULL = Plan(MINUTES * 60, KILLS, outages=(("kafka", 120), ("clickhouse", 300)), guests=3, freezes=5)
FULL_STREAM = Shape(minutes=1200)
SHORT = Plan(20, kills=6)
SHORT_STREAM = Shape(minutes=80)  # so that the first forecasts come due


@pytest.mark.timeout(900)  # a minute on a machine that has nothing else to do
def test_a_few_kills_of_every_part_end_with_the_tables_of_a_quiet_run(tmp_path: Path) -> None:
    _check(tmp_path, SHORT, SHORT_STREAM)


@pytest.mark.faults
@pytest.mark.timeout(3 * 3600)
def test_thirty_kills_outages_and_rebalances_end_with_the_tables_of_a_quiet_run(tmp_path: Path) -> None:
    disturbed = _check(tmp_path, FULL, FULL_STREAM)
    assert sum(disturbed.kills.values()) >= 30
    assert disturbed.tables.counts()["quotes"] >= 200_000


def _check(folder: Path, plan: Plan, shape: Shape) -> Run:
    say(f"\nfault run with FAULT_SEED={SEED} in {folder}")
    counts = write_stream(folder / "stream", stream(SEED, shape))
    quiet = run(folder / "quiet", folder / "stream")
    per_second = counts.total() / (plan.seconds * FEEDS_SHARE)
    disturbed = run(folder / "disturbed", folder / "stream", schedule(SEED, plan), per_second)
    say("\n".join(summary(SEED, quiet, disturbed)))
    assert quiet.fed == disturbed.fed == counts, "the feed itself lost or doubled messages"
    assert (quiet.lag, disturbed.lag) == (0, 0)
    assert set(disturbed.kills) == set(PARTS)
    assert not differences(quiet, disturbed)
    return disturbed
