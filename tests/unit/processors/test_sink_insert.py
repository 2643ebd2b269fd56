from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import orjson
import pytest
import sink_messages as made
from clickhouse_connect.driver.exceptions import DatabaseError, DataError, OperationalError
from fakes import FakeClickHouse
from waiting import wait_until

from cryptoviz.errors import UserError
from cryptoviz.settings import load_settings
from processors.normalise import Position
from processors.sink_batch import Batch
from processors.sink_insert import THREADS, Inserter
from processors.sink_metrics import SinkMetrics
from processors.sink_rows import Health, add_message

AWAY = OperationalError("connection refused")
BUSY = DatabaseError("Code: 202. Too many queries", code=202)
NO_TABLE = DatabaseError("Code: 60. Table crypto.bars does not exist", code=60)
NO_RIGHT = DatabaseError("Code: 497. Not enough privileges", code=497)


@dataclass
class Held(FakeClickHouse):
    """Holds up the inserts into bars until `go_on`; raises `refusal` for those into stats, if there is one."""

    go_on: threading.Event = field(default_factory=threading.Event)
    refusal: Exception | None = None

    def insert(self, table: str, *rest: Any, **options: Any) -> None:
        if table == "bars":
            assert self.go_on.wait(10)
        if table == "stats" and self.refusal:
            raise self.refusal
        super().insert(table, *rest, **options)


@dataclass
class Away(FakeClickHouse):
    """Takes nothing until it is `back`."""

    back: threading.Event = field(default_factory=threading.Event)

    def insert(self, table: str, *rest: Any, **options: Any) -> None:
        if not self.back.is_set():
            self.troubles.append(AWAY)
        super().insert(table, *rest, **options)


def batch_of(*messages: tuple[str, Any]) -> Batch:
    batch = Batch("lane")
    for offset, (topic, message) in enumerate(messages):
        at = Position(topic, 0, offset, made.T0)
        add_message(orjson.dumps(message), at, batch.tables, Health())
        batch.include(at, 100, 1.0)
    return batch


def inserter(client: FakeClickHouse, metrics: SinkMetrics | None = None) -> Inserter:
    one = Inserter(lambda: client, load_settings(), metrics or SinkMetrics())
    one.start()
    return one


def test_a_batch_is_handed_back_when_every_table_has_its_rows() -> None:
    client = FakeClickHouse()
    one = inserter(client)
    batch = batch_of(("quotes.normalized", made.heartbeat(0)), ("quotes.normalized", made.quotes(1)))
    one.put(batch)
    assert one.done.get(timeout=5) is batch
    assert [table for table, _, _ in client.inserts] == ["source_health", "quotes"]
    assert client.inserts[1][1]["item"] == [0, 1, 2]


