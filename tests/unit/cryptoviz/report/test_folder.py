"""The folder of a report: tried before the work, filled after it."""

from __future__ import annotations

import csv
import io
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from scoreboard_rows import row

from cryptoviz.errors import UserError
from cryptoviz.report.folder import Wanted, as_csv, default_name, report_folder, require_libraries, write_report


def test_the_table_reads_back_as_it_was() -> None:
    rows = [row(mae=0.1 + 0.2, rmae=None), row("ETH", pt_p=1e-300)]
    columns = tuple(rows[0])
    found = list(csv.DictReader(io.StringIO(as_csv(columns, rows))))
    assert tuple(found[0]) == columns
    assert [float(one["mae"]) for one in found] == [one["mae"] for one in rows]
    assert [one["rmae"] for one in found] == ["", "1.04"]
    assert float(found[1]["pt_p"]) == 1e-300
    assert found[0]["counts_from"] == "2024-06-01T00:00:00.000Z"


def test_without_rows_the_table_has_its_header() -> None:
    assert as_csv(("kind", "n"), []) == "kind,n\n"


def test_a_name_has_the_time_and_no_character_that_a_file_system_minds() -> None:
    assert default_name(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)) == "cryptoviz-report-20260102T030405Z"


def test_a_new_folder_goes_away_if_nothing_came_of_it(tmp_path: Path) -> None:
    with report_folder(tmp_path / "a" / "b") as folder:
        assert folder.is_dir()
    assert not (tmp_path / "a" / "b").exists()


def test_a_folder_that_was_there_or_was_filled_stays(tmp_path: Path) -> None:
    with report_folder(tmp_path / "filled") as folder:
        write_report(folder, "n\n1\n", "<p>±</p>")
    assert (tmp_path / "filled" / "scoreboard.csv").read_text() == "n\n1\n"
    assert (tmp_path / "filled" / "report.html").read_text(encoding="utf-8") == "<p>±</p>"
    with report_folder(tmp_path):
        pass
    assert tmp_path.is_dir()


def test_a_file_in_its_place_is_said_with_the_likely_reason(tmp_path: Path) -> None:
    (tmp_path / "week.parquet").touch()
    with pytest.raises(UserError, match=r"cannot write there: .*name files to replay before --report"):
        report_folder(tmp_path / "week.parquet").__enter__()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_not_ours_is_said(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(UserError, match="cannot write there: Permission denied"):
        report_folder(tmp_path / "new").__enter__()


def test_a_disk_that_does_not_take_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    with pytest.raises(UserError, match="cannot write there: Is a directory"):
        write_report(tmp_path, "", "")


def test_an_unknown_source_is_said_with_those_there_are() -> None:
    Wanted(Path(), "each").require(["kraken"])
    Wanted(Path(), "kraken").require(["kraken"])
    with pytest.raises(UserError, match="--report-source binance: the files hold coinbase, kraken; all is the median"):
        Wanted(Path(), "binance").require(["kraken", "coinbase", "kraken"])


def test_without_the_libraries_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    require_libraries()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UserError, match=r"--report needs matplotlib: install the extra `report`"):
        require_libraries()
