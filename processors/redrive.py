"""Puts the originals of dead letters back where they came from, those that would be taken this time, each once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cryptoviz.dead_letters import Letter, in_log_order, original, why_not
from cryptoviz.errors import Invalid, UserError
from cryptoviz.messages import encode
from cryptoviz.topics import NORMALIZED, RAW
from processors.agents import read_normalized
from processors.normalise import Normaliser, Position
from processors.sink_rows import Health, add_message

HEADER = "redriven"
"""The Kafka header of a message put back; its value is the name of the letter."""


class Log(Protocol):
    """What is needed of `processors.recovery.LogReader`."""

    def bounds(self, topic: str, partition: int) -> tuple[int, int]: ...
    def read(self, topic: str, partition: int, start: int, end: int) -> Iterator[Any]: ...


class Sender(Protocol):
    """What is needed of `cryptoviz.kafka.Writer`."""

    def send(
        self, topic: str, partition: int, value: bytes, key: bytes | None = None,
        headers: list[tuple[str, str | bytes | None]] | None = None,
    ) -> None: ...  # fmt: skip


@dataclass(frozen=True)
class Decision:
    """What is to be done with a letter: put back where `refused` is empty, else left, and why."""

    letter: Letter
    refused: str
    detail: str = ""
    """More of why, which differs from letter to letter."""
    quotes: int = 0
    """How many quotes would be stored of it."""


def decide(letters: Sequence[Letter], normaliser: Normaliser, log: Log, now_ms: Callable[[], int]) -> list[Decision]:
    """A decision for each letter, in the order of the log; reads from Kafka what was put back before."""
    before = _put_back_before([letter for letter in letters if why_not(letter) is None], normaliser.partitions, log)
    return [_decision(letter, normaliser, before, now_ms()) for letter in in_log_order(letters)]


def put_back(decisions: Sequence[Decision], writer: Sender) -> int:
    """Send what is to be put back to the topic and partition it came from; how many messages that was."""
    chosen = [one.letter for one in decisions if not one.refused]
    for letter in chosen:
        headers: list[tuple[str, str | bytes | None]] = [(HEADER, letter.letter)]
        writer.send(letter.topic, letter.partition or 0, original(letter), headers=headers)
    return len(chosen)


def _decision(letter: Letter, normaliser: Normaliser, before: set[bytes], now: int) -> Decision:
    refused = why_not(letter)
    if refused is None and letter.letter.encode() in before:
        refused = "it was put back before"
    if refused is not None:
        return Decision(letter, refused)
    try:
        return Decision(letter, "", quotes=_quotes(letter, original(letter), normaliser, now))
    except Invalid as error:
        return Decision(letter, f"it would be set aside again as {error.reason}", error.detail)
    except UserError as error:
        return Decision(letter, str(error))


def _quotes(letter: Letter, value: bytes, normaliser: Normaliser, now: int) -> int:
    """How many quotes the pipeline would take of a message if it came now; raises `Invalid` if none of it is used."""
    at = Position(letter.topic, letter.partition or 0, letter.offset or 0, now)
    if not 0 <= at.partition < normaliser.partitions:
        raise Invalid("wrong_partition", f"{at.topic} has {normaliser.partitions} partitions")
    if letter.topic == RAW.name:
        message, dead = normaliser.normalise(value, at)
        if message is None or (dead and not message["quotes"]):
            raise Invalid(dead[0]["reason"], dead[0]["detail"])
    else:
        message = read_normalized(at, value, normaliser.interval_s, normaliser.registry.sources)
    add_message(encode(message), Position(NORMALIZED.name, at.partition, at.offset, now), {}, Health())
    return len(message["quotes"])


def _put_back_before(letters: Sequence[Letter], partitions: int, log: Log) -> set[bytes]:
    """The names of the letters that messages after the originals carry."""
    since: dict[tuple[str, int], int] = {}
    for letter in letters:
        place, offset = (letter.topic, letter.partition or 0), letter.offset or 0
        if place[1] < partitions:
            since[place] = min(offset, since.get(place, offset))
    names: set[bytes] = set()
    for (topic, partition), offset in since.items():
        low, high = log.bounds(topic, partition)
        for message in log.read(topic, partition, max(low, offset), high):
            names.update(value or b"" for name, value in message.headers() or () if name == HEADER)
    return names
