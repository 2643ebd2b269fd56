"""A disk without a byte left, under ClickHouse and then under Kafka: waited out, and nothing is missing afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest
from clickhouse_connect import get_client
from clickhouse_connect.driver.exceptions import ClickHouseError
from faults.feeder import write_stream
from faults.runs import differences, run, say, summary
from faults.schedule import Strike
from faults.small_disk import small_disk
from faults.stream import Shape, stream
from servers import ClickHouseServer

pytestmark = pytest.mark.stack

SEED = 11
SHAPE = Shape(minutes=120)
MEGABYTES = 400
FEED_S = 90
FULL_S = 20


def test_an_insert_that_finds_no_room_fails_and_succeeds_once_there_is_some(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 200) as disk:
        server = ClickHouseServer(disk.path)
        server.start()
        try:
            client = get_client(dsn=server.url, username=server.user, password=server.password)
            client.command("CREATE DATABASE crypto")
            client.command("CREATE TABLE crypto.t (n UInt64) ENGINE = MergeTree ORDER BY n")
            disk.fill(0)
            with pytest.raises(ClickHouseError, match="NOT_ENOUGH_SPACE"):
                client.insert("crypto.t", [[1], [2]], ["n"])
            disk.keep()
            client.insert("crypto.t", [[3]], ["n"])
            assert client.query("SELECT n FROM crypto.t").result_rows == [(3,)]
        finally:
            server.stop()


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_full_disks_end_with_the_tables_of_a_quiet_run(tmp_path: Path) -> None:
    counts = write_stream(tmp_path / "stream", stream(SEED, SHAPE))
    strikes = [Strike(15, "clickhouse", FULL_S, "full"), Strike(60, "kafka", FULL_S, "full")]
    with small_disk(tmp_path / "k", MEGABYTES) as kafka, small_disk(tmp_path / "c", MEGABYTES) as clickhouse:
        disks = {"kafka": kafka, "clickhouse": clickhouse}
        quiet = run(tmp_path / "quiet", tmp_path / "stream")
        disturbed = run(tmp_path / "disturbed", tmp_path / "stream", strikes, counts.total() / FEED_S, disks)
        say("\n".join(summary(SEED, quiet, disturbed)))
        assert quiet.fed == disturbed.fed == counts
        assert (quiet.lag, disturbed.lag) == (0, 0)
        assert not differences(quiet, disturbed)
        assert disturbed.ends["kafka"]["exit 1"] > 0  # the broker gives up without room, and is started again
