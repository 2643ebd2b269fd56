"""What all tests share: where the recorded market data lies, and a clean environment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees the developer's own settings."""
    for name in [name for name in os.environ if name.startswith("CRYPTOVIZ_")]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The recorded answers, candles and ticks beside the checkout."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"no recorded market data at {SHARED_DATA}")
    return SHARED_DATA
