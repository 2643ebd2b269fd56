"""Starts the parts in the order of their readiness, keeps them running, and ends them in the reverse order."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from cryptoviz.errors import UserError
from cryptoviz.local.part import Event, Part, State, Status
from cryptoviz.local.process import Child, Reaper, last_lines

ASK_EVERY_S = 0.1
FIRST_TRIES = 3  # a part that was never ready is given up after so many
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
LOOK_EVERY_S, SILENT_LOOKS = 10.0, 6  # so often, and so often in vain until a part that hangs is started anew
STEADY_AFTER_S = 60.0  # a part that ran so long starts anew with the shortest pause
QUIET_DEATHS = 2  # from the next one in a row on, the end of the log is shown
STOP_WITHIN_S = 9.0
STOP_RESERVE_S = 1.5  # kept back for each level that still has to stop

Report = Callable[[Event], None]


class Supervisor:
    """Runs `parts`, each with a log in `logs`, and tells `report` what is worth a line.

    `first_pause_s` is the pause before the first restart of a part; it doubles with each death in a row. The end of all
    of them takes `stop_within_s` at most. Every `look_every_s` each part is asked whether it is still there.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        logs: Path,
        warden: Reaper,
        report: Report,
        *,
        first_pause_s: float = FIRST_PAUSE_S,
        stop_within_s: float = STOP_WITHIN_S,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        self._logs, self._warden, self._report = logs, warden, report
        self._first_pause_s, self._stop_within_s, self._look_every_s = first_pause_s, stop_within_s, look_every_s
        self.statuses = {part.name: Status(part) for part in parts}
        self._levels = levels(parts)
        self._came_up = {part.name: asyncio.Event() for part in parts}
        self._children: dict[str, Child] = {}
        self._keepers: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start everything; returns when all of it is ready. Raises `UserError` when a critical part does not start."""
        self._keepers = [asyncio.create_task(self._keep(status)) for status in self.statuses.values()]
        self._keepers.append(asyncio.create_task(self._cut_logs()))
        await self._until(asyncio.create_task(self._everything_is_up()))

    async def run(self) -> None:
        """Go on for ever; ends only by an error in the supervisor itself, which it raises, or by being cancelled."""
        await self._until(asyncio.create_task(asyncio.Event().wait()))

    async def stop(self) -> None:
        """End every part, those that others depend on last; leaves nothing."""
        for keeper in self._keepers:
            keeper.cancel()
        await asyncio.gather(*self._keepers, return_exceptions=True)
        deadline = time.monotonic() + self._stop_within_s
        for left, names in zip(range(len(self._levels) - 1, -1, -1), reversed(self._levels), strict=True):
            patience_s = max(0.5, deadline - time.monotonic() - left * STOP_RESERVE_S)
            await asyncio.gather(*(self._stop_one(name, patience_s) for name in names))

    async def _until(self, goal: asyncio.Task[object]) -> None:
        """Wait for `goal`; raises what a keeper raises before."""
        try:
            while not goal.done():
                running = [keeper for keeper in self._keepers if not keeper.done()]
                await asyncio.wait([goal, *running], return_when=asyncio.FIRST_COMPLETED)
                for keeper in self._keepers:
                    if keeper.done():
                        keeper.result()
        finally:
            goal.cancel()
            await asyncio.wait([goal])

    async def _everything_is_up(self) -> None:
        await asyncio.gather(*(came_up.wait() for came_up in self._came_up.values()))

    async def _keep(self, status: Status) -> None:
        part, deaths = status.part, 0
        for name in part.after:
            await self._came_up[name].wait()
        while True:
            started = time.monotonic()
            how = await self._live(status)
            if status.state == State.DONE:
                return
            deaths = 1 if time.monotonic() - started > STEADY_AFTER_S else deaths + 1
            if not self._came_up[part.name].is_set() and deaths >= FIRST_TRIES:
                return self._give_up(status, how)
            status.restarts += 1
            pause_s = min(LONGEST_PAUSE_S, self._first_pause_s * 2 ** min(deaths - 1, 10))
            self._enter(status, State.RESTARTING, self._obituary(part, how, deaths, pause_s))
            await asyncio.sleep(pause_s)

    async def _cut_logs(self) -> None:
        """Keep the logs of running parts within bounds, for ever."""
        while True:
            await asyncio.sleep(self._look_every_s)
            for child in list(self._children.values()):
                await asyncio.to_thread(child.cut_log)

    async def _live(self, status: Status) -> str:
        """One life of a part, from its start to its end; in words, how it ended."""
        part, began = status.part, time.monotonic()
        self._enter(status, State.STARTING, "is starting")
        try:
            child = await Child.start(part.argv, part.env, self._log(part.name), self._warden)
        except OSError as error:
            return f"could not be run: {error}"
        self._children[part.name], status.pid = child, child.pid
        end = asyncio.create_task(child.wait())
        try:
            how = await self._watch(status, child, end, began)
            code = await asyncio.shield(end)
        finally:
            end.cancel()
        self._children.pop(part.name, None)
        status.pid = None
        if part.one_shot and code == 0:
            self._is_up(status, State.DONE, began)
        return how or f"ended with {describe_exit(code)}"

    async def _watch(self, status: Status, child: Child, end: asyncio.Task[int], began: float) -> str:
        """Follow a part until it has ended; why it had to be ended, or nothing when it did so by itself."""
        part = status.part
        if not await self._comes_up(part, end):
            await child.kill()
            return f"was not ready after {part.ready_within_s:.0f} s"
        if not end.done():
            self._is_up(status, State.READY, began)
            if not await self._stays_up(part, end):
                await child.kill()
                return "gave no answer any more"
        return ""

    async def _comes_up(self, part: Part, end: asyncio.Task[int]) -> bool:
        """Wait until the part is ready or has ended (True), or until it took too long (False)."""
        deadline = time.monotonic() + part.ready_within_s
        while not end.done():
            if not part.one_shot and await part.ready():
                return True
            if time.monotonic() > deadline:
                return False
            await asyncio.wait([end], timeout=ASK_EVERY_S)
        return True

    async def _stays_up(self, part: Part, end: asyncio.Task[int]) -> bool:
        """Ask now and then until the part has ended (True), or has been silent for too long (False)."""
        silent = 0
        while silent < SILENT_LOOKS:
            await asyncio.wait([end], timeout=self._look_every_s)
            if end.done():
                return True
            silent = 0 if await (part.alive or part.ready)() else silent + 1
        return False

    def _is_up(self, status: Status, state: State, began: float) -> None:
        status.ready_after_s = time.monotonic() - began
        verb = "is done" if state == State.DONE else "is ready" if not status.restarts else "is back"
        self._enter(status, state, verb, status.ready_after_s)
        self._came_up[status.part.name].set()

    def _give_up(self, status: Status, how: str) -> None:
        part, log = status.part, self._log(status.part.name)
        text = f"{how}, {FIRST_TRIES} times in a row; its log {log} ends with{self._tail(part.name)}"
        self._enter(status, State.FAILED, text)
        if part.critical:
            raise UserError(f"{part.name} does not start: it {text}")
        self._came_up[part.name].set()  # the others go on without it

    def _obituary(self, part: Part, how: str, deaths: int, pause_s: float) -> str:
        tail = f"; its log ends with{self._tail(part.name)}" if deaths > QUIET_DEATHS else ""
        return f"{how}, starting it again in {pause_s:.1f} s{tail}"

    def _tail(self, name: str) -> str:
        log = self._log(name)
        lines = last_lines(log, 5) if log.exists() else ""
        return "".join(f"\n    {line}" for line in lines.splitlines()) or " nothing"

    def _enter(self, status: Status, state: State, text: str, seconds: float = 0.0) -> None:
        status.state, status.since = state, time.time()
        self._report(Event(status.part.name, state, text, seconds, status.part.address))

    async def _stop_one(self, name: str, patience_s: float) -> None:
        status = self.statuses[name]
        child = self._children.pop(name, None)
        if child is not None:
            began = time.monotonic()
            await child.stop(patience_s)
            status.pid = None
            self._enter(status, State.STOPPED, "has ended", time.monotonic() - began)

    def _log(self, name: str) -> Path:
        return self._logs / f"{name}.log"


def levels(parts: Iterable[Part]) -> list[list[str]]:
    """Names of the parts by how long a chain of others each one waits for; raises `ValueError` on an unknown name."""
    waits = {part.name: part.after for part in parts}
    depths: dict[str, int] = {}
    while len(depths) < len(waits):
        known = {
            name: 1 + max((depths[other] for other in after), default=-1)
            for name, after in waits.items()
            if name not in depths and all(other in depths for other in after)
        }
        if not known:
            raise ValueError(f"these parts wait for each other or for unknown ones: {sorted(set(waits) - set(depths))}")
        depths |= known
    return [[name for name in waits if depths[name] == level] for level in range(max(depths.values(), default=-1) + 1)]


def describe_exit(code: int) -> str:
    """An exit code in words: negative ones are signals."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        return f"signal {-code}"
