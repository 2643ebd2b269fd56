"""docs/adding-a-source.md, followed to the letter."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from local_http import LocalHttp, Reply
from rig import Rig

from cryptoviz.assets import REGISTRY, AssetRegistry
from producers.source import Source
from producers.sources import SOURCES

ROOT = Path(__file__).resolve().parents[3]
GUIDE = (ROOT / "docs" / "adding-a-source.md").read_text(encoding="utf-8")


def _block(language: str) -> str:
    found = re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)
    assert len(found) == 1
    return found[0]


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> type[Source]:
    """The guide's source, from its file."""
    file = tmp_path / "acme.py"
    file.write_text(_block("python"), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("producers.sources.acme", file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    return module.Acme


def _with_acme() -> AssetRegistry:
    pairs = {"BTC": ("BTC-USD", "BTC-USDT"), "ETH": ("ETH-USD",), "SOL": ("SOL-USD",)}
    assets = (replace(asset, symbols={**asset.symbols, "acme": pairs[asset.ticker]})
              for asset in REGISTRY if asset.ticker in pairs)  # fmt: skip
    return AssetRegistry(tuple(assets))


def test_the_guides_source_works(server: LocalHttp, rig: Callable[..., Rig], acme: type[Source]) -> None:
    server.answer = lambda _: Reply(_block("json").encode())
    each = rig(acme(), registry=_with_acme())
    each.poller.poll()
    (quote,) = each.quotes()
    assert (quote["asset"], quote["price"], quote["currency"], quote["volume_24h"]) == (
        "BTC",
        64250.1,
        "USD",
        31e6 + 0.5,
    )
    assert {letter["reason"] for letter in each.letters()} == {"bad_price", "missing"}
    assert server.asked[0].params == {"pairs": "BTC-USD,ETH-USD,SOL-USD"}


def test_every_file_in_the_folder_is_registered_under_its_name_and_has_payloads() -> None:
    files = {path.stem for path in (ROOT / "producers" / "sources").glob("*.py")} - {"__init__"}
    assert files == set(SOURCES)
    assert files == {source.__module__.rpartition(".")[2] for source in SOURCES.values()}
    for name in SOURCES:
        payloads = {path.name for path in (ROOT / "tests" / "data" / name).iterdir()}
        assert any(not payload.startswith(("error_", "history__")) for payload in payloads)
        assert any(payload.startswith("error_") for payload in payloads)
