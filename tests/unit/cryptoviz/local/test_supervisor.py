"""The supervisor on tiny children: order of start, restarts, giving up, and an end that leaves nothing."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import pytest
from supervising import STUBBORN, Watched, exists, is_running, python, until, waiting_part
from waiting import wait_until

from cryptoviz.errors import UserError
from cryptoviz.local.part import Part, State
from cryptoviz.local.process import LOG_BYTES
from cryptoviz.local.supervisor import SILENT_LOOKS, Supervisor, describe_exit, levels
from processors.watch import EXIT_STUCK


async def nothing(_: Supervisor) -> None:
    """The scenario in which nothing happens."""


def pid_of(supervisor: Supervisor, name: str) -> int:
    pid = supervisor.statuses[name].pid
    assert pid is not None
    return pid


def test_a_part_starts_when_those_it_waits_for_are_ready(tmp_path: Path) -> None:
    second = waiting_part("second", tmp_path, after=("once", "first"))
    once = Part("once", python("import sys; print('made the tables')"), after=("first",), one_shot=True)
    watched = Watched(tmp_path, [second, once, waiting_part("first", tmp_path)])
    watched.run(nothing)
    order = [(event.part, event.state) for event in watched.events]
    expected = [("first", State.STARTING), ("first", State.READY), ("once", State.STARTING), ("once", State.DONE),
                ("second", State.STARTING), ("second", State.READY)]  # fmt: skip
    assert order[:6] == expected
    assert "made the tables" in (tmp_path / "logs" / "once.log").read_text()


def test_the_log_of_a_part_that_says_much_is_kept_within_bounds_while_it_runs(tmp_path: Path) -> None:
    talks = "import pathlib, sys, time; [print('x' * 1023) for _ in range({lines})]; sys.stdout.flush(); "
    code = talks.format(lines=LOG_BYTES // 1024 + 1) + "pathlib.Path(sys.argv[1]).touch(); time.sleep(600)"
    watched = Watched(tmp_path, [waiting_part("sink", tmp_path, code)])
    log = tmp_path / "logs" / "sink.log"

    async def until_cut(_: Supervisor) -> None:
        await until(lambda: log.with_name("sink.log.1").exists() and log.stat().st_size == 0, "the log to be put aside")

    watched.run(until_cut)
    assert log.with_name("sink.log.1").stat().st_size == LOG_BYTES + 1024


def test_parts_end_in_the_reverse_order(tmp_path: Path) -> None:
    parts = [waiting_part("broker", tmp_path), waiting_part("worker", tmp_path, after=("broker",)),
             waiting_part("producer", tmp_path, after=("worker",))]  # fmt: skip
    watched = Watched(tmp_path, parts)
    watched.run(nothing)
    ended = [event.part for event in watched.events if event.state == State.STOPPED]
    assert ended == ["producer", "worker", "broker"]


def test_a_part_that_dies_is_started_again_and_that_is_told(tmp_path: Path) -> None:
    watched = Watched(tmp_path, [waiting_part("worker", tmp_path)])

    async def kill_it(supervisor: Supervisor) -> None:
        first = pid_of(supervisor, "worker")
        os.kill(first, signal.SIGKILL)
        await until(lambda: supervisor.statuses["worker"].restarts == 1, "a restart")
        await until(lambda: supervisor.statuses["worker"].state == State.READY, "the part to be ready again")
        assert pid_of(supervisor, "worker") != first

    watched.run(kill_it)
    told = next(event.text for event in watched.events if event.state == State.RESTARTING)
    assert told == "ended with signal SIGKILL, starting it again in 0.1 s"
    assert [event.text for event in watched.events if event.state == State.READY] == ["is ready", "is back"]


def test_a_part_that_ends_itself_because_it_is_stuck_is_started_again(tmp_path: Path) -> None:
    # The first life is stuck, the second one is well.
    code = (
        "import pathlib, sys, time; from processors.watch import end; sign = pathlib.Path(sys.argv[1])\n"
        "first = not sign.exists(); sign.touch(); first and end('sink', 'nothing was committed'); time.sleep(600)"
    )
    sign = tmp_path / "sink.ready"
    watched = Watched(tmp_path, [Part("sink", (sys.executable, "-c", code, str(sign)), ready=exists(sign))])

    async def started_again(supervisor: Supervisor) -> None:
        await until(lambda: supervisor.statuses["sink"].restarts == 1, "a restart")
        await until(lambda: supervisor.statuses["sink"].state == State.READY, "the part to be ready again")

    watched.run(started_again)
    told = next(event.text for event in watched.events if event.state == State.RESTARTING)
    assert told.startswith(f"ended with exit code {EXIT_STUCK}, starting it again")
    assert "nothing was committed; the sink ends" in (tmp_path / "logs" / "sink.log").read_text()


def test_a_part_that_dies_again_and_again_shows_the_end_of_its_log(tmp_path: Path) -> None:
    # The first life lasts until it is killed, all others fail at once.
    code = (
        "import sys, time, pathlib; sign = pathlib.Path(sys.argv[1])\n"
        "if sign.exists(): print('the disk is full', flush=True); sys.exit(3)\n"
        "sign.touch(); time.sleep(600)"
    )
    part = waiting_part("sink", tmp_path, code)
    watched = Watched(tmp_path, [part])

    async def let_it_die(supervisor: Supervisor) -> None:
        os.kill(pid_of(supervisor, "sink"), signal.SIGKILL)
        await until(lambda: supervisor.statuses["sink"].restarts >= 4, "four restarts")

    watched.run(let_it_die)
    deaths = [event.text for event in watched.events if event.state == State.RESTARTING]
    assert "the disk is full" not in deaths[1]
    assert "ended with exit code 3" in deaths[2]
    assert "the disk is full" in deaths[2]
    pauses = [float(text.partition("again in ")[2].partition(" s")[0]) for text in deaths]
    assert pauses == sorted(pauses)
    assert pauses[3] >= 4 * pauses[0]


def test_a_one_shot_that_fails_ends_the_start_with_its_last_words(tmp_path: Path) -> None:
    part = Part("topics", python("import sys; sys.exit('Kafka refuses')"), one_shot=True)
    after = waiting_part("worker", tmp_path, after=("topics",))
    watched = Watched(tmp_path, [part, after])
    with pytest.raises(
        UserError, match=r"topics does not start: it ended with exit code 1, 3 times(.|\n)*Kafka refuses"
    ):
        watched.run(nothing)
    assert watched.states("worker") == []


def test_a_part_that_never_gets_ready_is_ended_and_given_up(tmp_path: Path) -> None:
    async def never() -> bool:
        return False

    watched = Watched(tmp_path, [Part("deaf", python("import time; time.sleep(600)"), ready=never, ready_within_s=0.2)])
    with pytest.raises(UserError, match="deaf does not start: it was not ready after 0 s, 3 times in a row"):
        watched.run(nothing)


def test_a_part_that_hangs_is_started_again(tmp_path: Path) -> None:
    answering = True

    async def answers() -> bool:
        return answering

    watched = Watched(tmp_path, [waiting_part("broker", tmp_path, alive=answers)])

    async def hang(supervisor: Supervisor) -> None:
        nonlocal answering
        first, answering = pid_of(supervisor, "broker"), False
        await until(lambda: supervisor.statuses["broker"].restarts == 1, "a restart")
        answering = True
        await until(lambda: supervisor.statuses["broker"].state == State.READY, "the part to be ready again")
        assert not is_running(first)

    watched.run(hang)
    told = next(event.text for event in watched.events if event.state == State.RESTARTING)
    assert told.startswith("gave no answer any more, starting it again in")


def test_a_part_that_misses_an_answer_is_let_go_on(tmp_path: Path) -> None:
    asked = 0

    async def mostly() -> bool:
        nonlocal asked
        asked += 1
        return asked % SILENT_LOOKS == 0

    watched = Watched(tmp_path, [waiting_part("worker", tmp_path, alive=mostly)])

    async def look(supervisor: Supervisor) -> None:
        await until(lambda: asked > 3 * SILENT_LOOKS, "some looks")

    watched.run(look)
    assert watched.states("worker") == [State.STARTING, State.READY, State.STOPPED]


def test_a_program_that_is_not_there_is_said_so(tmp_path: Path) -> None:
    watched = Watched(tmp_path, [Part("grafana", (str(tmp_path / "no-such-program"),))])
    with pytest.raises(UserError, match=r"could not be run: .*No such file"):
        watched.run(nothing)


def test_the_others_go_on_without_a_part_that_is_not_critical(tmp_path: Path) -> None:
    grafana = Part("grafana", python("import sys; sys.exit(1)"), ready=exists(tmp_path / "never"), critical=False)
    watched = Watched(tmp_path, [grafana, waiting_part("worker", tmp_path)])
    watched.run(nothing)
    assert watched.states("grafana")[-1] == State.FAILED
    assert State.READY in watched.states("worker")


def test_a_part_that_ignores_the_polite_signal_is_killed(tmp_path: Path) -> None:
    watched = Watched(tmp_path, [waiting_part("stubborn", tmp_path, STUBBORN)])
    pids: list[int] = []

    async def note_it(supervisor: Supervisor) -> None:
        pids.append(pid_of(supervisor, "stubborn"))

    began = time.monotonic()
    watched.run(note_it)
    assert time.monotonic() - began < 15
    assert not is_running(pids[0])


def test_the_children_of_a_part_end_with_it(tmp_path: Path) -> None:
    code = (
        "import os, pathlib, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-I', '-S', '-c', 'import time; time.sleep(600)'])\n"
        "sign = pathlib.Path(sys.argv[1]); sign.with_suffix('.pid').write_text(str(child.pid)); sign.touch()\n"
        "time.sleep(600)"
    )
    watched = Watched(tmp_path, [waiting_part("parent", tmp_path, code)])
    watched.run(nothing)
    child = int((tmp_path / "parent.pid").read_text())
    wait_until(lambda: not is_running(child), 10, "the part's child to end")


def test_parts_that_wait_for_each_other_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="wait for each other"):
        levels([Part("a", (), after=("b",)), Part("b", (), after=("a",))])
    with pytest.raises(ValueError, match="unknown ones"):
        levels([Part("a", (), after=("nobody",))])


def test_an_exit_code_is_told_in_words() -> None:
    assert describe_exit(1) == "exit code 1"
    assert describe_exit(-9) == "signal SIGKILL"
    assert describe_exit(-999) == "signal 999"
