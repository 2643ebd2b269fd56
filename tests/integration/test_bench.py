"""`make bench` from end to end with a few thousand quotes: the results of two engines are counted and compared."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from bench.measuring import TOO_FEW

REPOSITORY = Path(__file__).parents[2]


@pytest.mark.stack
@pytest.mark.parametrize("engine", ["cryptoviz", "bare"])
def test_an_engine_gives_the_results_it_must(engine: str, tmp_path: Path) -> None:
    out = tmp_path / "results.json"
    done = subprocess.run(
        [sys.executable, "-m", "bench", "--section", "same-work", "--rounds", "1", "--scale", "0.02", "--only", engine,
         "--out", str(out)],
        cwd=REPOSITORY, env=os.environ | {"PYTHONPATH": "tests"}, capture_output=True, text=True, timeout=280,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    for shape, found in orjson.loads(out.read_bytes())["same-work"]["shapes"].items():
        wrong = found[engine]["wrong"]
        assert not wrong or wrong.startswith(TOO_FEW), (shape, wrong)  # equal, if too quick to be timed