@pytest.mark.parametrize("trouble", [AWAY, BUSY, ConnectionResetError("reset")])
def test_an_outage_is_waited_out_with_the_same_token_and_said_once(
    trouble: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    client = FakeClickHouse(troubles=[trouble, trouble])
    one = inserter(client)
    with caplog.at_level("INFO"):
        one.put(batch_of(("bars", made.bar(0))))
        assert one.done.get(timeout=5) is not None
    assert len(client.tokens_tried) == 3
    assert len(set(client.tokens_tried)) == 1
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert not one.waiting


@pytest.mark.parametrize(
    ("trouble", "says"),
    [
        (NO_TABLE, "cryptoviz migrate"),
        (NO_RIGHT, "Not enough privileges"),
        (DatabaseError("Code: 516", code=516), "CRYPTOVIZ_CLICKHOUSE_PASSWORD"),
        (DataError("column 'close'"), "column 'close'"),
    ],
)
def test_a_refusal_that_waiting_does_not_mend_ends_the_thread_with_one_line(trouble: Exception, says: str) -> None:
    one = inserter(FakeClickHouse(troubles=[trouble]))
    one.put(batch_of(("bars", made.bar(0))))
    assert one.done.get(timeout=5) is None
    assert isinstance(one.failure, UserError)
    assert says in str(one.failure)


def test_closing_ends_the_waiting_without_handing_the_batch_back() -> None:
    one = inserter(FakeClickHouse(troubles=[AWAY] * 1000))
    one.put(batch_of(("bars", made.bar(0))))
    wait_until(lambda: one.waiting, 5, "the inserter to wait for ClickHouse")
    one.close()
    assert one.done.get(timeout=5) is None
    assert one.failure is None


def test_a_batch_that_is_held_up_holds_up_no_other_and_is_handed_back_only_when_it_is_in() -> None:
    client = Held()
    one = inserter(client)
    held, other = batch_of(("bars", made.bar(0))), batch_of(("stats", made.stats(0)))
    one.put(held)
    one.put(other)
    assert one.done.get(timeout=5) is other
    assert one.done.empty()
    client.go_on.set()
    assert one.done.get(timeout=5) is held
    assert [table for table, _, _ in client.inserts] == ["stats", "bars"]


def test_every_thread_has_a_client_of_its_own() -> None:
    clients: list[Held] = []
    go_on = threading.Event()

    def connect() -> Held:
        clients.append(Held(go_on=go_on))
        return clients[-1]

    one = Inserter(connect, load_settings(), SinkMetrics())
    one.start()
    for number in range(THREADS):
        one.put(batch_of(("bars", made.bar(number))))
    wait_until(lambda: len(clients) == THREADS, 5, "every thread to be at its insert")
    go_on.set()
    assert all(one.done.get(timeout=5) for _ in range(THREADS))
    assert [len(client.inserts) for client in clients] == [1] * THREADS


def test_an_outage_that_several_batches_meet_is_said_once_and_over_when_all_are_in(
    caplog: pytest.LogCaptureFixture,
) -> None:
    client = Away()
    one = inserter(client)
    batches = [batch_of(("bars", made.bar(number))) for number in range(THREADS)]
    with caplog.at_level("INFO"):
        for batch in batches:
            one.put(batch)
        wait_until(lambda: len(set(client.tokens_tried)) == THREADS, 5, "every batch to be tried in vain")
        assert one.waiting
        assert one.done.empty()
        client.back.set()
        assert {one.done.get(timeout=10).number for _ in batches} == {batch.number for batch in batches}  # type: ignore[union-attr]
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert not one.waiting
    assert sorted(token for _, _, token in client.inserts) == sorted(batch.token("bars") for batch in batches)


def test_a_refusal_of_one_batch_ends_all_threads_even_while_another_is_on_its_way() -> None:
    client = Held(refusal=NO_TABLE)
    one = inserter(client)
    held = batch_of(("bars", made.bar(0)))
    one.put(held)
    one.put(batch_of(("stats", made.stats(0))))
    assert one.done.get(timeout=5) is None
    assert isinstance(one.failure, UserError)
    client.go_on.set()
    assert one.done.get(timeout=5) is held
    assert one.done.get(timeout=5) is None


def test_a_refusal_of_one_batch_ends_the_waiting_of_another() -> None:
    client = Away()
    one = inserter(client)
    one.put(batch_of(("bars", made.bar(0))))
    wait_until(lambda: one.waiting, 5, "the inserter to wait for ClickHouse")
    client.troubles.append(NO_TABLE)
    one.put(batch_of(("stats", made.stats(0))))
    assert [one.done.get(timeout=10) for _ in range(THREADS)] == [None] * THREADS
    assert isinstance(one.failure, UserError)


def test_an_insert_that_takes_long_is_known_as_slow_until_it_is_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("processors.sink_insert.SLOW_S", 0.05)
    client, go_on = FakeClickHouse(), threading.Event()
    monkeypatch.setattr(client, "create_insert_context", lambda *_, **__: go_on.wait(10) and client)
    one = inserter(client)
    assert not one.slow
    one.put(batch_of(("bars", made.bar(0))))
    wait_until(lambda: one.slow, 5, "the insert to be slow")
    assert not one.waiting
    go_on.set()
    assert one.done.get(timeout=5) is not None
    assert not one.slow


def test_two_batches_of_the_same_messages_have_different_tokens() -> None:
    first, second = (batch_of(("bars", made.bar(0))) for _ in range(2))
    assert first.token("bars") != second.token("bars")
    assert first.token("bars") != first.token("stats")


def test_the_reach_of_a_batch_ends_after_its_last_message() -> None:
    reach = batch_of(*[("bars", made.bar(n)) for n in range(3)]).reach["bars", 0]
    assert (reach.first, reach.next, reach.filed_at) == (0, 3, made.T0)
