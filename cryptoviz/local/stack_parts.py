"""Which parts make the stack, in which order, with which command and settings; starts nothing."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import SecretStr

from cryptoviz.local.broker import Broker, broker_argv, format_argv
from cryptoviz.local.grafana import Grafana, grafana_environment
from cryptoviz.local.part import Part
from cryptoviz.local.ports import PortClaim
from cryptoviz.local.probes import http_answers, http_ok, kafka_answers
from cryptoviz.running import PLAINTEXT, is_loopback, reachable
from cryptoviz.settings import Settings

# What can be asked for; `process` becomes as many workers as the settings say, `grafana` needs one to be installed.
SERVERS = ("kafka", "clickhouse", "topics", "migrate")
PROCESSING = (*SERVERS, "sink", "process")
PIPELINE = (*PROCESSING, "produce", "monitor", "grafana")
DEMO = ("market", *PIPELINE)
FORECASTER = "forecaster"  # asked for where a batch model is installed

MARKET_SOURCES = ("binance", "coingecko", "coinmarketcap")
MARKET_SEED = 7
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Machine:
    """What was found on this machine: a Java, Kafka's jars, perhaps a Grafana."""

    java: Path
    jars: Sequence[Path]
    grafana: Grafana | None = None


def kafka_host(settings: Settings) -> str:
    """Where the embedded broker listens: it has no passwords, so never where other machines could write to it."""
    return settings.host if is_loopback(settings.host) else LOOPBACK


def broker_of(settings: Settings) -> Broker:
    """The embedded broker of these settings."""
    ports = settings.kafka_port, settings.kafka_controller_port
    return Broker(settings.home / "kafka", kafka_host(settings), *ports, settings.log_format)


def users_file(home: Path) -> Path:
    """Users and passwords of the embedded ClickHouse, readable by their owner alone."""
    return home / "clickhouse-users.json"


def embedded(settings: Settings, password: str, reader_password: str = "") -> Settings:
    """The settings with the addresses and passwords of the embedded servers and an absolute home, as parts get them."""
    host = reachable(settings.host)
    return settings.model_copy(update={
        "home": settings.home.resolve(),
        "kafka": f"{kafka_host(settings)}:{settings.kafka_port}",
        **PLAINTEXT,
        "clickhouse_url": f"http://{host}:{settings.clickhouse_port}",
        "clickhouse_ca": None,
        "clickhouse_user": "cryptoviz",
        "clickhouse_password": SecretStr(password),
        "clickhouse_grafana_password": SecretStr(reader_password),
    })  # fmt: skip


def environment(settings: Settings) -> dict[str, str]:
    """The settings as the variables that a part reads them from."""
    return {f"CRYPTOVIZ_{name.upper()}": _text(getattr(settings, name)) for name in Settings.model_fields}


def _text(value: object) -> str:
    if isinstance(value, SecretStr):
        return value.get_secret_value()
    return ",".join(map(str, value)) if isinstance(value, tuple) else "" if value is None else str(value)


def market_environment(settings: Settings) -> dict[str, str]:
    """Send the sources to the demo market; the keys of real accounts stay out of it."""
    base = f"http://{reachable(settings.host)}:{settings.market_port}"
    variables = {}
    for source in MARKET_SOURCES:
        variables[f"CRYPTOVIZ_{source.upper()}_URL"] = f"{base}/{source}"
        variables[f"CRYPTOVIZ_{source.upper()}_API_KEY"] = "demo"
    return variables


def port_claims(settings: Settings, names: Collection[str]) -> list[PortClaim]:
    """Every port that these parts are going to listen on."""
    claims = {
        "kafka": [("kafka", "kafka_port", 0), ("kafka's controller", "kafka_controller_port", 0)],
        "clickhouse": [("clickhouse", "clickhouse_port", 0)],
        "market": [("market", "market_port", 0)],
        "grafana": [("grafana", "grafana_port", 0)],
        "sink": [("sink", "sink_port", 0)],
        "produce": [("produce", "producer_port", 0)],
        FORECASTER: [(FORECASTER, "forecaster_port", 0)],
        "monitor": [("monitor", "monitor_port", 0)],
        "process": [(f"worker-{number + 1}", "worker_port", number) for number in range(settings.workers)],
    }
    wanted = [("health", "health_port", 0), *(claim for name in names for claim in claims.get(name, ()))]
    return [
        PortClaim(getattr(settings, field) + number, part, f"CRYPTOVIZ_{field.upper()}")
        for part, field, number in wanted
    ]


def build_parts(settings: Settings, names: Collection[str], machine: Machine) -> list[Part]:
    """The parts of `names`; `settings` are those of `embedded`. A part only waits for others that are there."""
    parts = [part for part in _all_parts(settings, "market" in names, machine) if _kind(part.name) in names]
    there = {part.name for part in parts}
    return [replace(part, after=tuple(name for name in part.after if name in there)) for part in parts]


