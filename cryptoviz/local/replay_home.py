"""Where a replay lives: a home that holds nothing yet, and ports that nobody has."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptoviz.errors import UserError
from cryptoviz.local.ports import free_ports
from cryptoviz.settings import Settings

PREFIX = ".cryptoviz-replay-"
PORTS = (
    "kafka_port", "kafka_controller_port", "clickhouse_port", "grafana_port", "health_port", "worker_port", "sink_port",
    "producer_port", "market_port", "forecaster_port", "monitor_port",
)  # fmt: skip


def replay_settings(settings: Settings, home: Path) -> Settings:
    """The same settings on another home and on free ports, so that a replay disturbs no running stack."""
    ports = dict(zip(PORTS, free_ports(len(PORTS), settings.host), strict=True))
    return settings.model_copy(update={"home": home, **ports})


@contextmanager
def fresh_home(settings: Settings) -> Iterator[Path]:
    """The folder of CRYPTOVIZ_HOME if that was set, else a temporary one in the current folder, removed afterwards.

    Raises `UserError` if the chosen folder holds anything: results would mix. A temporary one is kept for its logs
    when what is done inside fails.
    """
    if "home" in settings.model_fields_set:
        yield _empty(settings.home)
        return
    home = Path(tempfile.mkdtemp(prefix=PREFIX, dir=Path.cwd()))
    try:
        yield home
    except UserError as error:
        raise UserError(f"{error} (the logs are in {home / 'logs'}; remove {home} when done)") from error
    shutil.rmtree(home, ignore_errors=True)


def _empty(home: Path) -> Path:
    if home.exists() and (not home.is_dir() or any(home.iterdir())):
        raise UserError(
            f"CRYPTOVIZ_HOME={home} is not empty, and a replay needs a fresh home: name a new folder, "
            "or unset CRYPTOVIZ_HOME to use a temporary one"
        )
    return home
