"""Files that hold a secret: for their owner alone from the moment they are there, and whole."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Write or replace the file, mode 600; after a crash it is the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def is_private(path: Path) -> bool:
    """Whether nobody but its owner may read or write the file."""
    return not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO)
