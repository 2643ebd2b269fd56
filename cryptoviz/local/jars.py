"""Bring Kafka's jars onto this machine: pinned, checked against their SHA-256, kept in Maven's own cache."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from cryptoviz.errors import UserError

ATTEMPTS = 4
AT_ONCE = 6  # more connections than this gained nothing
REQUEST_TIMEOUT_S = 20


@dataclass(frozen=True)
class Jar:
    """One file of a Maven repository, and what it must contain."""

    group: str
    artifact: str
    version: str
    size_bytes: int
    sha256: str

    @property
    def path(self) -> Path:
        """Where Maven keeps it, inside a repository or a cache."""
        name = f"{self.artifact}-{self.version}.jar"
        return Path(*self.group.split("."), self.artifact, self.version, name)


class Transfer:
    """Bytes received over all downloads, reported as they come; `cancelled` ends the downloads at the next chunk."""

    def __init__(self, total_bytes: int, report: Callable[[int, int], None], cancelled: threading.Event) -> None:
        self._total_bytes, self._report, self.cancelled = total_bytes, report, cancelled
        self._received_bytes = 0
        self._lock = threading.Lock()

    def check(self) -> None:
        """Raise `UserError` once cancelled."""
        if self.cancelled.is_set():
            raise UserError("the download was interrupted; start again to go on with it")

    @contextmanager
    def counting(self, *_: object) -> Iterator[Callable[[int], None]]:
        """The shape jgo wants of a progress callback; a failed attempt is taken back from the count."""
        before = 0

        def received(count: int) -> None:
            nonlocal before
            self.check()
            before += count
            self._add(count)

        try:
            yield received
        except BaseException:
            self._add(-before)
            raise

    def _add(self, count: int) -> None:
        with self._lock:
            self._received_bytes += count
            self._report(self._received_bytes, self._total_bytes)


def resolve_jars(
    jars: Sequence[Jar],
    report: Callable[[int, int], None],
    cache: Path | None = None,
    cancelled: threading.Event | None = None,
) -> list[Path]:
    """Return the paths of `jars`, downloading those that are missing or damaged.

    `report(received_bytes, total_bytes)` is called while downloading, from several threads, and not at all when
    everything is there. Setting `cancelled` ends the download; what has arrived whole is kept. Raises `UserError` when
    a file cannot be had.
    """
    folder, repositories = _places(cache)
    missing = [jar for jar in jars if not _is_whole(folder / jar.path, jar)]
    if missing:
        transfer = Transfer(sum(jar.size_bytes for jar in missing), report, cancelled or threading.Event())
        try:
            _download_all(missing, folder, repositories, transfer)
        except OSError as error:
            raise UserError(f"cannot write Kafka's files to {folder}: {error}; M2_REPO names another folder") from error
    return [folder / jar.path for jar in jars]


def _places(cache: Path | None) -> tuple[Path, dict[str, str]]:
    """Maven's cache and the repositories, as jgo's own configuration has them (a mirror goes there)."""
    from jgo.config import GlobalSettings
    from jgo.constants import MAVEN_CENTRAL_URL

    configured = GlobalSettings.load()
    return cache or Path(configured.repo_cache), {"central": MAVEN_CENTRAL_URL} | configured.repositories


def _is_whole(path: Path, jar: Jar) -> bool:
    if not path.is_file() or path.stat().st_size != jar.size_bytes:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == jar.sha256


def _download_all(missing: Sequence[Jar], folder: Path, repositories: dict[str, str], transfer: Transfer) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    # jgo writes straight to its cache, so an interrupted download would look whole: let it write beside, then move.
    with tempfile.TemporaryDirectory(prefix=".cryptoviz-", dir=folder) as staging:
        context = _maven(Path(staging), repositories, transfer)
        with ThreadPoolExecutor(AT_ONCE) as pool:
            waiting = [pool.submit(_download, context, jar, folder, transfer) for jar in missing]
            try:
                for download in waiting:
                    download.result()
            except BaseException:
                transfer.cancelled.set()
                raise


def _maven(staging: Path, repositories: dict[str, str], transfer: Transfer) -> Any:
    from jgo.maven import MavenContext, PythonResolver

    resolver = PythonResolver(progress_callback=transfer.counting)
    return MavenContext(resolver, repo_cache=staging, remote_repos=repositories, timeout=REQUEST_TIMEOUT_S)


def _download(context: Any, jar: Jar, folder: Path, transfer: Transfer) -> None:
    artifact = context.project(jar.group, jar.artifact).at_version(jar.version).artifact()
    staged = context.repo_cache / jar.path
    problem = ""
    for attempt in range(ATTEMPTS):
        transfer.check()
        try:
            artifact.resolve()
            if _is_whole(staged, jar):
                (folder / jar.path).parent.mkdir(parents=True, exist_ok=True)
                shutil.move(staged, folder / jar.path)
                return
            problem = "its content is not what it should be"
        except (requests.RequestException, RuntimeError) as error:
            problem = _in_short(error)
        staged.unlink(missing_ok=True)
        if attempt + 1 < ATTEMPTS:
            time.sleep(2**attempt / 2)  # in a thread of the download pool
    where = ", ".join(context.remote_repos.values())
    raise UserError(
        f"cannot download {jar.path.name} for Kafka from {where} ({problem}); check the network or the proxy and start "
        "again: what has arrived is kept"
    )


def _in_short(error: Exception) -> str:
    if isinstance(error, requests.exceptions.SSLError):
        return "the server's certificate is not trusted"
    if isinstance(error, requests.exceptions.Timeout):
        return "no answer in time"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return "not there" if isinstance(error, RuntimeError) else type(error).__name__
