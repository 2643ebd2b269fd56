"""`make bench` from end to end with a few thousand quotes: the results of engines are counted and compared."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from bench.measuring import TOO_FEW
from bench.same_work import PEERS_PYTHON

REPOSITORY = Path(__file__).parents[2]


PEER = pytest.mark.skipif(not PEERS_PYTHON.is_file(), reason="no .venv-bench: `make bench` sets it up")


@pytest.mark.stack
@pytest.mark.parametrize("engine", ["cryptoviz", "bare", pytest.param("quix", marks=PEER)])
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
        assert engine in found
        for name, figures in found.items():  # `quix` is found in `quix-by-hand`, too
            wrong = figures["wrong"]
            assert not wrong or wrong.startswith(TOO_FEW), (shape, name, wrong)  # equal, if too quick to be timed
