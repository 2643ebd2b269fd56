from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cryptoviz.alerting import RULES, Rule
from cryptoviz.alerting.files import CLOCK, FOLDER, alerting_files
from cryptoviz.alerting.rule import CONDITION, RUNBOOK
from cryptoviz.alerting.runbook import runbook, sections
from cryptoviz.dashboards import DASHBOARDS
from cryptoviz.dashboards.style import DATA_SOURCE
from cryptoviz.local.grafana import NO_WEBHOOK

ROOT = Path(__file__).resolve().parents[4]
GUIDE = (ROOT / "docs" / "runbook.md").read_text()
FILES: dict[str, dict[str, Any]] = {name: yaml.safe_load(text) for name, text in alerting_files()}
(GROUP,) = FILES["rules.yaml"]["groups"]
(POLICY,) = FILES["policies.yaml"]["policies"]
EACH = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.uid)
WRITTEN = pytest.mark.parametrize("written", GROUP["rules"], ids=lambda written: written["uid"])
DURATION = re.compile(r"\d+[smh]")
VALUE = re.compile(r"\$values\.(\w+)")
LABEL = re.compile(r"\$labels\.(\w+)")
KEYS = {
    "uid", "title", "condition", "for", "keepFiringFor", "noDataState", "execErrState", "dashboardUid", "panelId",
    "labels", "annotations", "data",
}  # fmt: skip


def test_uids_and_titles_are_unique() -> None:
    for of in ("uid", "title"):
        found = [getattr(rule, of) for rule in RULES]
        assert len(found) == len(set(found))
    assert all(re.fullmatch(r"cryptoviz-[a-z-]{1,30}", rule.uid) for rule in RULES)


@WRITTEN
def test_a_rule_is_what_grafana_expects(written: dict[str, Any]) -> None:
    assert set(written) == KEYS
    assert all(DURATION.fullmatch(written[name]) for name in ("for", "keepFiringFor"))
    assert written["noDataState"] in ("OK", "Alerting", "KeepLast")
    assert written["execErrState"] in ("OK", "Alerting", "KeepLast")
    assert "$" not in written["title"] + "".join(written["labels"].values()), "a variable of the environment"
    names = [entry["refId"] for entry in written["data"]]
    assert len(names) == len(set(names))
    assert written["condition"] in names
    for entry in written["data"]:
        assert entry["model"]["refId"] == entry["refId"]
        assert entry["relativeTimeRange"]["from"] > entry["relativeTimeRange"]["to"] == 0
        assert (entry["datasourceUid"], entry["model"]["datasource"]["uid"]) in (
            (DATA_SOURCE["uid"], DATA_SOURCE["uid"]), ("__expr__", "__expr__"),
        )  # fmt: skip


@WRITTEN
def test_what_is_asked_is_a_table_and_what_is_judged_is_mathematics(written: dict[str, Any]) -> None:
    *asked, judged = (entry["model"] for entry in written["data"])
    assert all((model["format"], model["queryType"]) == (1, "table") for model in asked)
    assert (judged["type"], judged["refId"]) == ("math", CONDITION)
    assert set(re.findall(r"\$(\w+)", judged["expression"])) <= {model["refId"] for model in asked}


@EACH
def test_messages_speak_of_figures_and_labels_that_there_are(rule: Rule) -> None:
    first = next(iter(rule.queries.values()))
    for text in (rule.summary, rule.description):
        assert set(VALUE.findall(text)) <= set(rule.queries)
        assert set(LABEL.findall(text)) <= set(first.texts)
        assert text.count("{{") == text.count("}}")
    assert set(LABEL.findall(rule.summary)) == set(first.texts) - {"topic"}, "the summary says which alert it is"
    assert VALUE.search(rule.summary + rule.description) or rule.on_error == "Alerting", "no figures where none come"


def test_one_rule_alone_tells_that_questions_are_not_answered() -> None:
    (told,) = [rule for rule in RULES if rule.on_error == "Alerting"]
    assert "$" not in told.summary + told.description
    assert {rule.on_error for rule in RULES if rule is not told} == {"KeepLast"}


