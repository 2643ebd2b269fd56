"""A disk without a byte left, under ClickHouse and then under Kafka: waited out, and nothing is missing afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest
from faults.feeder import write_stream
from faults.runs import differences, run, say, summary
from faults.schedule import Strike
from faults.small_disk import small_disk
from faults.stream import Shape, stream

pytestmark = [pytest.mark.stack, pytest.mark.faults, pytest.mark.timeout(900)]

SEED = 11
SHAPE = Shape(minutes=120)
MEGABYTES = 400
FEED_S = 90


def test_full_disks_end_with_the_tables_of_a_quiet_run(tmp_path: Path) -> None:
    counts = write_stream(tmp_path / "stream", stream(SEED, SHAPE))
    strikes = [Strike(15, "clickhouse", 20, "full"), Strike(60, "kafka", 20, "full")]
    with small_disk(tmp_path / "k", MEGABYTES) as kafka, small_disk(tmp_path / "c", MEGABYTES) as clickhouse:
        disks = {"kafka": kafka, "clickhouse": clickhouse}
        quiet = run(tmp_path / "quiet", tmp_path / "stream")
        disturbed = run(tmp_path / "disturbed", tmp_path / "stream", strikes, counts.total() / FEED_S, disks)
        say("\n".join(summary(SEED, quiet, disturbed)))
        assert quiet.fed == disturbed.fed == counts
        assert (quiet.lag, disturbed.lag) == (0, 0)
        assert not differences(quiet, disturbed)
