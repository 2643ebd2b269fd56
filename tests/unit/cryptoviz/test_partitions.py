"""The partition of an asset is the one Kafka's own clients choose for that key."""

from __future__ import annotations

from aiokafka.partitioner import murmur2 as reference
from hypothesis import given
from hypothesis import strategies as st

from cryptoviz.partitions import murmur2, partition_of


@given(st.binary(max_size=40))
def test_murmur2_equals_that_of_another_client(data: bytes) -> None:
    assert murmur2(data) == reference(data) & 0xFFFFFFFF


@given(st.text(min_size=1, max_size=12), st.integers(1, 64))
def test_the_partition_is_the_hash_without_its_sign(asset: str, partitions: int) -> None:
    assert partition_of(asset, partitions) == (reference(asset.encode()) & 0x7FFFFFFF) % partitions
