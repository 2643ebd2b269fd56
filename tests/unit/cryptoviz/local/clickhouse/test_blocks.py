"""ClickHouse's compressed blocks and their checksum."""

from __future__ import annotations

import pytest

from cryptoviz.local.clickhouse.blocks import BLOCK_BYTES, compress_blocks, decompress_blocks
from cryptoviz.local.clickhouse.cityhash import cityhash128
from cryptoviz.local.clickhouse.failures import QueryError

# Lengths on both sides of every branch; low and high half as ClickHouse's Go client computes them.
HASHES = {
    0: (0x3DF09DFC64C09A2B, 0x3CB540C392E51E29),
    1: (0x8BE55B379CCE0E40, 0x05AB4744478B1CBA),
    3: (0x98F5D1FF9787F784, 0xAD1A7CF49F00ECAF),
    4: (0x07C2A6FCD5BAE941, 0x58B8F02DE00A7A68),
    7: (0x2768A48F7CE503DA, 0xF83D181B9C390E0F),
    8: (0x552774EF8E94EE73, 0xDCA530043BC0FC98),
    9: (0xBBB4DDCF2C82CBBD, 0xD04FACDED870FAAB),
    15: (0xAC6E664817F8B8BA, 0xE25658607DE11A0F),
    16: (0x19F2AB13D03B5EEF, 0x7DC8642F1AC6698A),
    17: (0x37F9D020DCB5B8D9, 0x0416330CD93D2D2E),
    24: (0xA12F8246FE7454AD, 0x40DE5F84B15D5D83),
    31: (0x7BD334E6A734BCA5, 0x0724B318FACB2AC4),
    32: (0x2621152FBAABB685, 0xAF7323A3D11278AB),
    33: (0x4566B11ABA5C751D, 0x03DB31BB236D6080),
    47: (0x8C405123D524A080, 0x86F9ACD193BF7CCA),
    48: (0xDB8FBFBA5F94FD27, 0x5329E2810DE3426F),
    63: (0xA28C18B547A5B572, 0x299631D3764ABDC0),
    64: (0xED7ED872FD4E36C6, 0x1E62CEDB99B77692),
    100: (0x93BF613F2D858BBB, 0xB228086AE4B2F785),
    127: (0x7621C9EB8DD1F230, 0x631417DF70DC2AC4),
    128: (0xCA9F560873AED850, 0x7BBDFA596301A029),
    143: (0xC974AA709001F539, 0xA2053E3BA028831A),
    144: (0x252845D623C5E8E4, 0x16E4D7B96632C4FC),
    145: (0xBF70F8DF91970EA7, 0x5B15FF14B05AE8D4),
    159: (0xE2B7917B0D3C3AA5, 0x539ACD6C2CE79D8F),
    175: (0xD9A4F8537B32F89A, 0xA5BCF8681B02DFF6),
    176: (0x949AE386F7C523B0, 0x6AFC86A637EC6843),
    200: (0xF4C1C42A82E06FBE, 0xC484C7CBFE0956B1),
    255: (0xA05C3D2A633D6BB4, 0x7F021DFD13DD75F9),
    256: (0x0D5228D0F3C6ECD0, 0xA5E34F353482CC7E),
    271: (0x5E84749E1861F40D, 0xAE4D296F3E429101),
    272: (0xF936D19683E2BBD1, 0x30117C0F2ABE113A),
    273: (0x5B9CEBCA9812E385, 0x300ED0637021AA29),
    304: (0x8DD633CD23EDA479, 0xCFE0B325716C4C60),
    400: (0x18C4A49077103CD3, 0x521FD77D66997BC4),
    512: (0xB795E4EB34EAA73A, 0xD6DAB716B9709086),
    640: (0x8D526DA2CEB563DF, 0xC8EB10A1A0C03A7E),
    699: (0x89E9E9A3E1F3D5E5, 0x3A1691D44BF50CB0),
}


@pytest.mark.parametrize(("size", "halves"), HASHES.items())
def test_the_checksum_is_the_one_other_clients_compute(size: int, halves: tuple[int, int]) -> None:
    data = bytes((i * 31 + size * 7) % 251 for i in range(size))
    low, high = halves
    assert cityhash128(data) == low.to_bytes(8, "little") + high.to_bytes(8, "little")


@pytest.mark.parametrize("data", [b"", b"x", b"text " * 1000, bytes(range(256)) * 10_000])
def test_what_is_packed_comes_back(data: bytes) -> None:
    packed = compress_blocks(data)
    assert decompress_blocks(packed, len(data)) == data


def test_long_data_is_cut_into_blocks_of_the_servers_size() -> None:
    packed = compress_blocks(b"a" * (BLOCK_BYTES + 1))
    first = 16 + int.from_bytes(packed[17:21], "little")
    assert int.from_bytes(packed[21:25], "little") == BLOCK_BYTES
    assert packed[:16] == cityhash128(packed[16:first])
    assert int.from_bytes(packed[first + 21 : first + 25], "little") == 1


@pytest.mark.parametrize("cut", [1, 20, -1])
def test_a_body_that_ends_early_is_refused(cut: int) -> None:
    with pytest.raises(QueryError, match="ends within"):
        decompress_blocks(compress_blocks(b"text " * 100)[:cut], 1000)


def test_a_body_too_large_when_unpacked_is_refused_before_it_is() -> None:
    with pytest.raises(QueryError, match="too large"):
        decompress_blocks(compress_blocks(b"a" * 1000), 999)


def test_a_broken_block_is_refused() -> None:
    packed = bytearray(compress_blocks(b"text " * 100))
    packed[16] = 0x77
    with pytest.raises(QueryError, match="Unknown compression method 0x77"):
        decompress_blocks(bytes(packed), 1000)
    packed[16] = 0x82
    packed[25:] = b"\xff" * len(packed[25:])
    with pytest.raises(QueryError, match="not valid LZ4"):
        decompress_blocks(bytes(packed), 1000)
