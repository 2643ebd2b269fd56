"""A home belongs to one running stack, one kind of data, and the settings its data were made with."""

from __future__ import annotations

from pathlib import Path

import pytest

from cryptoviz.errors import UserError
from cryptoviz.local.home import locked_home

FIXED = {"partitions": 4, "bar_seconds": 60}


def test_a_home_can_be_used_again_after_its_stack_has_ended(tmp_path: Path) -> None:
    for _ in range(2):
        with locked_home(tmp_path / "home", "live", FIXED) as home:
            assert home.logs == tmp_path / "home" / "logs"


def test_a_second_stack_on_the_same_home_is_refused(tmp_path: Path) -> None:
    with (
        locked_home(tmp_path, "live", FIXED),
        pytest.raises(UserError, match=r"already running on .* \(process \d+\)"),
        locked_home(tmp_path, "live", FIXED),
    ):
        pass


def test_demo_data_never_mix_with_live_data(tmp_path: Path) -> None:
    with locked_home(tmp_path, "demo", FIXED):
        pass
    with (
        pytest.raises(UserError, match="holds demo data, which must not mix with live data"),
        locked_home(tmp_path, "live", FIXED),
    ):
        pass


def test_a_setting_the_data_depend_on_cannot_change(tmp_path: Path) -> None:
    with locked_home(tmp_path, "live", FIXED):
        pass
    with (
        pytest.raises(UserError, match=r"CRYPTOVIZ_BAR_SECONDS is 300, but .* made with 60"),
        locked_home(tmp_path, "live", FIXED | {"bar_seconds": 300}),
    ):
        pass


def test_a_home_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="CRYPTOVIZ_HOME"), locked_home(tmp_path / "file" / "home", "live", FIXED):
        pass
