"""The same work by every engine: decode, check, roll a window of 50 prices, emit; engines in turn, rounds repeated."""

from __future__ import annotations

import itertools
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, NewTopic, ResourceType
from rich.console import Console
from rich.table import Table
from servers import KafkaServer

from bench.engines.work import SHAPES
from bench.measuring import Run, measured
from bench.quotes import PARTITIONS, Expected, expected, fill
from bench.results import ratios, spread
from cryptoviz.errors import UserError
from cryptoviz.local.jars import Jar, resolve_jars
from cryptoviz.local.java import find_java
from cryptoviz.local.kafka_jars import JARS

HERE = Path(__file__).parent
PEERS_PYTHON = HERE.parent / ".venv-bench" / "bin" / "python"
# fmt: off
STREAMS_JARS = (  # RocksDB because the library refers to it even with stores in memory
    Jar(
        "org.apache.kafka",
        "kafka-streams",
        "4.1.2",
        2052311,
        "415998b32e8627b3ce21ff87226c66f3313e9fc52eca2513a3600bf492e3cbac",
    ),
    Jar(
        "org.rocksdb",
        "rocksdbjni",
        "9.7.3",
        70837810,
        "5ca63e0e955f101f7af1c1fb8ce260b5d3a5701cea7d8c2852b9d56031a57221",
    ),  # the library refers to it even in memory
)
# fmt: on


@dataclass(frozen=True)
class Engine:
    """Who does the work, how it is started, and how many quotes it gets per shape for a run of some seconds."""

    name: str
    command: Sequence[str]
    sizes: Sequence[int]
    warm_up: float = 0.0
    """This share of the results is not timed: a JVM compiles for ten seconds before it is as fast as it will be."""


def run(console: Console, rounds: int, scale: float, only: str) -> dict[str, Any]:
    """Measure every engine in every shape; the figures, and why an engine is not among them."""
    with tempfile.TemporaryDirectory(prefix="cryptoviz-bench-") as temporary:
        folder = Path(temporary)
        engines, skipped = _engines(folder)
        engines = [engine for engine in engines if only in engine.name]
        server = KafkaServer(folder)
        try:
            server.start()
            _stamp_by_broker(server.address)
            runs = _rounds(engines, server, rounds, scale, console)
        finally:
            server.stop()
    for name, reason in skipped.items():
        console.print(f"{name} left out: {reason}")
    found = {shape: _figures(shape, engines, runs) for shape in SHAPES}
    for shape in SHAPES:
        console.print(table(shape, found[shape]))
    return {"rounds": rounds, "scale": scale, "skipped": skipped, "shapes": found}


def _engines(folder: Path) -> tuple[list[Engine], dict[str, str]]:
    ours, scripts, skipped = sys.executable, HERE / "engines", {}
    engines = [
        Engine("cryptoviz", [ours, str(scripts / "on_cryptoviz.py")], (400_000, 4_000_000, 2_400_000)),
        Engine("bare", [ours, str(scripts / "on_bare.py")], (300_000, 1_600_000, 1_200_000)),
        Engine("faust-usual", [ours, str(scripts / "on_faust.py")], (8_000, 40_000, 8_000)),
    ]
    if PEERS_PYTHON.is_file():
        peers = str(PEERS_PYTHON)
        engines += [
            Engine("bytewax", [peers, str(scripts / "on_bytewax.py")], (200_000, 800_000, 1_200_000)),
            Engine("bytewax-by-hand", [peers, str(scripts / "on_bytewax_by_hand.py")], (200_000, 1_600_000, 1_200_000)),
            Engine("quix", [peers, str(scripts / "on_quix.py")], (60_000, 120_000, 120_000)),
            Engine("quix-by-hand", [peers, str(scripts / "on_quix_by_hand.py")], (60_000, 1_600_000, 300_000)),
        ]
    else:
        skipped |= dict.fromkeys(("bytewax", "quix"), "no .venv-bench: `make bench` sets it up")
    try:
        engines.append(Engine("kafka-streams", _java(folder), (1_600_000, 4_000_000, 2_400_000), 0.5))
    except UserError as error:
        skipped["kafka-streams"] = str(error)
    return engines, skipped


def _java(folder: Path) -> list[str]:
    javac = shutil.which("javac")
    if javac is None:
        raise UserError("no javac on PATH: install a JDK 17 or newer")
    jars = resolve_jars((*JARS, *STREAMS_JARS), lambda received, total: None)
    classpath = ":".join(map(str, jars))
    subprocess.run(
        [javac, "--release", "17", "-cp", classpath, "-d", str(folder / "java"), str(HERE / "java" / "Rolling.java")],
        check=True,
    )  # fmt: skip
    return [str(find_java()), "-Xmx512m", "-cp", f"{folder / 'java'}:{classpath}", "Rolling"]


