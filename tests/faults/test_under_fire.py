"""A part under fire: back after its time away, started again when it ends by itself, and gone when it is to leave."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from faults.under_fire import DONE, Part
from supervising import WAITS, python
from waiting import wait_until

from cryptoviz.local.process import Reaper

SOON_S = 20


@pytest.fixture
def warden() -> Iterator[Reaper]:
    warden = Reaper()
    yield warden
    warden.close()


@pytest.fixture
def part(tmp_path: Path, warden: Reaper) -> Iterator[Part]:
    part = Part("part", python(WAITS, tmp_path / "runs"), tmp_path / "part.log", warden)
    part.keep()
    wait_until((tmp_path / "runs").exists, SOON_S, "the part to run")
    yield part
    part.end(SOON_S)
    assert not part.runs


def _kept_until(part: Part, condition: str, value: object) -> None:
    def reached() -> bool:
        part.keep()
        return getattr(part, condition) == value

    wait_until(reached, SOON_S, f"{condition} to be {value}")


def test_a_killed_part_is_back_after_its_time_and_no_sooner(part: Part) -> None:
    part.kill(3600)
    part.keep()
    assert not part.runs
    part._away_until = 0.0
    part.keep()
    assert part.runs
    part.kill(0, "outage")
    part.keep()
    assert part.runs
    assert part.ends == {"kill": 1, "outage": 1}


def test_a_part_that_ends_by_itself_is_started_again(tmp_path: Path, warden: Reaper) -> None:
    failing = Part("failing", python("raise SystemExit(7)"), tmp_path / "log", warden)
    wait_until(lambda: failing.keep() or failing.ends["exit 7"] == 2, SOON_S, "two ends")
    failing.end(SOON_S)
    assert not failing.runs


def test_a_part_that_has_done_its_work_is_left_alone(tmp_path: Path, warden: Reaper) -> None:
    once = Part("once", python("pass"), tmp_path / "log", warden, one_shot=True)
    _kept_until(once, "done", True)
    once._away_until = 0.0
    once.keep()
    assert (once.runs, once.ends) == (False, {DONE: 1})


def test_a_frozen_part_does_nothing_until_it_thaws(part: Part) -> None:
    assert part.process is not None
    process = psutil.Process(part.process.pid)
    part.freeze(3600)
    wait_until(lambda: process.status() == psutil.STATUS_STOPPED, SOON_S, "the part to be stopped")
    part.keep()
    assert process.status() == psutil.STATUS_STOPPED
    part._thaws_at = 0.0
    part.keep()
    wait_until(lambda: process.status() != psutil.STATUS_STOPPED, SOON_S, "the part to go on")


def test_a_guest_comes_and_leaves(tmp_path: Path, warden: Reaper) -> None:
    guest = Part("guest", python(WAITS, tmp_path / "guest"), tmp_path / "log", warden, wanted=False)
    guest.keep()
    assert not guest.runs
    guest.visit(3600)
    guest.keep()
    assert guest.runs
    guest._leaves_at = 0.0
    _kept_until(guest, "runs", False)
    guest.keep()
    assert (guest.runs, guest.wanted) == (False, False)
