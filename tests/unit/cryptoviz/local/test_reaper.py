"""What is left of the parts when their supervisor is killed: nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from supervising import STUBBORN, WAITS, is_running, python
from waiting import wait_until

from cryptoviz.errors import UserError
from cryptoviz.local.home import locked_home
from cryptoviz.local.process import Reaper
from cryptoviz.local.reaper import read_groups, signal_group

FIXED = {"partitions": 4}

SUPERVISOR = """
    import asyncio, sys
    from pathlib import Path
    from supervising import STUBBORN, waiting_part
    from cryptoviz.local.home import locked_home
    from cryptoviz.local.process import Reaper
    from cryptoviz.local.supervisor import Supervisor

    async def main(folder):
        parts = [waiting_part("polite", folder), waiting_part("stubborn", folder, STUBBORN)]
        with locked_home(folder, "live", {"partitions": 4}) as home:
            supervisor = Supervisor(parts, home.logs, Reaper((home.lock,), patience_s=0.5), lambda event: None)
            await supervisor.start()
            print(*(status.pid for status in supervisor.statuses.values()), flush=True)
            await supervisor.run()

    asyncio.run(main(Path(sys.argv[1])))
"""


def test_groups_that_have_ended_are_forgotten() -> None:
    assert read_groups([b"+12\n", b"+13\n", b"-12\n", b"nonsense\n", b"\n", b"+14\n"]) == {13, 14}


def test_a_group_that_is_gone_gets_no_signal() -> None:
    process = subprocess.Popen(python("pass"), start_new_session=True)
    process.wait()
    assert not signal_group(process.pid, signal.SIGTERM)


def test_nothing_is_left_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    tests = Path(__file__).resolve().parents[3]
    process = subprocess.Popen(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(tests)!r})\n" + textwrap.dedent(SUPERVISOR),
         str(tmp_path)], stdout=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    with process.stdout as output:
        pids = [int(pid) for pid in output.readline().split()]
    assert len(pids) == 2
    assert all(map(is_running, pids))
    with (
        pytest.raises(UserError, match=f"already running on .*process {process.pid}"),
        locked_home(tmp_path, "live", FIXED),
    ):
        pass
    process.kill()
    process.wait()
    # The home is free again only when the last of the parts has ended.
    with locked_home(tmp_path, "live", FIXED):
        assert not any(map(is_running, pids))


def test_a_reaper_that_was_killed_is_replaced(tmp_path: Path) -> None:
    first, second = (
        subprocess.Popen(python(code, tmp_path / name), start_new_session=True)
        for name, code in (("first", WAITS), ("second", STUBBORN))
    )
    warden = Reaper(patience_s=0.5)
    warden.watch(first.pid)
    warden._process.kill()
    warden._process.wait()
    warden.watch(second.pid)
    wait_until((tmp_path / "second").exists, 10, "the second to run")
    warden.close()
    assert first.wait(10) == -signal.SIGTERM
    assert second.wait(10) == -signal.SIGKILL