def _kind(name: str) -> str:
    if name.startswith("worker-"):
        return "process"
    return "kafka" if name == "kafka-format" else name


def _all_parts(settings: Settings, on_market: bool, machine: Machine) -> Iterator[Part]:
    yield from _kafka(settings, machine)
    yield from _clickhouse(settings)
    env = environment(settings)
    host = reachable(settings.host)
    yield Part("topics", _command("topics"), env, ("kafka",), one_shot=True)
    yield Part("migrate", _command("migrate"), env, ("clickhouse",), one_shot=True)
    yield from _market(settings)
    sink, producer = f"http://{host}:{settings.sink_port}/health", f"http://{host}:{settings.producer_port}/health"
    # Both are well while Kafka or ClickHouse is away: they wait for it. One that is alive but does not get on ends
    # itself, as workers do; the producer, which has nothing to commit, is ended when its loop stands still.
    yield Part("sink", _command("sink"), env, ("topics", "migrate"), http_ok(sink), alive=http_answers(sink))
    yield from _workers(settings, env)
    # It waits for no worker: Kafka keeps the history until there is one, which takes as long as fetching the history.
    yield Part(
        "produce", _command("produce"), env | (market_environment(settings) if on_market else {}),
        ("market", "topics", "migrate"), http_ok(producer),
    )  # fmt: skip
    yield _beside(FORECASTER, "forecast", settings.forecaster_port, settings, env)
    yield _beside("monitor", "monitor", settings.monitor_port, settings, env)
    if machine.grafana:
        yield _grafana(settings, machine.grafana)


def _kafka(settings: Settings, machine: Machine) -> Iterator[Part]:
    broker, host = broker_of(settings), kafka_host(settings)
    if not broker.is_formatted:
        yield Part("kafka-format", format_argv(machine.java, machine.jars, broker), one_shot=True)
    yield Part(
        "kafka", broker_argv(machine.java, machine.jars, broker), after=("kafka-format",),
        ready=kafka_answers(host, settings.kafka_port), ready_within_s=240, address=f"{host}:{settings.kafka_port}",
    )  # fmt: skip


def _clickhouse(settings: Settings) -> Iterator[Part]:
    argv = _module(
        "cryptoviz.local.clickhouse", "--data", str(settings.home / "clickhouse"), "--host", settings.host,
        "--port", str(settings.clickhouse_port), "--users", str(users_file(settings.home)),
        "--database", settings.clickhouse_database, "--log-format", settings.log_format,
    )  # fmt: skip
    yield Part("clickhouse", argv, ready=http_ok(f"{settings.clickhouse_url}/ping"), address=settings.clickhouse_url)


def _market(settings: Settings) -> Iterator[Part]:
    url = f"http://{reachable(settings.host)}:{settings.market_port}"
    argv = _module(
        "cryptoviz.local.market", "--host", settings.host, "--port", str(settings.market_port),
        "--seed", str(MARKET_SEED), "--log-format", settings.log_format,
    )  # fmt: skip
    yield Part("market", argv, ready=http_ok(f"{url}/ping"), address=url)


def _workers(settings: Settings, env: Mapping[str, str]) -> Iterator[Part]:
    for number in range(settings.workers):
        name, port = f"worker-{number + 1}", settings.worker_port + number
        own = {"CRYPTOVIZ_WORKER_ID": name, "CRYPTOVIZ_WORKER_PORT": str(port)}
        # A worker that is alive but does not get on ends itself; one that does not even answer is ended.
        health = f"http://{reachable(settings.host)}:{port}/health"
        yield Part(name, _command("process"), {**env, **own}, ("topics",), http_ok(health), alive=http_answers(health))


def _beside(name: str, command: str, port: int, settings: Settings, env: Mapping[str, str]) -> Part:
    """A part that nothing waits for, not even the start-up, or falls with."""
    url = f"http://{reachable(settings.host)}:{port}/health"
    return Part(name, _command(command), env, ("topics", "migrate"), alive=http_answers(url), critical=False)


def _grafana(settings: Settings, grafana: Grafana) -> Part:
    url = f"http://{reachable(settings.host)}:{settings.grafana_port}"
    env = grafana_environment(settings, grafana, settings.home / "grafana")
    # The first start fetches the data source plugin; nothing else waits for Grafana or falls with it.
    return Part("grafana", grafana.argv(), env, ("migrate",), http_ok(f"{url}/api/health"), ready_within_s=180,
                critical=False, address=url)  # fmt: skip


def _module(name: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", name, *arguments)


def _command(name: str) -> tuple[str, ...]:
    return _module("cryptoviz", name)
