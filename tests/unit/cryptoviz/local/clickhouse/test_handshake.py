"""The Go client's greeting."""

from __future__ import annotations

from cryptoviz.local.clickhouse.handshake import GREETING, greeting_block, is_greeting


def test_only_the_exact_statement_of_a_client_that_announced_itself_is_a_greeting() -> None:
    announced = {"client_protocol_version": "54460"}
    assert is_greeting(GREETING, announced)
    assert is_greeting(GREETING + b"\n", announced)
    assert not is_greeting(GREETING, {})
    assert not is_greeting(GREETING, {"client_protocol_version": "54405"})
    assert not is_greeting(b"SELECT version()", announced)


def test_lengths_beyond_127_take_two_bytes() -> None:
    block = greeting_block("n" * 200, "v", "UTC")
    assert b"\x00\xc8\x01" + b"n" * 200 in block
