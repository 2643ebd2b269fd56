from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
from grafana_sql import VARIABLE, Period, expand

from cryptoviz.dashboards import DASHBOARDS, style
from cryptoviz.dashboards import asset as asset_module
from cryptoviz.dashboards import scoreboard as scoreboard_module
from cryptoviz.dashboards.dashboard import WIDTH, Dashboard, Row
from cryptoviz.dashboards.panel import chart, text
from cryptoviz.dashboards.query import line
from cryptoviz.dashboards.variable import ALL, Variable, any_of, choices, listed, number, one
from processors.batch import BATCH_MODELS
from processors.models import MODELS, ONLINE_MODELS

EACH = pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.uid)
UIDS = {style.HOME, style.MULTI_SOURCE, style.ASSET, style.PREDICTIONS, style.SCOREBOARD, style.PIPELINE}
GUIDE = (Path(__file__).resolve().parents[4] / "docs" / "dashboards.md").read_text()
PERIOD = Period(1_700_000_000, 1_700_003_600)


def flat(dashboard: Dashboard) -> list[dict[str, Any]]:
    panels = dashboard.json()["panels"]
    return [each for panel in panels for each in (panel, *panel.get("panels", ()))]


def area(panel: dict[str, Any]) -> set[tuple[int, int]]:
    place = panel["gridPos"]
    wide, high = range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
    return set(itertools.product(wide, high))


def test_uids_titles_and_files_are_unique() -> None:
    for of in ("uid", "title", "file"):
        found = [getattr(dashboard, of) for dashboard in DASHBOARDS]
        assert len(found) == len(set(found))
    assert {dashboard.uid for dashboard in DASHBOARDS} <= UIDS
    assert all(re.fullmatch(r"[a-z-]{1,40}", uid) for uid in UIDS)


@EACH
def test_a_dashboard_is_what_everyone_is_used_to(dashboard: Dashboard) -> None:
    made = json.loads(dashboard.text())
    assert (made["refresh"], made["timezone"], made["graphTooltip"], made["style"]) == ("30s", "browser", 1, "dark")
    assert "10s" in made["timepicker"]["refresh_intervals"]
    assert made["id"] is None
    assert made["tags"] == [style.TAG]
    assert "version" not in made


@EACH
def test_the_bar_leads_to_the_others_with_what_was_chosen(dashboard: Dashboard) -> None:
    links = dashboard.json()["links"]
    others = [each for each in DASHBOARDS if each is not dashboard]
    assert [link["url"] for link in links] == [f"/d/{uid}" for uid in style.NAVIGATION if uid != dashboard.uid]
    assert {link["url"] for link in links} == {f"/d/{other.uid}" for other in others}
    assert all(link["includeVars"] for link in links)
    ahead = {each.uid for each in DASHBOARDS if each.until != "now"}
    for link in links:
        goes_ahead = bool(ahead & {dashboard.uid, link["url"].removeprefix("/d/")})
        assert link["keepTime"] is not goes_ahead, "a period that ends ahead of now is of use to one dashboard only"


@EACH
def test_what_is_not_there_has_no_threshold_s_colour(dashboard: Dashboard) -> None:
    for panel in flat(dashboard):
        if "targets" in panel:
            overrides = [each for made in panel["fieldConfig"]["overrides"] for each in made["properties"]]
            given = [each["value"] for each in overrides if each["id"] == "mappings"]
            for mappings in (panel["fieldConfig"]["defaults"]["mappings"], *given):
                special = {each["options"]["match"]: each["options"]["result"] for each in mappings[-2:]}
                assert {special[match]["color"] for match in ("null+nan", "empty")} == {style.NEUTRAL}, panel["title"]


@EACH
def test_a_panel_without_data_says_so(dashboard: Dashboard) -> None:
    for panel in flat(dashboard):
        if "targets" in panel:
            assert panel["fieldConfig"]["defaults"]["noValue"]


@EACH
def test_panels_have_numbers_and_room_of_their_own(dashboard: Dashboard) -> None:
    panels = flat(dashboard)
    numbers = [panel["id"] for panel in panels]
    assert len(numbers) == len(set(numbers))
    taken: set[tuple[int, int]] = set()
    for panel in dashboard.json()["panels"]:
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= WIDTH
        assert not taken & area(panel), panel["title"]
        taken |= area(panel)


@EACH
def test_every_question_goes_to_the_one_data_source_by_its_uid(dashboard: Dashboard) -> None:
    for panel in flat(dashboard):
        for target in panel.get("targets", ()):
            assert target["datasource"] == style.DATA_SOURCE
            assert target["format"] in (0, 1)
            assert target["editorType"] == "sql"
        references = [target["refId"] for target in panel.get("targets", ())]
        assert len(references) == len(set(references))
    for each in (*dashboard.json()["annotations"]["list"], *dashboard.json()["templating"]["list"]):
        assert each.get("datasource", style.DATA_SOURCE) == style.DATA_SOURCE


@EACH
def test_only_variables_that_exist_are_spoken_of(dashboard: Dashboard) -> None:
    names = {variable.name for variable in dashboard.variables}
    for panel in dashboard.panels():
        spoken = {match[1] or match[3] for match in VARIABLE.finditer(panel.title)}
        assert spoken | ({panel.repeat} if panel.repeat else set()) <= names
    for asked in dashboard.asked():
        expand(asked.query.sql, PERIOD, dict.fromkeys(names, "x"))


@EACH
def test_links_lead_to_dashboards(dashboard: Dashboard) -> None:
    assert set(re.findall(r"/d/([\w-]+)", dashboard.text())) <= UIDS


