"""A small disk of its own (a tmpfs) that can be filled to the last byte, for what happens when a disk is full."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

CHUNK = bytes(1024 * 1024)


@dataclass
class SmallDisk:
    """The disk mounted at `path`; `keep` is to be called again and again."""

    path: Path
    _emptied_at: float | None = None

    @property
    def ballast(self) -> Path:
        """The file that takes all the room there is."""
        return self.path / "ballast"

    def fill(self, for_s: float) -> None:
        """Leave no room for so long."""
        self._emptied_at = time.monotonic() + for_s
        self._fill_up()

    def keep(self) -> None:
        """Fill what has become free meanwhile, or give the room back when it is time."""
        if self._emptied_at is None:
            return
        if time.monotonic() < self._emptied_at:
            self._fill_up()
        else:
            self._emptied_at = None
            self.ballast.unlink()

    def _fill_up(self) -> None:
        for size in (len(CHUNK), 4096):
            with self.ballast.open("ab", buffering=0) as file, suppress(OSError):  # no space left: what was wanted
                while file.write(CHUNK[:size]) == size:
                    pass


@contextmanager
def small_disk(path: Path, megabytes: int) -> Iterator[SmallDisk]:
    """Mount one for as long as the context lasts; the test is skipped where that is not allowed."""
    path.mkdir()
    if not shutil.which("mount"):
        pytest.skip("a small disk cannot be mounted: there is no mount command")
    mounting = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(path)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if mounting.returncode:
        pytest.skip(f"a small disk cannot be mounted: {mounting.stderr.strip()}")
    try:
        yield SmallDisk(path)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=False)
