"""The one answer that chDB cannot give: the greeting of ClickHouse's Go client over HTTP.

The client reads its greeting in the block form of the protocol revision it announced (54460), and everything after
it in the form of the revision the greeting names. chDB writes Native blocks of revision 0, without block info and
without the serialization flag of each column. So the greeting is written here by hand and names revision 0.
"""

from __future__ import annotations

GREETING = b"SELECT displayName(), version(), revision(), timezone()"
CLIENT_REVISION = 54460
# Field 1: not an overflow block; field 2: bucket number -1; 0 ends the list.
_BLOCK_INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"
_DEFAULT_SERIALIZATION = b"\x00"


def is_greeting(statement: bytes, params: dict[str, str]) -> bool:
    """Whether this is the Go client's first statement, in a form that the hand-made block answers."""
    revision = params.get("client_protocol_version", "0")
    return statement.strip() == GREETING and revision.isdigit() and int(revision) >= CLIENT_REVISION


def greeting_block(display_name: str, version: str, timezone: str) -> bytes:
    """One row in the block form of revision 54460, saying that what follows is of revision 0."""
    columns = (
        ("displayName()", "String", _string(display_name)),
        ("version()", "String", _string(version)),
        ("revision()", "UInt32", (0).to_bytes(4, "little")),
        ("timezone()", "String", _string(timezone)),
    )
    block = _BLOCK_INFO + _varint(len(columns)) + _varint(1)
    for name, type_name, value in columns:
        block += _string(name) + _string(type_name) + _DEFAULT_SERIALIZATION + value
    return block


def _string(text: str) -> bytes:
    data = text.encode()
    return _varint(len(data)) + data


def _varint(number: int) -> bytes:
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)
