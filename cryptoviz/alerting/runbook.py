"""The runbook as a dashboard, so that alerts can lead to it: a panel for each rule, from docs/runbook.md."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cryptoviz.alerting.rule import RUNBOOK, Rule
from cryptoviz.dashboards.dashboard import Dashboard, Row
from cryptoviz.dashboards.panel import Panel, text

SECTION = re.compile(r"^## (.+)\n", re.MULTILINE)
LINK = re.compile(r"\[([^]]+)\]\([^)]*\)")
HEADING_ROWS, ROWS_PER_LINE = 3, 0.8


def sections(markdown: str) -> dict[str, str]:
    """The text of each section by its title. Links within the repository lead nowhere in Grafana: their words stay."""
    _, *parts = SECTION.split(LINK.sub(r"\1", markdown))
    return {title: body.strip() for title, body in zip(parts[::2], parts[1::2], strict=True)}


def runbook(markdown: str, rules: Sequence[Rule]) -> Dashboard:
    """The dashboard: its nth panel is the section of the nth rule; raises `KeyError` for a rule without one."""
    told = sections(markdown)
    return Dashboard(
        RUNBOOK, "Runbook", "What each alert means, where to look and what to do: docs/runbook.md.",
        rows=(Row("", tuple(_panel(rule.title, told[rule.title]) for rule in rules)),), since="now-1h",
    )  # fmt: skip


def _panel(title: str, body: str) -> Panel:
    return text(title, body, width=24, height=HEADING_ROWS + round(len(body.splitlines()) * ROWS_PER_LINE))
