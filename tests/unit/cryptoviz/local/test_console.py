"""What people read while a stack starts and runs."""

from __future__ import annotations

import io

from rich.console import Console

from cryptoviz.local.console import StackConsole
from cryptoviz.local.part import Event, State


def plain() -> tuple[StackConsole, io.StringIO]:
    output = io.StringIO()
    return StackConsole(Console(file=output, highlight=False, soft_wrap=True)), output


def test_one_line_per_part_with_its_seconds_and_address() -> None:
    console, output = plain()
    console.tell(Event("kafka", State.STARTING, "is starting"))
    console.tell(Event("kafka", State.READY, "is ready", 3.14, "127.0.0.1:9092"))
    console.tell(Event("topics", State.DONE, "is done", 0.7))
    lines = output.getvalue().splitlines()
    assert [line.split()[1:] for line in lines] == [["kafka", "3.1", "s", "127.0.0.1:9092"], ["topics", "0.7", "s"]]


def test_deaths_and_returns_are_told_and_asked_for_ends_are_not() -> None:
    console, output = plain()
    console.complete()
    console.tell(Event("sink", State.RESTARTING, "ended with signal SIGKILL, starting it again in 0.5 s"))
    console.tell(Event("sink", State.STARTING, "is starting"))
    console.tell(Event("sink", State.READY, "is back", 1.5))
    console.tell(Event("sink", State.STOPPED, "has ended"))
    died, back = output.getvalue().splitlines()
    assert died.endswith("sink ended with signal SIGKILL, starting it again in 0.5 s")
    assert back.endswith("sink is back after 1.5 s")


def test_text_with_brackets_is_not_taken_for_markup() -> None:
    console, output = plain()
    console.tell(Event("worker-1", State.FAILED, "its log ends with\n    [red]ValueError[/]"))
    assert "[red]ValueError[/]" in output.getvalue()


def test_a_download_without_a_terminal_is_told_in_quarters() -> None:
    console, output = plain()
    for done in range(0, 101):
        console.downloading("Kafka 4", done * 400_000, 40_000_000)
    lines = output.getvalue().splitlines()
    assert len(lines) == 5
    assert lines[-1].endswith("fetching Kafka 4 (only this once): 40 of 40 MB")
