"""Write `kafka_jars.py` anew for another version of Kafka: `python -m cryptoviz.local.lock_kafka VERSION`."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

LOCK = Path(__file__).with_name("kafka_jars.py")
HEADER = '''"""The jars that make the embedded Kafka broker, with their sizes and SHA-256; written by `lock_kafka`."""

from __future__ import annotations

from cryptoviz.local.jars import Jar

KAFKA_VERSION = "{version}"

# fmt: off
JARS = (
'''
ENTRY = '    Jar("{group}", "{artifact}", "{version}", {size},\n        "{sha256}"),\n'


def write_lock(kafka_version: str) -> int:
    """Resolve Kafka's dependencies by jgo, download them and write the list; returns how many there are."""
    artifacts = _resolve(kafka_version)
    entries = [_entry(artifact, Path(artifact.resolve())) for artifact in artifacts]
    LOCK.write_text(HEADER.format(version=kafka_version) + "".join(entries) + ")\n# fmt: on\n", encoding="utf-8")
    return len(entries)


def _resolve(kafka_version: str) -> list[Any]:
    from jgo.maven import MavenContext

    maven = MavenContext()
    kafka = maven.create_dependency(f"org.apache.kafka:kafka_2.13:{kafka_version}")
    itself, needed = maven.resolver.resolve([kafka])
    needed = [dependency for dependency in needed if dependency.scope in ("compile", "runtime")]
    artifacts = [dependency.artifact for dependency in (*itself, *needed)]
    log4j = next(artifact.version for artifact in artifacts if artifact.artifactId == "log4j-core")
    # Kafka's own distribution adds this one too: without it the broker logs nothing at all.
    binding = maven.project("org.apache.logging.log4j", "log4j-slf4j-impl").at_version(log4j).artifact()
    return [*artifacts, binding]


def _entry(artifact: Any, path: Path) -> str:
    content = path.read_bytes()
    return ENTRY.format(
        group=artifact.groupId, artifact=artifact.artifactId, version=artifact.version,
        size=len(content), sha256=hashlib.sha256(content).hexdigest(),
    )  # fmt: skip


if __name__ == "__main__":
    print(write_lock(sys.argv[1]), "jars written to", LOCK)  # noqa: T201 (a tool for developers)
