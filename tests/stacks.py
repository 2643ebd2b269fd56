"""A whole stack on the demo market for a test, started by the command that users type."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import psutil
from waiting import wait_until

from cryptoviz.local.ports import free_ports
from cryptoviz.settings import Settings

READY_WITHIN_S = 150  # two cores that have other things to do
PORTS = tuple(f"CRYPTOVIZ_{name.upper()}" for name in Settings.model_fields if name.endswith("_port"))


@dataclass
class Up:
    """A running `cryptoviz up --demo`."""

    process: subprocess.Popen[str]
    environment: dict[str, str]

    def health(self) -> dict[str, Any]:
        url = f"http://127.0.0.1:{self.environment['CRYPTOVIZ_HEALTH_PORT']}/health"
        try:
            with urlopen(url, timeout=5) as answer:
                return dict(json.load(answer))
        except HTTPError as error:
            return dict(json.load(error))
        except (URLError, OSError):
            assert self.process.poll() is None, "the stack has ended"
            return {"ok": False, "parts": {}}

    def wait_until_well(self) -> dict[str, Any]:
        wait_until(lambda: self.health()["ok"], READY_WITHIN_S, "the stack to be well", every_s=0.3)
        return self.health()

    def processes(self) -> list[int]:
        """All processes of the stack: the command itself, its reaper and the parts."""
        return [self.process.pid, *(child.pid for child in psutil.Process(self.process.pid).children(recursive=True))]


def environment(folder: Path) -> dict[str, str]:
    ports = {name: str(port) for name, port in zip(PORTS, free_ports(len(PORTS)), strict=True)}
    without_grafana = {"GRAFANA_HOME": str(folder / "no-grafana")}
    return {**os.environ, **ports, **without_grafana, "CRYPTOVIZ_HOME": str(folder / "home")}


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "cryptoviz", *arguments]


@contextmanager
def up(
    folder: Path, *arguments: str, demo: bool = True, more: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Up]:
    """The running stack, on the demo market or on the sources that `more` variables name."""
    env = environment(folder) | more
    argv = command("up", *(["--demo"] if demo else []), *arguments)
    with (folder / "up.out").open("w") as output:
        process = subprocess.Popen(argv, env=env, stdout=output, stderr=output, text=True, cwd=folder)
    try:
        yield Up(process, env)
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(30)
