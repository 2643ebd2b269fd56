"""The files Grafana provisions its alerts from: the rules, whom they are sent to, and how that reads."""

from __future__ import annotations

import re
from collections.abc import Iterator

import yaml

from cryptoviz.alerting.rule import Rule
from cryptoviz.alerting.rules import RULES
from cryptoviz.dashboards.style import Json

FOLDER = "CryptoViz"  # that of the dashboards
INTERVAL = "1m"
HEAD = "# Written by `make generate` from cryptoviz/alerting/: change it there.\n"
CLOCK = re.compile(r"\d+:\d+")  # would be a number of minutes to some readers of YAML
WEBHOOK, ALWAYS = "cryptoviz webhook", "cryptoviz always"
ADDRESS = "$CRYPTOVIZ_ALERT_WEBHOOK"
TITLE = """{{ define "cryptoviz.title" -}}
{{ if eq .Status "firing" }}{{ .CommonLabels.severity }}{{ else }}over{{ end }}: {{ .CommonLabels.alertname }}
{{- end }}"""
MESSAGE = """{{ define "cryptoviz.message" -}}
{{ range .Alerts }}{{ if ne .Status "firing" }}over: {{ end }}{{ .Annotations.summary }}
{{ end }}{{ end }}"""


def alerting_files(rules: tuple[Rule, ...] = RULES) -> Iterator[tuple[str, str]]:
    """(file name, content) of each."""
    yield "rules.yaml", _text(groups=[_group(rules)])
    yield "contact-points.yaml", _text(contactPoints=[_contact_point()], templates=_templates())
    yield "policies.yaml", _text(policies=[_policy()], muteTimes=[_always()])


class _Dumper(yaml.SafeDumper):
    """Says everything where it belongs, and texts of several lines as such."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def _string(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else '"' if CLOCK.fullmatch(value) else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style)


_Dumper.add_representer(str, _string)


def _text(**content: object) -> str:
    return HEAD + yaml.dump({"apiVersion": 1, **content}, Dumper=_Dumper, sort_keys=False, width=120)


def _group(rules: tuple[Rule, ...]) -> Json:
    return {
        "orgId": 1, "name": "cryptoviz", "folder": FOLDER, "interval": INTERVAL,
        "rules": [rule.json(number) for number, rule in enumerate(rules, 1)],
    }  # fmt: skip


def _contact_point() -> Json:
    settings = {
        "url": ADDRESS, "httpMethod": "POST",
        # Unlike the address, Grafana shows this to nobody; empty, it is left out.
        "authorization_scheme": "Bearer", "authorization_credentials": "$CRYPTOVIZ_ALERT_WEBHOOK_TOKEN",
        "title": '{{ template "cryptoviz.title" . }}', "message": '{{ template "cryptoviz.message" . }}',
    }  # fmt: skip
    receiver = {"uid": "cryptoviz-webhook", "type": "webhook", "settings": settings}
    return {"orgId": 1, "name": WEBHOOK, "receivers": [receiver]}


def _templates() -> list[Json]:
    return [{"orgId": 1, "name": "cryptoviz", "template": f"{TITLE}\n{MESSAGE}"}]


def _policy() -> Json:
    """One message per rule, whatever the number of its alerts, or none where no webhook is set.

    Grafana knows neither a contact point that is silent nor one without an address, but it puts variables into
    policies: an alert goes to the webhook unless its folder has the name of the address, and else it is muted.
    """
    ours = [["grafana_folder", "=", FOLDER], ["grafana_folder", "!=", ADDRESS]]
    to_webhook = {"receiver": WEBHOOK, "object_matchers": ours}
    soon = {"receiver": WEBHOOK, "object_matchers": [["severity", "=", "critical"]], "group_wait": "10s"}
    news = {"receiver": WEBHOOK, "object_matchers": [["severity", "=", "info"]], "repeat_interval": "24h"}
    return {
        "orgId": 1, "receiver": WEBHOOK, "group_by": ["grafana_folder", "alertname"],
        "group_wait": "30s", "group_interval": "5m", "repeat_interval": "4h",
        "routes": [to_webhook | {"routes": [soon, news]}, {"receiver": WEBHOOK, "mute_time_intervals": [ALWAYS]}],
    }  # fmt: skip


def _always() -> Json:
    return {"orgId": 1, "name": ALWAYS, "time_intervals": [{"times": [{"start_time": "00:00", "end_time": "24:00"}]}]}
