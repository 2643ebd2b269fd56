"""An alert rule: what is asked, what is compared, what people are told, and how Grafana wants that written down."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cryptoviz.dashboards.dashboard import Dashboard
from cryptoviz.dashboards.query import Query
from cryptoviz.dashboards.style import DATA_SOURCE, Json

Severity = Literal["critical", "warning", "info"]
OnNoData = Literal["OK", "Alerting", "KeepLast"]
OnError = Literal["OK", "Alerting", "KeepLast"]

EXPRESSION: Json = {"type": "__expr__", "uid": "__expr__"}
CONDITION = "alert"
RUNBOOK = "cryptoviz-runbook"  # the uid of a dashboard
WINDOW_S = 600  # Grafana wants a range for every query; ours bring their own times


@dataclass(frozen=True)
class Rule:
    """One rule. Each query answers one number per set of texts, which become the labels of an alert.

    `queries` by the names that `condition` and the messages call them by (`$age`, `{{ $values.age.Value }}`); those
    with the same labels belong together, one without labels belongs to all. `condition` is a term of Grafana's
    mathematics, true (not 0) for what is to be told. `pending` is how long it must stay true, `keep` how long it stays
    told after it is over, both as Grafana writes durations. `uid` is in links and silences: never change one.
    """

    uid: str
    title: str
    queries: dict[str, Query]
    condition: str
    severity: Severity
    summary: str
    description: str
    dashboard: Dashboard
    panel: str
    pending: str = "0s"
    keep: str = "0s"
    on_no_data: OnNoData = "OK"
    on_error: OnError = "KeepLast"

    @property
    def anchor(self) -> str:
        """Its section in docs/runbook.md, as links name it."""
        return self.title.lower().replace(" ", "-")

    def json(self, number: int) -> Json:
        """What Grafana's provisioning keeps of it; `number` is that of its panel in the runbook."""
        return {
            "uid": self.uid,
            "title": self.title,
            "condition": CONDITION,
            "for": self.pending,
            "keepFiringFor": self.keep,
            "noDataState": self.on_no_data,
            "execErrState": self.on_error,
            "dashboardUid": self.dashboard.uid,
            "panelId": self.dashboard.panel_id(self.panel),
            "labels": {"severity": self.severity},
            "annotations": {
                # The messages' link to the panel comes from these two, the panel's marks from those above.
                "__dashboardUid__": self.dashboard.uid,
                "__panelId__": str(self.dashboard.panel_id(self.panel)),
                "summary": self._said(self.summary),
                "description": self._said(self.description),
                # Relative, as Grafana's page of the rule shows it as it stands here, and would not link a template.
                "runbook_url": f"/d/{RUNBOOK}?viewPanel=panel-{number}",
                "runbook": f"docs/runbook.md#{self.anchor}",
            },
            "data": [*(_asked(name, query) for name, query in self.queries.items()), self._judged()],
        }

    def _said(self, text: str) -> str:
        """The text where there are figures: Grafana fills it in for what is well, too, and logs what it cannot."""
        first, said = next(iter(self.queries)), " ".join(text.split())
        return f"{{{{ if $values.{first} }}}}{said}{{{{ end }}}}" if "$values" in said else said

    def _judged(self) -> Json:
        model = {"refId": CONDITION, "type": "math", "expression": self.condition, "datasource": EXPRESSION}
        return _entry(CONDITION, str(EXPRESSION["uid"]), model)


def _asked(name: str, query: Query) -> Json:
    return _entry(name, str(DATA_SOURCE["uid"]), query.target(name) | {"intervalMs": 1000, "maxDataPoints": 1000})


def _entry(name: str, source: str, model: Json) -> Json:
    window = {"from": WINDOW_S, "to": 0}
    return {"refId": name, "datasourceUid": source, "relativeTimeRange": window, "model": model}
