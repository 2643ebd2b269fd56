"""What is fuzzed: each reader with real messages or answers to begin with, and what must hold of what it makes."""

from __future__ import annotations

import asyncio
import atexit
import re
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from threading import Event
from typing import Any, cast

import orjson
import sink_messages as made
from clickhouse_connect.datatypes.registry import get_from_name
from clickhouse_connect.driver.insert import InsertContext
from clickhouse_connect.driver.transform import NativeTransform
from fakes import Acknowledged, FakeWriter
from fuzz import Target
from rig import Rig
from unit.processors.streams import MINUTE, T0, heartbeat, message, quote, random_stream

from cryptoviz.assets import AssetRegistry
from cryptoviz.errors import Invalid, Retryable
from cryptoviz.local.clickhouse.engine import Session
from cryptoviz.local.clickhouse.insert import split_insert
from cryptoviz.messages import encode
from cryptoviz.partitions import partition_of
from processors import recovery
from processors.agents import Analysing
from processors.delivery import Delivery
from processors.engine import Engine
from processors.normalise import Normaliser, Position, dead_letter
from processors.outbox import Outbox
from processors.rules import Rules
from processors.sink_columns import COLUMNS
from processors.sink_lists import LISTS, READ_SETTINGS, Lines, statement
from processors.sink_rows import DEAD_TOPICS, Health, Tables, add_message, add_unreadable_letter
from processors.snapshot import dump, dump_learned
from producers.failures import failure_of, retry_after
from producers.http import decode
from producers.outbox import dead_letter as item_letter
from producers.sources import SOURCES
from sql.migrate import FOLDER

DATA = Path(__file__).parent / "data"
RECORDED = Path(__file__).resolve().parents[2] / "shared" / "data" / "api"
LARGEST_SEED = 100_000  # a mutation costs as much as parsing it
HOME = partition_of("BTC", 4)
ASSETS = ("BTC", "USDT")
NORMALISER = Normaliser(AssetRegistry(), 4, 60)


@cache
def column_types(table: str) -> dict[str, Any]:
    """The types of a table's columns, from the migrations."""
    text = "\n".join(path.read_text() for path in sorted(FOLDER.glob("*.sql")))
    found = re.search(rf"\{{database\}}\.{table}\n\((.*?)\n\)", text, re.DOTALL)
    assert found, table
    lines = [line.strip() for line in found[1].strip().splitlines()]
    for alter in re.findall(rf"ALTER TABLE \{{database\}}\.{table}\n(.*?);\n", text, re.DOTALL):
        lines += re.findall(r"ADD COLUMN IF NOT EXISTS ((?:(?!ADD COLUMN).)*)", alter.replace("\n", " "))
    pairs = (re.split(r"\s+", line, maxsplit=1) for line in lines if " ALIAS " not in line)
    return {name: get_from_name(re.split(r" (?:CODEC|DEFAULT|AFTER)\b", rest)[0].strip(" ,")) for name, rest in pairs}


@cache
def clickhouse() -> Session:
    """An engine with the tables that messages are unfolded into, which keep nothing."""
    session = Session(Path(":memory:"))
    atexit.register(session.close)
    session.query("CREATE DATABASE crypto", "Null", {})
    for table in LISTS:
        columns = ", ".join(f"{name} {kind.name}" for name, kind in column_types(table).items())
        session.query(f"CREATE TABLE crypto.{table} ({columns}) ENGINE = Null", "Null", {})
    session.set({name: str(value) for name, value in READ_SETTINGS.items()})
    return session


def unfolded(lines: Lines) -> None:
    """Have ClickHouse read the lines; one that it cannot read would stop the sink."""
    insert = split_insert(b"\n".join((statement(lines.table, "crypto").encode(), *lines.lines)))
    assert insert is not None
    assert clickhouse().insert(insert).written_rows == lines.count


