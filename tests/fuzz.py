"""Mutated real messages and answers against everything that reads what others wrote: `make fuzz`, and tests in short.

What is bad must come out as a dead letter with a reason or as a counted rejection; an exception is a finding. A
finding is printed with the seed that makes it again: `python -m fuzz --target NAME --seed N --rounds 1`.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
import os
import random
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

DEEP = 3_000
TOO_LONG_S = 20
TOKENS = (
    b"\x00", b"\xff", b"\xed\xa0\x80", b"\\ud800", b"\\u0000", b"NaN", b"-Infinity", b"1e999", b"-0.0", b"1e308",
    b"9" * 400, b"null", b"{", b"]", b'"', b",", b"[" * DEEP, b'{"a":' * DEEP, b"\xef\xbb\xbf",
)  # fmt: skip
NUMBERS: tuple[Any, ...] = (
    0, -0.0, -1, 1, 2**16, 2**31, 2**32, 2**53, 2**63 - 1, 2**63, 2**64, -(2**63), -(2**63) - 1, 10**30, 10**400,
    1e308, -1e308, 5e-324, 1e-300, 1e30, 1e31, 1e-31, 0.1, math.nan, math.inf, -math.inf, 4_102_444_799_999,
    4_102_444_800_000, 253_402_300_800_000, 8_640_000_000_000_001,
)  # fmt: skip
TEXTS: tuple[Any, ...] = (
    "", " ", "\x00", "a\x00b", "\ud800", "\udfff\ud800", "é\u202e", "\U0001f4a9", "x" * 129, "x" * 100_000, "NaN",
    "inf", "1e400", "0x10", "1_000", " 1 ", "-1", "1e5", "true", "BTC", "all", "\x1b[31m", "2025-01-02",
    "9999-12-31T23:59:59Z", "0001-01-01T00:00:00+14:00", "2025-02-30T00:00:00Z", "20250102T030405Z",
    "2025-01-02T03:04:05.678901234Z",
)  # fmt: skip


@dataclass(frozen=True)
class Target:
    """A reader: `seeds` are what it is meant to read, `read` does it and says in a word what became of it."""

    seeds: Sequence[bytes]
    read: Callable[[bytes], str]


def mutated(rng: random.Random, seeds: Sequence[bytes]) -> bytes:
    """One of the seeds, changed in one place or in several: as JSON where it is JSON, as bytes, or as both."""
    data = rng.choice(seeds)
    turns = rng.choice((1, 1, 1, 2, 4))
    if rng.random() < 0.75:
        data = _changed_json(rng, data, turns)
    if rng.random() < 0.35:
        for _ in range(turns):
            data = _changed_bytes(rng, data)
    return data


def _changed_bytes(rng: random.Random, data: bytes) -> bytes:
    start = rng.randrange(len(data) + 1)
    flipped = bytes(byte ^ (1 << rng.randrange(8)) for byte in data[start : start + 1])
    end = min(len(data), start + rng.choice((1, 1, 2, 8, 64, 1000)))
    return rng.choice((
        lambda: data[:start],
        lambda: data[:start] + data[end:],
        lambda: data[:end] + data[start:],
        lambda: data[:start] + rng.choice(TOKENS) + data[end:],
        lambda: data[:start] + rng.randbytes(end - start) + data[end:],
        lambda: data[:start] + flipped + data[start + 1 :],
    ))()  # fmt: skip


def _changed_json(rng: random.Random, data: bytes, turns: int) -> bytes:
    try:
        value = json.loads(data)
    except ValueError:
        return data
    holder = [value]
    for _ in range(turns):
        _change(rng, holder)
    try:
        return json.dumps(holder[0] if holder else None).encode()
    except RecursionError:
        return data


def _places(value: Any, found: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
    """Every (container, key or index) below a value."""
    if isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            found.append((value, key))
            _places(value[key], found)
    return found


def _change(rng: random.Random, holder: list[Any]) -> None:
    places = _places(holder, [])
    if not places:
        return
    container, key = rng.choice(places)
    turn = rng.random()
    if turn < 0.55:
        container[key] = _nasty(rng, container[key])
    elif turn < 0.65:
        other, there = rng.choice(places)
        container[key] = json.loads(json.dumps(other[there]))  # a value from elsewhere, of another type as often as not
    elif turn < 0.75:
        del container[key]
    elif isinstance(container, list):
        container.insert(rng.randrange(len(container) + 1), json.loads(json.dumps(container[key])))
        rng.shuffle(container)
    else:
        container[rng.choice(TEXTS)] = _nasty(rng, container[key])


def _nasty(rng: random.Random, now: Any) -> Any:
    turn = rng.random()
    if type(now) in (int, float) and turn < 0.35:
        step = rng.choice((1, -1, 60_000, -60_000, 86_400_000, -86_400_000, 5_001, 61_000))
        return rng.choice((now + step, -now, now * 1000, now // 1000, str(now)[:400], [now], bool(now)))
    if turn < 0.65:
        return rng.choice(NUMBERS)
    if turn < 0.9:
        return rng.choice(TEXTS)
    deep: Any = []
    for _ in range(rng.choice((1, 10, 300))):
        deep = rng.choice(([deep], {"a": deep}))
    return rng.choice((None, True, False, [], {}, [[]], {"": {}}, deep))


def once(target: Target, seed: int) -> str:
    """Read the input that a seed makes."""
    return target.read(mutated(random.Random(seed), target.seeds))


def _too_long(*_: Any) -> None:
    raise TimeoutError(f"not read within {TOO_LONG_S} s")


def say(line: str) -> None:
    """A line for whoever waits, at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def hunt(name: str, target: Target, first_seed: int, rounds: int, seconds: float) -> int:
    """Read until the rounds or the seconds are over; prints what came out and each new finding, returns how many."""
    outcomes: Counter[str] = Counter()
    findings: Counter[str] = Counter()
    signal.signal(signal.SIGALRM, _too_long)
    began, slowest, seed = time.monotonic(), 0.0, first_seed
    while seed - first_seed < rounds and time.monotonic() - began < seconds:
        started = time.monotonic()
        signal.alarm(TOO_LONG_S)
        try:
            outcomes[once(target, seed)] += 1
        except Exception as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            what = f"{type(error).__name__} at {os.path.relpath(where.filename)}:{where.lineno}"
            findings[what] += 1
            if findings[what] == 1:
                say(f"{name}: seed {seed}: {what}: {str(error)[:300]!r}")
        slowest = max(slowest, time.monotonic() - started)
        seed += 1
    signal.alarm(0)
    took = time.monotonic() - began
    say(f"{name}: {seed - first_seed} inputs from seed {first_seed} in {took:.0f} s, slowest {slowest:.2f} s; "
        f"{dict(outcomes.most_common(12))}; found {dict(findings)}")  # fmt: skip
    return findings.total()


def main() -> int:
    """Hunt at every target in turn; exit code 1 if anything was found."""
    from fuzz_targets import TARGETS

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--target", action="append", choices=sorted(TARGETS), help="only these")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--rounds", type=int, default=2**62)
    parser.add_argument("--seconds", type=float, default=float(os.environ.get("FUZZ_SECONDS", "1200")), help="each")
    asked = parser.parse_args()
    logging.disable()
    names = asked.target or list(TARGETS)
    found = {name: hunt(name, TARGETS[name](), asked.seed, asked.rounds, asked.seconds) for name in names}
    return int(any(found.values()))


if __name__ == "__main__":
    sys.exit(main())
