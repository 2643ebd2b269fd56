"""A quiet run and a disturbed one over the same stream, and what there is to say of them."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from clickhouse_connect.driver.client import Client
from faults.feeder import ends
from faults.pipeline import Pipeline, pipeline
from faults.schedule import GUEST, Strike
from faults.small_disk import SmallDisk
from faults.tables import Tables, client_of, read_tables, rows_of
from faults.watcher import watched
from servers import ClickHouseServer


@dataclass(frozen=True)
class Run:
    """What a run has left, and what was done to it; `ends` is how often each part ended, by how."""

    name: str
    clickhouse: ClickHouseServer
    tables: Tables
    strikes: Sequence[Strike]
    ends: dict[str, Counter[str]]
    fed: Counter[int]
    lag: int
    seconds: float

    @property
    def kills(self) -> dict[str, int]:
        """How often each part was ended with -9, outages included."""
        return {name: how["kill"] + how["outage"] for name, how in self.ends.items() if how["kill"] + how["outage"]}


def say(line: str) -> None:
    """One line for who watches (pytest -s)."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def run(
    folder: Path, stream: Path, strikes: Sequence[Strike] = (), per_second: float = 0,
    disks: Mapping[str, SmallDisk] | None = None,
) -> Run:  # fmt: skip
    """Feed the stream through a pipeline of its own, struck as told, and read what it has left."""
    began = time.monotonic()
    with pipeline(folder, stream, per_second, disks) as running, watched(running.settings, running.kafka.answers, say):
        done = running.strike(list(strikes), say)
        say(f"{time.monotonic() - began:7.1f} s  everything is fed")
        running.wait_until_through()
        return _result(running, folder.name, done, began)


def _result(running: Pipeline, name: str, done: Sequence[Strike], began: float) -> Run:
    client = client_of(running.clickhouse)
    try:
        tables = read_tables(client)
    finally:
        client.close()
    how = {name: Counter(part.ends) for name, part in running.parts.items()}  # as it is before all of them end
    fed = Counter(ends(running.settings))
    return Run(name, running.clickhouse, tables, done, how, fed, running.lag(), time.monotonic() - began)


def differences(quiet: Run, disturbed: Run) -> list[str]:
    """What differs between the two, with some of the rows."""
    found = list[str]()
    for table, (only_quiet, only_disturbed) in quiet.tables.different(disturbed.tables).items():
        found.append(f"{table}: {len(only_quiet)} rows only without faults, {len(only_disturbed)} only with them")
        for run_, hashes in ((quiet, only_quiet), (disturbed, only_disturbed)):
            with _again(run_.clickhouse) as client:
                found += [f"  {run_.name}: {row}" for row in rows_of(client, table, hashes)]
    return found


@contextmanager
def _again(server: ClickHouseServer) -> Iterator[Client]:
    """A client of a ClickHouse that has ended with its run."""
    server.start()
    try:
        yield client_of(server)
    finally:
        server.stop()


def summary(seed: int, quiet: Run, disturbed: Run) -> Iterator[str]:
    """The figures of both runs, as they are printed."""
    counts, kinds = quiet.tables.counts(), Counter(strike.what for strike in disturbed.strikes)
    yield f"seed            {seed}"
    yield f"quotes          {counts['quotes']:,} in {disturbed.fed.total():,} messages"
    kills = ", ".join(f"{name} {count}" for name, count in disturbed.kills.items())
    yield f"kills of -9     {sum(disturbed.kills.values())} ({kills})"
    for strike in disturbed.strikes:
        if strike.what in ("outage", "full"):
            yield f"{strike.what:<16}{strike.part} for {strike.away_s:.0f} s"
    yield f"guests          {kinds['guest']} visits of a third worker"
    frozen = ", ".join(strike.part for strike in disturbed.strikes if strike.what == "freeze")
    yield f"frozen          {kinds['freeze']}{f' ({frozen})' if frozen else ''}"
    kept = {name: how for name, how in disturbed.ends.items() if name not in ("feeder", GUEST)}
    own = [f"{name} {end} x{n}" for name, how in kept.items() for end, n in how.items() if end.startswith("exit")]
    yield f"ended by itself {', '.join(own) or 'nothing'}"
    yield f"time            {quiet.seconds:.0f} s without faults, {disturbed.seconds:.0f} s with them"
    for table, count in counts.items():
        yield f"{table:<16}{count:,} rows"
    yield f"not committed   {disturbed.lag} messages"
    different = sum(len(mine) + len(theirs) for mine, theirs in quiet.tables.different(disturbed.tables).values())
    yield f"differences     {different}"