@EACH
def test_queries_of_a_rule_have_the_same_labels_or_none(rule: Rule) -> None:
    first, *others = rule.queries.values()
    assert all(query.texts in (first.texts, ()) for query in others)


@EACH
def test_a_rule_leads_to_a_panel_that_draws_what_it_is_about(rule: Rule) -> None:
    assert rule.dashboard in DASHBOARDS
    assert rule.dashboard.panel_id(rule.panel) > 0


@WRITTEN
def test_a_rule_leads_to_its_section_of_the_runbook(written: dict[str, Any]) -> None:
    file, _, anchor = written["annotations"]["runbook"].partition("#")
    headings = re.findall(r"^## (.+)$", (ROOT / file).read_text(), re.MULTILINE)
    assert anchor in {heading.lower().replace(" ", "-") for heading in headings}
    number = re.fullmatch(rf"/d/{RUNBOOK}\?viewPanel=panel-(\d+)", written["annotations"]["runbook_url"])
    assert number is not None
    assert runbook(GUIDE, RULES).panel_id(written["title"]) == int(number[1])


def test_the_runbook_has_no_section_without_a_rule_and_each_says_what_it_should() -> None:
    assert set(sections(GUIDE)) == {rule.title for rule in RULES}
    for title, body in sections(GUIDE).items():
        assert [word for word in ("**Means.**", "**Look.**", "**Do.**") if word not in body] == [], title
        assert "](" not in body


def test_rules_are_in_the_folder_of_the_dashboards() -> None:
    provider = ROOT / "grafana" / "provisioning" / "dashboards" / "cryptoviz.yaml"
    assert {each["folder"] for each in yaml.safe_load(provider.read_text())["providers"]} == {GROUP["folder"], FOLDER}


def test_what_is_sent_where_refers_to_what_there_is() -> None:
    points = {point["name"] for point in FILES["contact-points.yaml"]["contactPoints"]}
    timings = {timing["name"] for timing in FILES["policies.yaml"]["muteTimes"]}
    templates = "".join(each["template"] for each in FILES["contact-points.yaml"]["templates"])

    def check(route: dict[str, Any]) -> None:
        assert route["receiver"] in points
        assert set(route.get("mute_time_intervals", ())) <= timings
        assert all(DURATION.fullmatch(value) for name, value in route.items() if name.endswith(("_wait", "_interval")))
        for inner in route.get("routes", ()):
            check(inner)

    check(POLICY)
    for point in FILES["contact-points.yaml"]["contactPoints"]:
        for receiver in point["receivers"]:
            used = re.findall(r'template "([\w.]+)"', str(receiver["settings"]))
            assert used
            assert all(f'define "{name}"' in templates for name in used)


def reached(address: str) -> list[dict[str, Any]]:
    """The routes, from the root on, of an alert of ours, where the webhook has this address."""
    labels = {"grafana_folder": FOLDER, "severity": "warning"}

    def takes(route: dict[str, Any]) -> bool:
        holds = {"=": lambda a, b: a == b, "!=": lambda a, b: a != b}
        wanted = [[*m[:2], m[2].replace("$CRYPTOVIZ_ALERT_WEBHOOK", address)] for m in route.get("object_matchers", ())]
        return all(holds[how](labels.get(name, ""), value) for name, how, value in wanted)

    path = [POLICY]
    while inner := next((route for route in path[-1].get("routes", ()) if takes(route)), None):
        path.append(inner)
    return path


def test_without_a_webhook_every_alert_is_muted_and_with_one_none() -> None:
    assert "mute_time_intervals" in reached(NO_WEBHOOK)[-1]
    assert not [route for route in reached("https://example.com/hook") if "mute_time_intervals" in route]
    (timing,) = FILES["policies.yaml"]["muteTimes"]
    (times,) = timing["time_intervals"][0]["times"]
    assert (times["start_time"], times["end_time"]) == ("00:00", "24:00")
    assert all(CLOCK.fullmatch(each) for each in times.values())
