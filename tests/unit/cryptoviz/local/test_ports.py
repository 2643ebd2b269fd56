"""Ports that are taken, claimed twice, or forbidden are told before anything starts."""

from __future__ import annotations

import os
import socket

import pytest

from cryptoviz.errors import UserError
from cryptoviz.local.ports import PortClaim, check_ports, free_ports


def test_free_ports_pass() -> None:
    ports = free_ports(3)
    assert len(set(ports)) == 3
    check_ports("127.0.0.1", [PortClaim(port, f"part {port}", "CRYPTOVIZ_X_PORT") for port in ports])


def test_a_taken_port_names_the_part_the_setting_and_the_process() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(UserError) as raised:
            check_ports("127.0.0.1", [PortClaim(port, "clickhouse", "CRYPTOVIZ_CLICKHOUSE_PORT")])
    assert f"port {port} (clickhouse) is taken" in str(raised.value)
    assert "set CRYPTOVIZ_CLICKHOUSE_PORT to another port" in str(raised.value)
    if os.name == "posix" and os.uname().sysname == "Linux":
        assert f"(process {os.getpid()})" in str(raised.value)


def test_all_taken_ports_are_named_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        claims = [PortClaim(s.getsockname()[1], f"part {n}", f"CRYPTOVIZ_{n}_PORT") for n, s in enumerate((one, two))]
        with pytest.raises(UserError, match=r"CRYPTOVIZ_0_PORT(.)*CRYPTOVIZ_1_PORT"):
            check_ports("127.0.0.1", claims)


def test_a_port_that_two_parts_claim_is_a_mistake_in_the_settings() -> None:
    (port,) = free_ports(1)
    claims = [PortClaim(port, "sink", "CRYPTOVIZ_SINK_PORT"), PortClaim(port, "producer", "CRYPTOVIZ_PRODUCER_PORT")]
    with pytest.raises(
        UserError, match="both sink and producer: change CRYPTOVIZ_SINK_PORT or CRYPTOVIZ_PRODUCER_PORT"
    ):
        check_ports("127.0.0.1", claims)


def test_a_port_whose_last_connection_has_just_ended_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):
            accepted, _ = listener.accept()
            accepted.close()  # the side that closes first keeps the port in TIME_WAIT
    check_ports("127.0.0.1", [PortClaim(port, "kafka", "CRYPTOVIZ_KAFKA_PORT")])


def test_an_address_that_is_not_ours_names_the_setting() -> None:
    with pytest.raises(UserError, match="CRYPTOVIZ_HOST"):
        check_ports("192.0.2.1", [PortClaim(free_ports(1)[0], "kafka", "CRYPTOVIZ_KAFKA_PORT")])
