"""The stream of a fault run has what real logs have, and is read back from wherever a feeder was."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import orjson
import pytest
from faults.feeder import read_stream, write_stream
from faults.stream import POLL_S, START_MS, Message, Shape, stream

from cryptoviz.assets import AssetRegistry
from processors.normalise import Normaliser, Position

SHAPE = Shape(minutes=300)


@pytest.fixture(scope="module")
def messages() -> list[Message]:
    return list(stream(5, SHAPE))


def test_the_same_seed_gives_the_same_stream_and_another_one_another(messages: list[Message]) -> None:
    assert list(stream(5, SHAPE)) == messages
    assert list(stream(6, SHAPE)) != messages


def test_it_has_quotes_of_every_source_and_everything_that_goes_wrong(messages: list[Message]) -> None:
    normaliser = Normaliser(AssetRegistry(), SHAPE.partitions, SHAPE.bar_seconds)
    quotes, reasons, late = Counter[str](), Counter[str](), 0
    numbers = Counter[int]()
    for partition, value in messages:
        at = Position("quotes.raw", partition, numbers[partition], SHAPE.end_ms + 120_000)
        numbers[partition] += 1
        message, letters = normaliser.normalise(value, at)
        reasons.update(letter["reason"] for letter in letters)
        if message:
            quotes[message["source"]] += len(message["quotes"])
            late += sum(quote["at"] < quote["received_at"] for quote in message["quotes"])
    assert set(quotes) == set(POLL_S)
    assert {"wrong_schema", "not_json"} <= set(reasons)
    assert late > 10
    assert quotes.total() > 100 * SHAPE.minutes


def test_the_clock_of_every_source_goes_on_in_every_partition_and_never_back(messages: list[Message]) -> None:
    clocks: defaultdict[tuple[Any, int], int] = defaultdict(int)
    for partition, value in messages:
        try:
            message = orjson.loads(value)
        except orjson.JSONDecodeError:
            continue
        place = (message["source"], partition)
        assert message["received_at"] >= clocks[place]
        assert clocks[place] == 0 or message["received_at"] - clocks[place] <= 120_000
        clocks[place] = message["received_at"]
    assert len(clocks) == len(POLL_S) * SHAPE.partitions
    assert min(clocks.values()) > SHAPE.end_ms > START_MS


def test_a_feeder_goes_on_in_each_partition_where_the_log_ends(messages: list[Message], tmp_path: Path) -> None:
    counts = write_stream(tmp_path / "stream", iter(messages))
    done = {0: 7, 1: 0, 2: counts[2], 3: counts[3] - 1}
    rest = list(read_stream(tmp_path / "stream", done))
    assert len(rest) == sum(counts[partition] - done[partition] for partition in range(4))
    by_partition: defaultdict[int, list[bytes]] = defaultdict(list)
    for partition, value in messages:
        by_partition[partition].append(value)
    seen = dict(done)
    for partition, number, value in rest:
        assert number == seen[partition]
        assert value == by_partition[partition][number]
        seen[partition] += 1
    assert seen == dict(counts)
