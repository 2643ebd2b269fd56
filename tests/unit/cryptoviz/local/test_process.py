"""Logs of the parts are put aside when they have grown too long."""

from __future__ import annotations

from pathlib import Path

from cryptoviz.local.process import OLD_LOGS, cut, last_lines, rotate


def test_a_long_log_is_put_aside_and_only_a_few_are_kept(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "kafka.log"
    for number in range(6):
        rotate(log, limit_bytes=5)
        assert not log.exists()
        log.write_text(f"log number {number}")
    kept = {path.name: path.read_text() for path in log.parent.iterdir()}
    assert kept == {"kafka.log": "log number 5", "kafka.log.1": "log number 4", "kafka.log.2": "log number 3",
                    "kafka.log.3": "log number 2"}  # fmt: skip


def test_the_log_of_a_running_process_is_emptied_under_its_hands_and_it_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "sink.log"
    with log.open("ab", buffering=0) as writing:
        for number in range(6):
            writing.write(f"line {number}\n".encode())
            cut(log, limit_bytes=7)
            assert log.stat().st_size == 0
        writing.write(b"more")
        cut(log, limit_bytes=7)
    kept = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert kept == {"sink.log": "more"} | {f"sink.log.{age}": f"line {6 - age}\n" for age in range(1, OLD_LOGS + 1)}


def test_a_short_log_goes_on(tmp_path: Path) -> None:
    log = tmp_path / "sink.log"
    log.write_text("before\n")
    rotate(log)
    assert log.read_text() == "before\n"


def test_the_last_lines_of_a_long_file(tmp_path: Path) -> None:
    log = tmp_path / "long.log"
    log.write_text("".join(f"line {number}\n" for number in range(10_000)))
    assert last_lines(log, 2) == "line 9998\nline 9999"
