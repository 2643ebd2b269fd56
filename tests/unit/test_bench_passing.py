"""What the bench makes of the two moments between which it times, and of a folder in which files come and go."""

from __future__ import annotations

from pathlib import Path

from bench.passing import Passed
from bench.stack import disk_bytes


def test_rates_are_those_of_the_timed_part() -> None:
    passed = Passed(
        quotes=1000, rows={"quotes": 1000, "bars": 500}, timed={"quotes": 800, "bars": 300}, share=0.6, seconds=2.0,
        cpu_s={"sink": 1.0}, memory_mb={},
    )  # fmt: skip
    assert passed.quotes_per_s == 300.0
    assert passed.rows_per_s(with_quotes=False) == 150.0
    assert passed.rows_per_s(with_quotes=True) == 550.0
    assert round(passed.whole_s, 9) == round(2.0 / 0.6, 9)
    assert passed.cores == "cores: sink 0.50"


def test_a_file_that_is_gone_takes_nothing(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(b"x" * 10_000)
    size = disk_bytes(tmp_path)
    assert size >= 10_000
    (tmp_path / "merged").symlink_to(tmp_path / "removed")  # named by the folder, but not there to be asked
    assert disk_bytes(tmp_path) == size
    assert disk_bytes(tmp_path / "removed") == 0