def stored(tables: Tables) -> None:
    """Write the rows as the ClickHouse client would; whatever it cannot write would stop the sink."""
    for rows in tables.values():
        if isinstance(rows, Lines):
            unfolded(rows)
            continue
        names = COLUMNS[rows.table]
        types = [column_types(rows.table)[name] for name in names]
        assert {len(row) for row in rows.rows} <= {len(names)}
        if not rows.count:
            continue
        context = InsertContext(rows.table, names, types, rows.rows)
        b"".join(NativeTransform.build_insert(context))
        if context.insert_exception:
            raise context.insert_exception


def sink(topic: str, value: bytes) -> str:
    """What the sink does with a message: rows, or a letter that can itself be stored."""
    tables: Tables = {}
    at = Position(topic, HOME, 7, made.T0)
    try:
        add_message(value, at, tables, Health())
    except Invalid as error:
        assert not any(rows.count for rows in tables.values())
        if topic in DEAD_TOPICS:
            add_unreadable_letter(value, error, at, tables)
            stored(tables)
        else:
            letter(encode(dead_letter(value, error, at)), f"{topic}.dead")
        return error.reason
    stored(tables)
    return "rows"


def letter(value: bytes, topic: str = "quotes.raw.dead") -> None:
    """A dead letter of our own can be read and stored."""
    assert sink(topic, value) == "rows"


def raw(now: int, value: bytes) -> str:
    """What normalising makes of a raw message."""
    found, dead = NORMALISER.normalise(value, Position("quotes.raw", HOME, 7, now))
    assert found is not None or dead
    for one in dead:
        letter(encode(one))
    if found is not None:
        sink("quotes.normalized", encode(found))
    return f"{'message' if found else 'nothing'} {dead[0]['reason'] if dead else ''}"


class _EmptyLog:
    """A log without a record, where the raw messages of the tests lie before offset 2,000,000."""

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        return 0, 2_000_000 if topic == "quotes.raw" else 0

    def read(self, topic: str, partition: int, start: int, end: int) -> Iterator[Any]:
        return iter(())


def normalized(value: bytes) -> str:
    """What analysing makes of a message among good ones, which must give the results they give without it."""
    good = [message([quote(at=T0 + n * MINUTE)], offset=n) for n in (0, 1)]
    after = [message([quote(at=T0 + n * MINUTE)], offset=10**6 + n) for n in (2, 3, 4, 10)]
    values = [*map(encode, good), value, *map(encode, after), encode(heartbeat(T0 + 12 * MINUTE, offset=10**6 + 20))]
    writer = asyncio.run(_analyse(values, T0 + 12 * MINUTE))
    for sent in writer.sent:
        if sent.topic != "worker.state":
            assert sink(sent.topic, encode(sent.value)) == "rows", sent
    letters = writer.on("quotes.normalized.dead")
    assert any(bar["source"] == "binance" and bar["start"] == T0 + 10 * MINUTE for bar in writer.on("bars")), "deaf"
    return letters[0]["reason"] if letters else "applied"


async def _analyse(values: list[bytes], now: int) -> FakeWriter:
    writer = FakeWriter()
    # Forecasts take time, so most inputs meet rules that want none in these few minutes.
    rules = Rules() if sum(values[2]) % 16 == 0 else Rules(forecast_ms=3_600_000)
    acknowledged, outbox = Acknowledged(), Outbox(cast(Any, writer))
    delivery = Delivery(outbox, print)
    analysing = Analysing(
        {0: ASSETS}, SOURCES, rules, outbox, cast(Any, _EmptyLog()), delivery=delivery, worker_id="w"
    )  # fmt: skip
    received = [(Position("quotes.normalized", 0, offset, now), value) for offset, value in enumerate(values)]
    await analysing.batch(received, acknowledged)
    await delivery.finished()
    assert sum(acknowledged.batches) == len(values)
    return writer


@cache
def _ran() -> tuple[Engine, list[bytes], list[bytes]]:
    """An engine after hours of quotes, with the bars and predictions it made."""
    engine, out = Engine(ASSETS, Rules()), []
    for offset, one in enumerate(random_stream(3, 40)):
        out += engine.apply(one, offset)
    engine.learned = 1  # so that the state names a record of what was learned
    return engine, *(
        [encode(result) for topic, _, result in out if topic == name][-40:] for name in ("bars", "predictions")
    )


