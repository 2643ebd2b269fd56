"""The page stands by itself and holds the figures of its rows."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

import pytest
from scoreboard_rows import START, row

from cryptoviz.report.over_time import DAY_S, Errors
from cryptoviz.report.page import Replayed, page, section
from cryptoviz.report.scoreboard import scored

VOID = {"meta", "br", "hr", "img", "input", "link"}
REPLAYED = Replayed(("<week>.parquet",), 1234, 1200, (1_717_200_000_000, 1_717_804_800_000), 300,
                    (("CRYPTOVIZ_BAR_SECONDS", "300", "Length of a bar"),), "0.1", "2026-01-02 03:04 UTC")  # fmt: skip
ASSETS = ("BTC", "ETH")
MODELS = ("trend", "naive", "holt")


class Parsed(HTMLParser):
    """Elements, attributes, ids and cells of a page whose tags must be closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.tables: list[list[list[str]]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in {"td", "th"}:
            self.tables[-1][-1].append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if {"td", "th"} & set(self.open):
            self.tables[-1][-1][-1] += f" {data.strip()}" if self.tables[-1][-1][-1] else data.strip()


def _rows() -> list[dict[str, Any]]:
    ratios = {"trend": 1.234, "naive": 1.0, "holt": 0.987}
    return [
        row(asset, model, horizon_s, rmae=ratios[model] + horizon_s / 1e6, source=source)
        for asset in ASSETS for model in MODELS for horizon_s in (3600, 86_400) for source in ("all", "kraken")
    ]  # fmt: skip


def _html(*sources: str) -> str:
    at = {"horizon_s": 3600, "source": "all", "model": "holt"}
    errors = Errors(
        DAY_S, tuple(at | {"step": START.replace(day=day), "error": 1.0, "naive_error": 2.0} for day in (1, 2))
    )
    stated = [at | {"asset": "BTC", "confidence_from": 90, "n": 9, "n_independent": 2, "mean_confidence": 95.0,
                    "hit_rate": 0.5, "hit_low": 0.4, "hit_high": 0.6}]  # fmt: skip
    found = {"all": (errors, stated), "kraken": (errors.of("kraken"), [])}
    return page(REPLAYED, [section(scored(_rows(), name), *found[name]) for name in sources], "")


@pytest.fixture(scope="module")
def html() -> str:
    return _html("all", "kraken")


@pytest.fixture(scope="module")
def parsed(html: str) -> Parsed:
    return Parsed(html)


def test_it_parses_and_every_element_is_closed(parsed: Parsed) -> None:
    assert parsed.open == []
    assert {"html", "title", "table", "svg"} <= parsed.tags


def test_it_asks_nothing_of_anybody(html: str, parsed: Parsed) -> None:
    assert not re.search(r"https?:|//|@import|url\((?!#)", html.replace("</", "<"))
    assert not {"script", "link", "img", "iframe", "object", "embed", "a", "form"} & parsed.tags
    references = [value for name, value in parsed.attributes if name in {"href", "xlink:href", "src"}]
    assert references
    assert all(value and value.startswith("#") for value in references)
    assert not [name for name, _ in parsed.attributes if name.startswith("on")]


def test_names_within_the_page_are_there_once_and_every_reference_finds_its_own(html: str, parsed: Parsed) -> None:
    names = [value for name, value in parsed.attributes if name == "id"]
    assert len(names) == len(set(names)) > 0
    assert {*re.findall(r'href="#([^"]+)"', html), *re.findall(r"url\(#([^)]+)\)", html)} <= set(names)


def test_it_says_what_was_replayed_and_that_it_is_no_advice(html: str, parsed: Parsed) -> None:
    facts = {line[0]: line[1] for line in parsed.tables[0]}
    assert facts["files"] == "<week>.parquet"
    assert "&lt;week&gt;" in html
    assert facts["rows"] == "1,234 fed, 1,200 stored as quotes"
    assert facts["period"] == "2024-06-01 00:00 UTC to 2024-06-08 00:00 UTC (7 d 5 min)"
    assert facts["bars"] == "300 s"
    assert "no financial advice" in html
    assert parsed.tables[-1] == [["CRYPTOVIZ_BAR_SECONDS", "300", "Length of a bar"]]


def test_the_tables_hold_the_figures_of_the_rows(parsed: Parsed) -> None:
    summaries = [table for table in parsed.tables if table[0][0] == "model"]
    assert [line[0] for line in summaries[0][1:]] == ["holt", "naive", "trend"]
    assert summaries[0][1] == ["holt", "2", "2,000", "168", "0.991", "51.0 %", "44-58 %", "81.0 %", "0.60 %"]
    assert [line[4] for line in summaries[1][1:]] == ["1.073", "1.086", "1.320"]
    assets = [table for table in parsed.tables if table[0][0] == "asset"]
    assert len(summaries) == len(assets) == 4
    assert assets[0][1] == ["BTC", "0.991 81.0 % 2,000", "1.004 81.0 % 2,000", "1.238 81.0 % 2,000"]


def test_every_plot_is_there_with_names_on_its_axes(html: str) -> None:
    for label in ("rMAE (error / error of naive)", "outcomes inside the interval, %", "mean width, % of the price",
                  "error / error of naive", "time of the outcome, UTC", "confidence stated, %"):  # fmt: skip
        assert f">{label}</text>" in html, label
    assert html.count("<svg ") == 5 + 3  # of kraken there are neither errors over time nor stated confidence


def test_only_what_beats_naive_is_marked() -> None:
    assert len(re.findall(r'class="better"', _html("all"))) == 1 + len(ASSETS)


def test_without_scores_it_says_why() -> None:
    html = page(REPLAYED, [], "No forecast could be scored.")
    assert Parsed(html).open == []
    assert "No forecast could be scored." in html
    assert "<svg" not in html


def test_figures_that_are_missing_are_dashes_and_break_no_plot() -> None:
    nothing = dict.fromkeys(
        [name for name in row() if name.startswith(("coverage", "width", "hit", "rmae", "winkler"))], None
    )
    html = page(REPLAYED, [section(scored([row(**nothing)], "all"), Errors(DAY_S, ()), [])], "")
    (table,) = [table for table in Parsed(html).tables if table[0][0] == "model"]
    assert table[1] == ["trend", "1", "2,000", "168", "-", "-", "-", "-", "-"]
