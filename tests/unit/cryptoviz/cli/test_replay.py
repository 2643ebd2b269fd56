"""The replay command up to where it would start a stack: arguments, files and home."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from recorded_files import START, candles, ticks

from cryptoviz.assets import AssetRegistry
from cryptoviz.cli.replay import Speed, notes, replay
from cryptoviz.errors import UserError
from cryptoviz.local.replay_home import PREFIX, fresh_home, replay_settings
from cryptoviz.settings import load_settings
from producers.recorded_rows import judge
from producers.recordings import read_recording


def test_speed_is_a_positive_number_or_max() -> None:
    assert Speed().convert("max", None, None) is None
    assert Speed().convert("2.5", None, None) == 2.5
    for wrong in ("0", "-1", "fast", "inf", "nan"):
        with pytest.raises(click.BadParameter, match="neither a positive number"):
            Speed().convert(wrong, None, None)


def test_without_a_path_the_usage_is_wrong() -> None:
    assert CliRunner().invoke(replay, []).exit_code == 2


def test_a_file_that_cannot_be_used_is_said_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(replay, ["nowhere.parquet"])
    assert isinstance(result.exception, UserError)
    assert "nowhere.parquet: no such file" in str(result.exception)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--report", "taken"], "--report taken: cannot write there"),
        (["--report", "--report-source", "binance"], "--report-source binance: the files hold kraken"),
    ],
)
def test_a_report_that_cannot_be_made_is_refused_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    candles(tmp_path / "a.parquet", [START, START + 60_000])
    (tmp_path / "taken").touch()
    result = CliRunner().invoke(replay, ["a.parquet", *options])
    assert isinstance(result.exception, UserError)
    assert said in str(result.exception)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.parquet", "taken"]


def test_a_report_without_the_libraries_that_draw_it_is_refused_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    candles(tmp_path / "a.parquet", [START, START + 60_000])
    result = CliRunner().invoke(replay, ["a.parquet", "--report"])
    assert isinstance(result.exception, UserError)
    assert "--report needs matplotlib: install the extra `report`" in str(result.exception)
    assert [path.name for path in tmp_path.iterdir()] == ["a.parquet"]


def test_without_a_report_the_libraries_that_draw_it_are_not_loaded() -> None:
    code = "import sys, cryptoviz.cli.replay; print(sorted({'matplotlib', 'jinja2'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_home_that_holds_something_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = candles(tmp_path / "a.parquet", [START, START + 60_000])
    home = tmp_path / "home"
    (home / "kafka").mkdir(parents=True)
    monkeypatch.setenv("CRYPTOVIZ_HOME", str(home))
    result = CliRunner().invoke(replay, [str(recording)])
    assert isinstance(result.exception, UserError)
    assert f"CRYPTOVIZ_HOME={home} is not empty" in str(result.exception)


def test_a_chosen_home_is_used_and_kept(tmp_path: Path) -> None:
    chosen = tmp_path / "new"
    with fresh_home(load_settings(home=chosen)) as home:
        assert home == chosen
        home.mkdir()
    assert chosen.is_dir()


def test_a_temporary_home_lies_in_the_current_folder_and_goes_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with fresh_home(load_settings()) as home:
        assert home.parent == tmp_path
        assert home.name.startswith(PREFIX)
    assert list(tmp_path.iterdir()) == []


def test_after_a_failure_a_temporary_home_stays_and_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=rf"computing stands still .*{PREFIX}") as raised, fresh_home(load_settings()):
        raise UserError("computing stands still")
    (home,) = tmp_path.iterdir()
    assert str(home) in str(raised.value)


def test_a_replay_has_ports_of_its_own(tmp_path: Path) -> None:
    settings = load_settings()
    own = replay_settings(settings, tmp_path)
    ports = {name: getattr(own, name) for name in type(own).model_fields if name.endswith("_port")}
    assert len(set(ports.values())) == len(ports)
    assert all(port != getattr(settings, name) for name, port in ports.items())
    assert own.home == tmp_path


@pytest.mark.parametrize(("step_s", "bar_s", "noted"), [(60, 60, False), (300, 60, True), (300, 300, False)])
def test_candles_longer_than_bars_are_worth_a_note(tmp_path: Path, step_s: int, bar_s: int, noted: bool) -> None:
    start = START // 3_600_000 * 3_600_000
    path = candles(tmp_path / "a.parquet", [start, start + step_s * 1000])
    judged = judge([read_recording(path)], AssetRegistry())
    found = notes(judged, load_settings(bar_seconds=bar_s, forecast_seconds=300))
    assert [note.split(":")[0] for note in found] == (
        ["candles of 300 s leave 4 of 5 bars of 60 s to be filled"] if noted else []
    )


def test_a_tick_stream_needs_no_note(tmp_path: Path) -> None:
    path = ticks(tmp_path / "t.csv", f"{START},{START},kraken,BTC-USD,trade,100,1,buy,1,,,,")
    assert notes(judge([read_recording(path)], AssetRegistry()), load_settings(bar_seconds=5)) == []
