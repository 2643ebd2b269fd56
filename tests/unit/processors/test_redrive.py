"""What of the dead letters is put back, and why the rest is left."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
import sink_messages as made
from unit.processors.streams import quote

from cryptoviz.assets import AssetRegistry
from cryptoviz.dead_letters import Letter
from cryptoviz.messages import encode
from cryptoviz.partitions import partition_of
from processors.normalise import Normaliser
from processors.redrive import decide, put_back

NOW = 1_790_000_000_000
HOME = partition_of("BTC", 4)
NORMALISER = Normaliser(AssetRegistry(), 4, 60)


class Record:
    """A message in `FakeLog`, of which only the headers matter."""

    def __init__(self, headers: list[tuple[str, bytes]] | None) -> None:
        self._headers = headers

    def headers(self) -> list[tuple[str, bytes]] | None:
        """As Kafka's client gives them."""
        return self._headers


class FakeLog:
    """A log that holds a message put back before, and says which stretches were read."""

    def __init__(self, *names: str) -> None:
        self.records = [Record(None), *(Record([("other", b"x"), ("redriven", name.encode())]) for name in names)]
        self.asked: list[tuple[str, int, int, int]] = []

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """The first offset kept and the next."""
        return 10, 100

    def read(self, topic: str, partition: int, start: int, end: int) -> Iterator[Any]:
        """Everything there is."""
        self.asked.append((topic, partition, start, end))
        return iter(self.records)


class FakeSender:
    """Remembers what was sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[Any, ...]] = []

    def send(self, topic: str, partition: int, value: bytes, key: bytes | None = None, headers: Any = None) -> None:
        """As `cryptoviz.kafka.Writer`."""
        self.sent.append((topic, partition, value, headers))


def raw(*quotes: dict[str, Any], **changes: Any) -> bytes:
    fields = {"source": "binance", "origin": "live", "received_at": NOW, "interval_s": 60, "poll_interval_s": 10.0}
    return orjson.dumps({**fields, "quotes": quotes or [quote(at=NOW)]} | changes)


def letter(value: bytes = b"", offset: int | None = 30, **changes: Any) -> Letter:
    fields: dict[str, Any] = {
        "letter": f"quotes.raw/{HOME}/{offset}/", "topic": "quotes.raw", "partition": HOME, "offset": offset,
        "item": None, "source": "", "reason": "wrong_interval", "detail": "", "at": NOW, "filed_at": NOW,
        "encoding": "utf-8", "size": len(value), "payload": value.decode("latin-1"),
    }  # fmt: skip
    return Letter(**(fields | changes))


def normalized(**changes: Any) -> bytes:
    return encode(made.quotes(1, partition=HOME) | changes)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (letter(raw(), offset=None, partition=None), "never a message"),
        (letter(raw(), item=0), "one item of a message"),
        (letter(raw(), topic="bars"), "it would count as filed now"),
        (letter(raw(), topic="predictions"), "it would count as filed now"),
        (letter(raw(), topic="bars.dead", reason="unreadable_letter"), "cannot itself be read"),
        (letter(raw(), topic="worker.state"), "not of a topic that quotes come in by"),
        (letter(raw(), topic="\x1b"), "not of a topic that quotes come in by"),
        (letter(raw(), partition=4), "set aside again as wrong_partition"),
        (letter(b"{"), "set aside again as not_json"),
        (letter(b""), "set aside again as not_json"),
        (letter(b"not base64", encoding="base64"), "is not the base64"),
        (letter(raw(), encoding="cut"), "only its beginning is there"),
        (letter(raw(interval_s=300)), "set aside again as wrong_interval"),
        (letter(raw(quote(at=NOW, price=-1))), "set aside again as wrong_schema"),
        (letter(raw(received_at=NOW + 60_001)), "set aside again as future"),
        (letter(normalized(interval_s=300), topic="quotes.normalized"), "set aside again as wrong_interval"),
        (letter(normalized(partition=9), topic="quotes.normalized"), "set aside again as wrong_place"),
        (letter(normalized(offset=-1), topic="quotes.normalized"), "set aside again as out_of_range"),
    ],
)
def test_what_cannot_be_put_back_truthfully_is_left_and_says_why(one: Letter, said: str) -> None:
    [decision] = decide([one], NORMALISER, FakeLog(), lambda: NOW)
    assert said in decision.refused
    assert put_back([decision], sender := FakeSender()) == 0
    assert sender.sent == []


def test_originals_go_back_byte_by_byte_in_their_order_with_the_name_of_their_letter() -> None:
    later, first = raw(quote(at=NOW), quote(at=NOW - 1)), b" \n" + raw()
    letters = [
        letter(later, 31),
        letter(normalized(), 5, topic="quotes.normalized"),
        letter(base64.b64encode(first), 30, encoding="base64"),
    ]
    decisions = decide(letters, NORMALISER, FakeLog(), lambda: NOW)
    assert [one.refused for one in decisions] == ["", "", ""]
    assert [one.quotes for one in decisions] == [3, 1, 2]
    assert put_back(decisions, sender := FakeSender()) == 3
    assert sender.sent == [
        ("quotes.normalized", HOME, normalized(), [("redriven", f"quotes.raw/{HOME}/5/")]),
        ("quotes.raw", HOME, first, [("redriven", f"quotes.raw/{HOME}/30/")]),
        ("quotes.raw", HOME, later, [("redriven", f"quotes.raw/{HOME}/31/")]),
    ]


def test_what_was_put_back_before_is_not_put_back_again() -> None:
    log = FakeLog(f"quotes.raw/{HOME}/30/")
    decisions = decide([letter(raw(), 31), letter(raw(), 30), letter(b"{", 2)], NORMALISER, log, lambda: NOW)
    assert [one.refused for one in decisions][1:] == ["it was put back before", ""]
    assert log.asked == [("quotes.raw", HOME, 10, 100)]  # from the oldest letter on, as far as the log still reaches


def test_a_heartbeat_and_a_message_good_in_part_go_back() -> None:
    half = raw(quote(at=NOW, symbol="BTCUSDT"), quote(at=NOW, price=-1))
    for value, quotes in ((raw(quotes=[]), 0), (half, 1)):
        [decision] = decide([letter(value)], NORMALISER, FakeLog(), lambda: NOW)
        assert (decision.refused, decision.quotes) == ("", quotes)
