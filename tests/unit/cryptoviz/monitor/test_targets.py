"""Which addresses the monitor asks."""

from __future__ import annotations

import pytest

from cryptoviz.errors import UserError
from cryptoviz.monitor.targets import addresses_of, targets
from cryptoviz.settings import Settings


def test_by_default_the_parts_of_this_machine_are_asked_at_their_ports() -> None:
    assert targets(Settings(workers=2, worker_port=9001, sink_port=9020, producer_port=9010, host="0.0.0.0")) == [
        ("produce", "http://127.0.0.1:9010"),
        ("sink", "http://127.0.0.1:9020"),
        ("worker-1", "http://127.0.0.1:9001"),
        ("worker-2", "http://127.0.0.1:9002"),
    ]


def test_named_parts_are_asked_instead() -> None:
    named = Settings(monitor_targets=("sink=http://127.0.0.1:8020/", "worker=http://nobody.invalid:8001"))
    assert targets(named) == [("sink", "http://127.0.0.1:8020"), ("worker", "http://nobody.invalid:8001")]


def test_a_name_with_several_addresses_is_several_parts() -> None:
    known = {"worker": ["10.0.0.2", "10.0.0.3"]}
    assert targets(Settings(monitor_targets=("worker=http://worker:8001",)), known.__getitem__) == [
        ("worker 10.0.0.2", "http://10.0.0.2:8001"),
        ("worker 10.0.0.3", "http://10.0.0.3:8001"),
    ]


@pytest.mark.parametrize("entry", ["worker", "worker=8001", "=http://worker:8001", "worker=ftp://worker"])
def test_a_wrong_target_is_refused_with_an_example(entry: str) -> None:
    with pytest.raises(UserError, match=r"CRYPTOVIZ_MONITOR_TARGETS.*is not like worker=http"):
        targets(Settings(monitor_targets=(entry,)))


def test_a_name_is_looked_up_and_one_that_nobody_knows_has_no_address() -> None:
    assert addresses_of("127.0.0.1") == ["127.0.0.1"]
    assert addresses_of("nobody.invalid") == []
