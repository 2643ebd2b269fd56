"""Kafka's files come whole or not at all, from a repository that may fail."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import pytest
from local_http import Asked, LocalHttp, Reply, local_http

from cryptoviz.errors import UserError
from cryptoviz.local.jars import Jar, resolve_jars
from cryptoviz.local.kafka_jars import JARS, KAFKA_VERSION

CONTENT = b"not really a jar, but " * 5000
JAR = Jar("org.example.kafka", "broker", "1.2", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


def content(asked: Asked) -> Reply:
    return Reply(b"", 404) if asked.path.endswith(".sha1") else Reply(CONTENT)


def use(server: LocalHttp, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """jgo's own settings file is where a mirror is named."""
    config = folder / "jgo.conf"
    config.write_text(f"[repositories]\ncentral = {server.url}\n")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(config))


def test_a_missing_file_is_fetched_once_and_progress_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[int, int]] = []
    with local_http(content) as server:
        use(server, tmp_path, monkeypatch)
        for _ in range(2):
            (path,) = resolve_jars([JAR], lambda done, total: told.append((done, total)), tmp_path / "cache")
    assert path == tmp_path / "cache" / "org/example/kafka/broker/1.2/broker-1.2.jar"
    assert path.read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert sum(asked.path.endswith(".jar") for asked in server.asked) == 1
    assert [entry.name for entry in (tmp_path / "cache").iterdir()] == ["org"]


def test_a_damaged_file_in_the_cache_is_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = tmp_path / "cache" / JAR.path
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes(CONTENT[:-1] + b"?")
    with local_http(content) as server:
        use(server, tmp_path, monkeypatch)
        resolve_jars([JAR], lambda done, total: None, tmp_path / "cache")
    assert damaged.read_bytes() == CONTENT


def test_a_download_that_breaks_off_or_is_refused_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replies = iter([Reply(CONTENT, cut=True), Reply(b"busy", 503)])
    told: list[int] = []
    with local_http(
        lambda asked: content(asked) if asked.path.endswith(".sha1") else next(replies, Reply(CONTENT))
    ) as s:
        use(s, tmp_path, monkeypatch)
        (path,) = resolve_jars([JAR], lambda done, total: told.append(done), tmp_path / "cache")
    assert path.read_bytes() == CONTENT
    assert told[-1] == len(CONTENT)


def test_other_content_than_was_pinned_is_never_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with local_http(lambda _: Reply(b"x" * len(CONTENT))) as server:
        use(server, tmp_path, monkeypatch)
        with pytest.raises(UserError, match=r"broker-1\.2\.jar .*its content is not what it should be"):
            resolve_jars([JAR], lambda done, total: None, tmp_path / "cache")
    assert not (tmp_path / "cache" / JAR.path).exists()


def test_without_a_network_the_error_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with local_http() as gone:
        use(gone, tmp_path, monkeypatch)
    with pytest.raises(UserError, match=r"cannot download .* \(no connection\); check the network or the proxy"):
        resolve_jars([JAR], lambda done, total: None, tmp_path / "cache")


def test_an_interrupted_download_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cancelled = threading.Event()
    cancelled.set()
    with local_http(content) as server:
        use(server, tmp_path, monkeypatch)
        with pytest.raises(UserError, match="interrupted"):
            resolve_jars([JAR], lambda done, total: None, tmp_path / "cache", cancelled)


def test_the_list_of_jars_is_complete_and_of_one_version() -> None:
    names = {jar.artifact for jar in JARS}
    assert {"kafka_2.13", "kafka-clients", "kafka-server", "scala-library", "log4j-core", "log4j-slf4j-impl"} <= names
    assert {jar.version for jar in JARS if jar.group == "org.apache.kafka"} == {KAFKA_VERSION}
    assert len({jar.path for jar in JARS}) == len(JARS)
    assert all(len(jar.sha256) == 64 and jar.size_bytes > 0 for jar in JARS)