class _Record:
    def __init__(self, key: bytes, value: bytes) -> None:
        self._key, self._value = key, value

    def key(self) -> bytes:
        return self._key

    def value(self) -> bytes:
        return self._value

    def offset(self) -> int:
        return 0


class _Log(_EmptyLog):
    """A log that holds the given records, by topic."""

    def __init__(self, **records: list[_Record]) -> None:
        self.records = {name.replace("_", "."): some for name, some in records.items()}

    def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        return 0, len(self.records.get(topic, ()))

    def read(self, topic: str, partition: int, start: int, end: int) -> Iterator[Any]:
        return iter(self.records.get(topic, ()))

    def offset_at(self, topic: str, partition: int, time_ms: int) -> int:
        return 0


def restarted(which: str, value: bytes) -> str:
    """Start a worker that finds this in its log, and let it go on."""
    engine, bars, predictions = _ran()
    kept = {"state": dump(engine), "learned": dump_learned(engine), "bars": b"", "predictions": b""} | {which: value}
    learned_key = recovery.learned_key(b"w", engine.learned)
    log = _Log(
        worker_state=[_Record(b"w", kept["state"]), _Record(learned_key, kept["learned"])],
        bars=[_Record(b"", one) for one in (*bars, kept["bars"])],
        predictions=[_Record(b"", one) for one in (*predictions, kept["predictions"])],
    )  # fmt: skip
    found = recovery.recover(cast(Any, log), 0, ASSETS, Rules())
    taken = found.offset == engine.offset
    start = max(track.clock for track in engine.tracks.values())
    for step in range(1, 8):
        one = message([quote(at=start + step * MINUTE)], offset=10**6 + step)
        for topic, _, result in found.apply(one, 10**6 + step):
            assert sink(topic, encode(result)) == "rows", result
    dump(found), dump_learned(found)
    return "restored" if taken else "left out"


class _Answers:
    """Stands for an asker whose source answers with given bytes."""

    body = b""
    stop = Event()

    def ask(self, request: Any, within_s: float) -> Any:
        return decode(self.body)

    def pause(self, seconds: float) -> None:
        assert 0 <= seconds < 10**7


def source(name: str) -> Target:
    """A source's parser inside its poller, and whether normalising accepts what comes out."""
    rig, answers = Rig("http://127.0.0.1:1", SOURCES[name](), key=""), _Answers()
    rig.poller.asker = cast(Any, answers)

    def read(value: bytes) -> str:
        answers.body = value
        rig.writer.sent.clear()
        rig.poller.poll()
        now = rig.clock.now_ms()
        for sent in rig.writer.sent:
            if sent.topic.endswith(".dead"):
                letter(encode(sent.value))
            else:
                _, dead = NORMALISER.normalise(encode(sent.value), Position("quotes.raw", sent.partition, 7, now))
                assert not dead, dead
        return f"{rig.state} {rig.reason}"[:40] if not rig.quotes() else "quotes"

    return Target(_answers(name, history=False), read)


def history(name: str) -> Target:
    """A source's reader of the past."""
    source, registry = SOURCES[name](), AssetRegistry()
    assert source.history is not None
    listing = registry.feeding(name)[0]

    def read(value: bytes) -> str:
        try:
            parsed = source.history.parse(decode(value), registry, listing, 1_790_000_000_000)  # type: ignore[union-attr]
        except (Invalid, Retryable) as error:
            return type(error).__name__ + getattr(error, "reason", "")
        for rejection in parsed.rejections[:20]:
            letter(encode(item_letter(name, rejection, 1_790_000_000_000)))
        encode(parsed.quotes)
        return f"{bool(parsed.quotes)} {parsed.rejections[0].reason if parsed.rejections else ''}"

    return Target(_answers(name, history=True), read)


