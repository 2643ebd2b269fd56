"""What the stack's own port tells."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import aiohttp
import pytest

from cryptoviz.errors import UserError
from cryptoviz.local.health import health_server
from cryptoviz.local.part import Part, State, Status
from cryptoviz.local.ports import free_ports

ABOUT = {"home": "/data/coins", "kind": "live"}


def statuses(**states: State) -> dict[str, Status]:
    return {name: Status(Part(name, ()), state, since=1_700_000_000.0, pid=7) for name, state in states.items()}


def ask(parts: Mapping[str, Status], path: str) -> tuple[int, str]:
    async def run() -> tuple[int, str]:
        (port,) = free_ports(1)
        async with (
            health_server("127.0.0.1", port, parts, ABOUT),
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port}{path}") as answer,
        ):
            return answer.status, await answer.text()

    return asyncio.run(run())


def test_health_is_well_when_every_part_is_ready_or_done() -> None:
    status, text = ask(statuses(kafka=State.READY, topics=State.DONE), "/health")
    assert status == 200
    assert '"ok": true' in text
    assert '"home": "/data/coins"' in text
    assert '"since": "2023-11-14T22:13:20.000+00:00"' in text


@pytest.mark.parametrize("state", [State.WAITING, State.STARTING, State.RESTARTING, State.FAILED])
def test_health_is_503_while_a_part_is_not_there(state: State) -> None:
    status, text = ask(statuses(kafka=State.READY, sink=state), "/health")
    assert status == 503
    assert f'"state": "{state}"' in text


def test_a_part_that_nobody_needs_does_not_make_the_stack_unwell() -> None:
    parts = statuses(kafka=State.READY, forecaster=State.FAILED)
    parts["forecaster"].part = replace(parts["forecaster"].part, critical=False)
    status, text = ask(parts, "/health")
    assert status == 200
    assert '"state": "failed"' in text


def test_metrics_tell_which_parts_are_up_and_how_often_they_were_restarted() -> None:
    parts = statuses(kafka=State.READY, sink=State.RESTARTING)
    parts["sink"].restarts = 3
    status, text = ask(parts, "/metrics")
    assert status == 200
    assert 'cryptoviz_part_up{part="kafka"} 1.0' in text
    assert 'cryptoviz_part_up{part="sink"} 0.0' in text
    assert 'cryptoviz_part_restarts_total{part="sink"} 3.0' in text


def test_a_taken_port_names_the_setting() -> None:
    async def twice() -> None:
        (port,) = free_ports(1)
        async with health_server("127.0.0.1", port, {}, ABOUT), health_server("127.0.0.1", port, {}, ABOUT):
            pass

    with pytest.raises(UserError, match="CRYPTOVIZ_HEALTH_PORT"):
        asyncio.run(twice())
