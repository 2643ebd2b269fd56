"""Fakes of what tests cannot have for real, each written once."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from cryptoviz.kafka import Shipment


@dataclass(frozen=True)
class Sent:
    """One message handed to `FakeWriter`."""

    topic: str
    partition: int
    value: dict[str, Any]
    key: bytes | None


@dataclass
class FakeWriter:
    """Stands for `cryptoviz.kafka.Writer`; while `away` nothing arrives and `pending` grows."""

    away: bool = False
    pending: int = 0
    pending_bytes: int = 0
    sent: list[Sent] = field(default_factory=list)
    shipments: list[Shipment] = field(default_factory=lambda: [Shipment()])

    def send(self, topic: str, partition: int, value: bytes, key: bytes | None = None) -> None:
        """Remember the message, decoded."""
        self.sent.append(Sent(topic, partition, orjson.loads(value), key))
        self.pending += 1
        self.pending_bytes += len(value)
        self.shipments[-1].pending += 1
        self.poll()

    def send_all(self, topic: str, partition: int, messages: Sequence[Mapping[str, Any]]) -> None:
        """Remember them all."""
        for message in messages:
            self.send(topic, partition, message["value"], message["key"])

    def mark(self) -> Shipment:
        """What was sent until now."""
        self.shipments.append(Shipment(self.shipments[-1]))
        return self.shipments[-2]

    @property
    def marked(self) -> bool:
        """Whether nothing was sent since."""
        return self.shipments[-1].pending == 0

    def poll(self) -> None:
        """Everything arrives at once, unless Kafka is away."""
        if not self.away:
            self.pending = self.pending_bytes = 0
            for shipment in self.shipments:
                shipment.pending = 0
            del self.shipments[:-1]

    def hurry(self, timeout_s: float) -> None:
        """The same: nothing is gathered."""
        self.poll()

    def check(self) -> None:
        """Nothing is ever refused."""

    def flush(self, timeout_s: float) -> bool:
        """Whether all has arrived."""
        self.poll()
        return self.pending == 0

    def on(self, topic: str) -> list[dict[str, Any]]:
        """The values sent to one topic, in order."""
        return [sent.value for sent in self.sent if sent.topic == topic]


@dataclass
class Acknowledged:
    """Stands for Faust's way to acknowledge: how many messages were, at each time."""

    batches: list[int] = field(default_factory=list)

    async def __call__(self, messages: int) -> None:
        """Note them."""
        self.batches.append(messages)


@dataclass
class FakeTime:
    """A clock in seconds that moves only when told to."""

    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Answer:
    """What `FakeDatabase.query` gives."""

    result_rows: list[tuple[Any, ...]]


@dataclass
class FakeDatabase:
    """Stands for a ClickHouse client running migrations: remembers statements, applied names and home settings.

    `breaks_at` is the statement at which the connection is lost, once.
    """

    ran: list[str] = field(default_factory=list)
    migrations: dict[str, str] = field(default_factory=dict)
    home: dict[str, str] = field(default_factory=dict)
    engines: dict[str, str] = field(default_factory=dict)
    keeps_users: bool = False
    breaks_at: str = ""

    def command(self, cmd: str) -> None:
        """Run one statement, or lose the connection."""
        if self.breaks_at and self.breaks_at in cmd:
            self.breaks_at = ""
            raise ConnectionError("connection lost")
        self.ran.append(cmd)
        values = re.findall(r"\('([^']*)', '([^']*)'\)", cmd)
        if "schema_migrations (name, sha256) VALUES" in cmd:
            self.migrations.update(values)
        elif "home_settings (name, value) VALUES" in cmd:
            self.home.update(values)

    def query(self, query: str) -> Answer:
        """Answer the few questions the runner asks."""
        if "user_directories" in query:
            return Answer([(int(self.keeps_users),)])
        answers = {"schema_migrations": self.migrations, "home_settings": self.home, "system.tables": self.engines}
        return Answer(next(list(found.items()) for name, found in answers.items() if name in query))


@dataclass
class FakeClickHouse:
    """Stands for a ClickHouse client that inserts; raises the errors of `troubles` first, one per insert."""

    troubles: list[Exception] = field(default_factory=list)
    inserts: list[tuple[str, dict[str, list[Any]], str]] = field(default_factory=list)
    tokens_tried: list[str] = field(default_factory=list)
    closed: int = 0

    def create_insert_context(self, table: str, column_names: Sequence[str], database: str) -> Any:
        """Whose column types the sink asks for."""
        return self

    @property
    def column_types(self) -> list[str]:
        """Types are ClickHouse's business."""
        return []

    def insert(self, table: str, data: list[tuple[Any, ...]], column_names: Sequence[str], **options: Any) -> None:
        """Remember table, rows as columns, and token."""
        token = options["settings"]["insert_deduplication_token"]
        self.tokens_tried.append(token)
        if self.troubles:
            raise self.troubles.pop(0)
        columns = {name: [row[place] for row in data] for place, name in enumerate(column_names)}
        self.inserts.append((table, columns, token))

    def raw_insert(self, insert_block: bytes, settings: dict[str, Any]) -> None:
        """Remember table, lines, and token."""
        statement, *lines = insert_block.split(b"\n")
        table = statement.decode().split()[2].rpartition(".")[2]
        self.insert(table, [(line,) for line in lines], ["line"], settings=settings)

    def close(self) -> None:
        """Count the connections given up."""
        self.closed += 1


@dataclass
class FakeBars:
    """Stands for a ClickHouse client that the batch models read from: one source's bars, and what waits for a score.

    `bars` is, by asset, (close, quotes) by the bar's start in ms; `waiting` are rows as the scoring asks for them,
    `errors` are rows (model, horizon_s, relative error). Raises those of `troubles` first, one per query.
    """

    bars: dict[str, dict[int, tuple[float, int]]] = field(default_factory=dict)
    waiting: list[tuple[Any, ...]] = field(default_factory=list)
    errors: list[tuple[str, int, float]] = field(default_factory=list)
    troubles: list[Exception] = field(default_factory=list)

    def query(self, query: str, parameters: dict[str, Any]) -> Answer:
        """Answer the five questions that are asked."""
        if self.troubles:
            raise self.troubles.pop(0)
        if "NOT IN" in query:
            return Answer([row for row in self.waiting if row[4] <= parameters["now"]])
        if "abs(error)" in query:
            return Answer(self.errors)
        if "GROUP BY asset" in query:
            return Answer(self._newest(parameters))
        if "maxIf" in query:
            return Answer([(max(self.bars[parameters["asset"]]), max(map(max, self.bars.values())))])
        rows = sorted((start, *bar) for start, bar in self.bars[parameters["asset"]].items())
        until = parameters.get("until", parameters.get("made_at"))
        rows = [row for row in rows if parameters["since"] <= row[0] < until]
        return Answer(rows if "quotes" in query else [row[:2] for row in rows])

    def _newest(self, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
        found = []
        for asset, bars in self.bars.items():
            ends = [start + parameters["interval_ms"] for start in bars if start >= parameters["since"]]
            ends = [end for end in ends if end % parameters["forecast_ms"] == 0]
            if ends:
                found.append((asset, parameters["sources"][0], max(ends)))
        return found