def _answers(name: str, history: bool) -> list[bytes]:
    paths = [*(DATA / name).iterdir(), *sorted((RECORDED / name).glob("*.json"))]
    bodies = [path.read_bytes() for path in paths if ("history" in path.name or "market_chart" in path.name) == history]
    return [body for body in bodies if len(body) <= LARGEST_SEED]


def failures(value: bytes) -> str:
    """The decision about an answer with a status of failure."""
    try:
        payload = decode(value)
    except Retryable:
        payload = None
    text = value[:60].decode("latin-1")
    for status in (302, 400, 401, 418, 429, 451, 500):
        failure = failure_of(status, {"Retry-After": text}, payload, made.T0)
        assert failure.retry_after_s is None or 0 <= failure.retry_after_s < 10**6
        str(failure).encode("ascii")
    for one in re.findall(r"[\w:., +-]+", text):
        retry_after(one, made.T0)
    return "decided"


def _raw_seeds(now: int) -> list[bytes]:
    quotes = [
        quote(at=now, symbol="BTCUSDT"),
        quote(at=now - 5, symbol="BTCUSDC", currency="USDC", high=2.0, low=1.0, open=1.5),
    ]
    fields = {"source": "binance", "origin": "live", "received_at": now, "interval_s": 60, "poll_interval_s": 10.0}
    status = {"state": "late", "since": now, "until": now + 5, "reason": "timeout"}
    return [orjson.dumps({**fields, "quotes": quotes}), orjson.dumps({**fields, "status": status, "quotes": []}),
            orjson.dumps({**fields, "origin": "backfill", "backfill_until": now, "quotes": quotes * 3})]  # fmt: skip


def _normalized_seeds() -> list[bytes]:
    at = T0 + MINUTE + 30_000
    polled = message([quote(at=at), quote("USDT", at=at, volume=3.0, high=120.0, low=90.0, open=100.0)], offset=5)
    back = message([quote(at=at)], "coingecko", origin="backfill", backfill_until=at, offset=6)
    return [encode(polled), encode(heartbeat(at, offset=5)), encode(back)]


LEDGER_ENTRY = {
    "id": f"BTC/all/{made.T0}", "asset": "BTC", "source": "all", "since": made.T0, "state": "late", "reason": "quotes",
    "origin": "live",
}  # fmt: skip
SINK_SEEDS: dict[str, list[Any]] = {
    "quotes.normalized": [made.quotes(1), made.heartbeat(1)], "bars": [made.bar(1)], "stats": [made.stats(1)],
    "indicators": [made.indicators(1)], "predictions": [made.prediction(1)], "signals": [made.signal(1)],
    "scores": [made.scores(1)], "ledger": [LEDGER_ENTRY],
    "quotes.raw.dead": [made.letter(1), made.letter(1, offset=None, partition=None)],
}  # fmt: skip


def sinking(topic: str) -> Target:
    """The sink on one topic."""
    return Target([encode(one) for one in SINK_SEEDS[topic]], partial(sink, topic))


TARGETS: dict[str, Callable[[], Target]] = {
    "raw": lambda: Target(_raw_seeds(made.T0), partial(raw, made.T0 + 500)),
    "normalized": lambda: Target(_normalized_seeds(), normalized),
    **{f"sink:{topic}": partial(sinking, topic) for topic in SINK_SEEDS},
    "state": lambda: Target([dump(_ran()[0])], partial(restarted, "state")),
    "learned": lambda: Target([dump_learned(_ran()[0])], partial(restarted, "learned")),
    "bars read back": lambda: Target(_ran()[1], partial(restarted, "bars")),
    "predictions read back": lambda: Target(_ran()[2], partial(restarted, "predictions")),
    **{name: partial(source, name) for name in SOURCES},
    **{f"{name} history": partial(history, name) for name in SOURCES if SOURCES[name].history},
    "failures": lambda: Target([body for name in SOURCES for body in _answers(name, history=False)], failures),
}  # fmt: skip