def _rounds(
    engines: Sequence[Engine], server: KafkaServer, rounds: int, scale: float, console: Console
) -> dict[tuple[str, str], list[Run]]:
    broker, folder = server.address, server.log.parent
    inputs: dict[tuple[int, bool], str] = {}
    wanted: dict[int, Expected] = {}
    runs: dict[tuple[str, str], list[Run]] = {}
    for number, shape, engine in itertools.product(range(rounds), SHAPES, engines):
        size = int(engine.sizes[SHAPES.index(shape)] * scale)
        batched = shape != "single"
        if (size, batched) not in inputs:
            inputs[size, batched] = _topic(broker, f"in-{size}-{'batched' if batched else 'single'}")
            fill(broker, inputs[size, batched], size, batched)
        wanted[size] = wanted.get(size) or expected(size)
        target = _topic(broker, f"out-{engine.name}-{shape}-{number}")
        argv = [*engine.command, broker, inputs[size, batched], target, shape, str(folder / f"state-{target}")]
        done = measured(argv, folder / f"{target}.log", broker, target, wanted[size], warm_up=engine.warm_up)
        runs.setdefault((engine.name, shape), []).append(done)
        console.print(
            f"round {number + 1} {shape:8} {engine.name:14} {done.per_s:10,.0f} /s {done.per_cpu_s:10,.0f} /cpu-s "
            f"in {done.seconds:.1f} s {done.wrong}", markup=False, highlight=False,
        )  # fmt: skip
        admin = AdminClient({"bootstrap.servers": broker})  # kept until the answer is there
        admin.delete_topics([target])[target].result(20)
    return runs


def _topic(broker: str, name: str) -> str:
    admin = AdminClient({"bootstrap.servers": broker})
    admin.create_topics([NewTopic(name, PARTITIONS, 1)])[name].result(20)
    return name


def _stamp_by_broker(broker: str) -> None:
    """Messages have the time at which the broker stored them, in topics that an engine makes itself, too."""
    admin = AdminClient({"bootstrap.servers": broker})
    entry = ConfigEntry("log.message.timestamp.type", "LogAppendTime", incremental_operation=AlterConfigOpType.SET)
    for node in admin.list_topics(timeout=20).brokers:
        resource = ConfigResource(ResourceType.BROKER, str(node), incremental_configs=[entry])
        admin.incremental_alter_configs([resource])[resource].result(20)


def _figures(shape: str, engines: Sequence[Engine], runs: dict[tuple[str, str], list[Run]]) -> dict[str, Any]:
    """Per engine the spreads and ratios; one whose results are not equal has its reason and no figure."""
    found: dict[str, Any] = {}
    for engine in engines:
        mine = runs[engine.name, shape]
        wrong = next((each.wrong for each in mine if each.wrong), "")
        quotes = engine.sizes[SHAPES.index(shape)]
        found[engine.name] = {"wrong": wrong, "quotes": quotes, "runs": [asdict(each) for each in mine]}
        if not wrong:
            found[engine.name] |= {
                "per_s": asdict(spread([each.per_s for each in mine])),
                "per_cpu_s": asdict(spread([each.per_cpu_s for each in mine])),
            }
    for kind in ("per_s", "per_cpu_s"):
        medians = {name: each[kind]["median"] for name, each in found.items() if kind in each}
        for name, others in ratios(medians).items():
            found[name][f"{kind}_ratio_to"] = others
    return found


def table(shape: str, found: dict[str, Any]) -> Table:
    """One row an engine; the ratio says how many times as fast CryptoViz is."""
    shown = Table(title=f"{shape}: quotes per second, median (min to max)", title_justify="left")
    for name in ("engine", "wall", "per CPU-second", "CryptoViz is, wall", "CryptoViz is, per CPU-second"):
        shown.add_column(name, justify="left" if name == "engine" else "right")
    ours = found.get("cryptoviz", {})
    for name, each in sorted(found.items(), key=lambda pair: -pair[1].get("per_s", {}).get("median", 0)):
        if each["wrong"]:
            shown.add_row(name, "does not count:", each["wrong"][:60])
            continue
        times = [f"{ours.get(f'{kind}_ratio_to', {}).get(name, 1.0):.2f} x" for kind in ("per_s", "per_cpu_s")]
        shown.add_row(name, _said(each["per_s"]), _said(each["per_cpu_s"]), *times)
    return shown


def _said(figures: dict[str, float]) -> str:
    return f"{figures['median']:,.0f} ({figures['min']:,.0f} to {figures['max']:,.0f})"
