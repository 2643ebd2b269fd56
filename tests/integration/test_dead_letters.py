"""Dead letters by the command: listed, shown, and put back when the reason is gone, so that rows are stored once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from confluent_kafka import KafkaException
from fakes import Acknowledged
from servers import KafkaServer
from sink_process import SinkProcess, ask, counts, send, wait_caught_up
from unit.processors.streams import quote
from waiting import wait_until

from cryptoviz.assets import AssetRegistry
from cryptoviz.cli import cryptoviz
from cryptoviz.cli.migrate import run as migrate
from cryptoviz.errors import UserError
from cryptoviz.kafka import Writer, producer_config
from cryptoviz.partitions import partition_of
from cryptoviz.settings import Settings
from cryptoviz.topics_admin import ensure_topics
from processors.agents import Normalising, Received
from processors.delivery import Delivery
from processors.normalise import Normaliser, Position
from processors.outbox import Outbox
from processors.recovery import LogReader

pytestmark = pytest.mark.stack
HOME = partition_of("BTC", 4)
NOW = 1_790_000_000_000


@pytest.fixture
def settings(stack_settings: Settings, broker: KafkaServer, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Topics and tables are there, and the command finds them by its environment."""
    settings = stack_settings.model_copy(update={"kafka": broker.address})
    ensure_topics(settings)
    migrate(settings)
    found = {
        "KAFKA": settings.kafka, "CLICKHOUSE_URL": settings.clickhouse_url, "CLICKHOUSE_USER": settings.clickhouse_user,
        "CLICKHOUSE_PASSWORD": settings.clickhouse_password.get_secret_value(),
        "CLICKHOUSE_DATABASE": settings.clickhouse_database, "HEALTH_PORT": "1", "HOME": str(settings.home),
    }  # fmt: skip
    for name, value in found.items():
        monkeypatch.setenv(f"CRYPTOVIZ_{name}", value)
    return settings


@pytest.fixture
def sink(settings: Settings, tmp_path: Path) -> Iterator[SinkProcess]:
    process = SinkProcess(settings, tmp_path)
    process.start()
    yield process
    process.end()


def run(*arguments: str, text: str | None = None) -> str:
    result = CliRunner().invoke(cryptoviz, ["dead-letters", *arguments], input=text, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


class Workers:
    """Normalises what has come into quotes.raw since the last time, with bars of a given length."""

    def __init__(self, settings: Settings) -> None:
        self.log = LogReader({"bootstrap.servers": settings.kafka, "group.id": "test-dead-letters"})
        self.outbox = Outbox(Writer(producer_config(settings, "test-worker")))
        self.next = 0
        wait_until(self._led, 30, "the new topic to have a leader")

    def _led(self) -> bool:
        try:
            self.next = self.log.bounds("quotes.raw", HOME)[1]
        except KafkaException:
            return False
        return True

    def new(self) -> list[Any]:
        found = list(self.log.read("quotes.raw", HOME, self.next, self.log.bounds("quotes.raw", HOME)[1]))
        self.next += len(found)
        return found

    def work(self, interval_s: int) -> list[Any]:
        found = self.new()
        received = [
            (Position("quotes.raw", HOME, one.offset(), one.timestamp()[1]), one.value()) for one in found
        ]  # fmt: skip
        asyncio.run(self._normalise(received, interval_s))
        return found

    async def _normalise(self, received: list[Received], interval_s: int) -> None:
        delivery, acknowledged = Delivery(self.outbox, print), Acknowledged()
        normalising = Normalising(Normaliser(AssetRegistry(), 4, interval_s), self.outbox, delivery)
        await normalising.batch(received, acknowledged)
        await delivery.finished()
        assert acknowledged.batches == [len(received)]


def polled(*prices: float) -> dict[str, Any]:
    quotes = [quote(at=NOW + n, price=price, symbol="BTCUSDT") for n, price in enumerate(prices)]
    fields = {"source": "binance", "origin": "live", "received_at": NOW + len(prices), "interval_s": 60}
    return {**fields, "poll_interval_s": 10.0, "quotes": quotes}


def test_what_was_set_aside_is_listed_shown_and_put_back_and_its_quotes_are_stored_once(
    settings: Settings, sink: SinkProcess
) -> None:
    workers = Workers(settings)
    first = workers.next
    send(settings, [("quotes.raw", HOME, polled(100.0, 101.0)), ("quotes.raw", HOME, b"\xff{\x1b[2J")])
    send(settings, [("quotes.raw", HOME, polled(100.0, -1.0) | {"interval_s": 300})])
    workers.work(interval_s=300)  # started with bars of another length
    wait_until(lambda: counts(settings)["dead_letters"] == 3, 60, "the letters to be stored")
    whole, rubbish, item = f"quotes.raw/{HOME}/{first}/", f"quotes.raw/{HOME}/{first + 1}/", f"{first + 2}/1"

    listed = run("list")
    for word in ("wrong_interval", "not_json", whole, rubbish, item):
        assert word in listed
    found = json.loads(run("list", "--json", "--reason", "wrong_interval", "--since", "1 h", "--topic", "quotes.raw"))
    assert [one["letter"] for one in found] == [whole]
    kinds = json.loads(run("list", "--summary", "--json"))
    assert {(kind["source"], kind["reason"], kind["letters"]) for kind in kinds} == {
        ("", "wrong_interval", 1), ("", "not_json", 1), ("binance", "wrong_schema", 1),
    }  # fmt: skip
    assert "Nothing like that" in run("list", "--reason", "never heard of")
    assert '"price": 101.0' in run("show", whole.rstrip("/"))
    assert "00000000  ff 7b 1b 5b 32 4a" in run("show", rubbish)

    said = run("redrive", "--since", "1 h", "--dry-run")
    assert f"1 to be put back into quotes.raw, partition {HOME}\n2 quotes are in them\n" in said
    assert "set aside again as not_json (" in said
    assert "one item of a message" in said
    assert workers.new() == []
    declined = CliRunner().invoke(cryptoviz, ["dead-letters", "redrive", whole], input="n\n")
    assert declined.exit_code == 1
    assert workers.new() == []

    assert "1 put back" in run("redrive", "--since", "1 h", text="y\n")
    [again] = workers.work(interval_s=60)  # started with the right one
    assert again.headers() == [("redriven", whole.encode())]
    assert json.loads(again.value()) == polled(100.0, 101.0)
    send(settings, [("quotes.raw", HOME, polled(100.0, 101.0))])  # its producer sends it again after all
    workers.work(interval_s=60)
    wait_caught_up(settings)
    # Of the message set aside in part, the price of 100.0 is the same quote: it has the same id.
    assert ask(settings, "SELECT price FROM {db}.quotes FINAL ORDER BY at") == [(100.0,), (101.0,)]
    assert counts(settings)["dead_letters"] == 3

    with pytest.raises(UserError, match="nothing can be put back"):
        run("redrive", whole, "--yes")
    assert workers.new() == []


def test_what_cannot_be_meant_is_one_clear_line(settings: Settings) -> None:
    with pytest.raises(UserError, match=r"there is no letter 'quotes\.raw/0/1/'"):
        run("show", "quotes.raw/0/1/")
    with pytest.raises(UserError, match="there is no letter"):
        run("redrive", "bars/0/1/", "--yes")
    with pytest.raises(UserError, match="nothing like that"):
        run("redrive", "--reason", "none", "--yes")
    for arguments in (["redrive"], ["list", "--since", "soon"]):
        assert CliRunner().invoke(cryptoviz, ["dead-letters", *arguments]).exit_code == 2