@EACH
def test_a_panel_that_asks_says_what_it_shows(dashboard: Dashboard) -> None:
    assert dashboard.description
    for panel in dashboard.panels():
        assert panel.title
        assert panel.kind in {"stat", "text"} or panel.description, f"{panel.title} has no description"


def test_the_columns_of_the_scoreboard_are_models() -> None:
    registered = {model.name for model in (*MODELS, *ONLINE_MODELS, *BATCH_MODELS)}
    assert set(scoreboard_module.MODELS) <= registered | {"consensus", "consensus_adaptive"}


def test_colours_are_those_that_everyone_can_tell_apart() -> None:
    meant = {*style.SOURCES.values(), *style.SIGNALS.values(), *style.STREAMING.values(), *style.ASSETS.values()}
    assert meant <= set(style.PALETTE)
    assert len(set(style.SOURCES.values())) == len(style.SOURCES)
    assert len(set(style.SIGNALS.values())) == len(style.SIGNALS)


def test_panels_fill_rows_from_the_left_and_stack_beside_a_tall_one() -> None:
    tall = text("tall", "").sized(16, 10)
    row = Row("", (tall, text("upper", "").sized(8, 4), text("lower", "").sized(8, 6), text("below", "").sized(24, 2)))
    places = [panel["gridPos"] for panel in Dashboard("u", "t", "d", (row,)).json()["panels"]]
    assert [(place["x"], place["y"]) for place in places] == [(0, 0), (16, 0), (16, 4), (0, 10)]


def test_a_folded_row_keeps_its_panels_inside() -> None:
    rows = (Row("Folded", (text("a", ""),), folded=True), Row("Open", (text("b", ""),)))
    panels = Dashboard("u", "t", "d", rows).json()["panels"]
    assert [(panel["title"], panel["type"]) for panel in panels] == [("Folded", "row"), ("Open", "row"), ("b", "text")]
    assert [inside["title"] for inside in panels[0]["panels"]] == ["a"]
    assert panels[1]["gridPos"]["y"] == 1


def test_a_panels_number_is_found_by_its_title() -> None:
    dashboard = Dashboard("u", "t", "d", (Row("r", (text("a", ""), text("b", ""))),))
    assert dashboard.panel_id("b") == 3
    with pytest.raises(KeyError):
        dashboard.panel_id("c")


def test_a_repeated_panel_has_a_line_for_its_repetitions() -> None:
    repeated = chart("x", line("SELECT 1", "x"), repeat="asset", description="")
    panels = Dashboard("u", "t", "d", (Row("", (repeated, text("after", ""))),)).json()["panels"]
    assert panels[0]["gridPos"]["w"] == WIDTH // 2
    assert panels[1]["gridPos"]["y"] == repeated.height


def test_choices_start_with_their_default() -> None:
    query = line("SELECT 1", "x")
    assert choices("a", "A", query, ALL).json()["current"] == {"text": ["All"], "value": [ALL]}
    single = listed("w", "W", ("5", "20"), "20").json()
    assert single["current"] == {"text": "20", "value": "20"}
    assert [option["selected"] for option in single["options"]] == [False, True]
    assert isinstance(listed("w", "W", ("5",), "5"), Variable)


@pytest.mark.parametrize("value", ["it's", "\\' OR 1 = 1 --", "a\\", '"', "$__fromTime", "${b}"])
def test_no_value_can_leave_the_text_it_stands_in(value: str) -> None:
    for form in (one("a"), number("a"), any_of("a")):
        made = expand(f"SELECT {form}", PERIOD, {"a": value})
        (inside,) = re.findall(r"(?:decodeURLComponent|toUInt32OrZero)\('([^']*)'\)", made)
        assert re.fullmatch(r"[\w%.~-]*", inside)


def test_forms_that_paste_a_value_are_refused() -> None:
    for form in ("$a", "${a}", "${a:raw}", "${a:csv}", "${a:singlequote}", "[[a]]"):
        with pytest.raises(ValueError, match="percentencode"):
            expand(f"SELECT {form}", PERIOD, {"a": "x"})
    with pytest.raises(ValueError, match="not a macro"):
        expand("SELECT $__timeFiter(at)", PERIOD)


def test_the_panel_of_the_guide_works_as_the_guide_says() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    known = dict(vars(asset_module))
    exec(code, known)
    panel = known["true_range"]
    source = Path(str(asset_module.__file__)).read_text()
    assert "\ndef _signals" in source
    assert 'Row("Indicators", (rsi, macd, stochastic)),' in source
    assert 'Row("Indicators", (rsi, macd, stochastic, true_range)),' in GUIDE
    expand(panel.queries[0].sql, PERIOD, {variable.name: "x" for variable in asset_module.ASSET.variables})


def test_the_moments_of_an_assets_charts_are_below_one_another() -> None:
    charts = [panel for panel in flat(asset_module.ASSET) if panel["type"] in {"candlestick", "timeseries"}]
    assert len(charts) == 4
    assert {panel["fieldConfig"]["defaults"]["custom"]["axisWidth"] for panel in charts} == {asset_module.AXIS_WIDTH}
    assert {(panel["gridPos"]["x"], panel["gridPos"]["w"]) for panel in charts} == {(0, WIDTH)}


def test_every_dashboard_and_module_is_in_the_guide() -> None:
    folder = Path(str(asset_module.__file__)).parent
    assert [path.name for path in folder.glob("[a-z]*.py") if f"`{path.name}`" not in GUIDE] == []
    assert [dashboard.title for dashboard in DASHBOARDS if f"**{dashboard.title}**" not in GUIDE] == []
