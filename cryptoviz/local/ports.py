"""Ports: that each one is free before anything starts, and who has it when it is not."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import psutil

from cryptoviz.errors import UserError


@dataclass(frozen=True)
class PortClaim:
    """A port that a part is going to listen on, and the setting that changes it."""

    port: int
    part: str
    setting: str


def check_ports(host: str, claims: Iterable[PortClaim]) -> None:
    """Raise `UserError` naming every port that two parts claim or that somebody else has."""
    claimed: dict[int, PortClaim] = {}
    problems = []
    for claim in claims:
        other = claimed.setdefault(claim.port, claim)
        if other is not claim:
            problems.append(
                f"port {claim.port} is meant for both {other.part} and {claim.part}: change {other.setting} "
                f"or {claim.setting}"
            )
        elif problem := _problem(host, claim):
            problems.append(problem)
    if problems:
        raise UserError("; ".join(problems))


def free_ports(count: int, host: str = "127.0.0.1") -> list[int]:
    """Ports that nobody has at this moment, all different."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((host, 0))
        return [each.getsockname()[1] for each in sockets]


def _problem(host: str, claim: PortClaim) -> str | None:
    advice = f"set {claim.setting} to another port"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        # Connections that have just ended do not count, only a listener does.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, claim.port))
        except OSError as error:
            return _explain(error, host, claim, advice)
    if _answers(host, claim.port):  # macOS lets two bind where one listens on all addresses
        return f"port {claim.port} ({claim.part}) is taken{_by_whom(claim.port)}: end that, or {advice}"
    return None


def _explain(error: OSError, host: str, claim: PortClaim, advice: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {claim.port} ({claim.part}) is taken{_by_whom(claim.port)}: end that, or {advice}"
    if error.errno == errno.EACCES:
        return f"port {claim.port} ({claim.part}) needs more rights than you have: {advice}, above 1023"
    return f"cannot listen on {host}:{claim.port} ({claim.part}): {error.strerror}; CRYPTOVIZ_HOST sets the address"


def _answers(host: str, port: int) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as caller:
        caller.settimeout(1)
        return caller.connect_ex((host, port)) == 0


def _by_whom(port: int) -> str:
    try:
        pid = next(pid for listening, pid in _listeners() if listening == port)
        return f" by {psutil.Process(pid).name()} (process {pid})"
    except (psutil.Error, StopIteration):  # macOS tells root only
        return ""


def _listeners() -> Iterator[tuple[int, int]]:
    for connection in psutil.net_connections(kind="tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr and connection.pid:
            yield connection.laddr.port, connection.pid
