"""A dashboard: rows of panels, choices and marks, and how Grafana wants to have that written down."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

from cryptoviz.dashboards.panel import Panel
from cryptoviz.dashboards.query import Query
from cryptoviz.dashboards.style import (
    DATA_SOURCE,
    NAVIGATION,
    PREDICTIONS,
    REFRESH,
    REFRESHES,
    SCHEMA_VERSION,
    TAG,
    Json,
)
from cryptoviz.dashboards.variable import Variable

WIDTH = 24


@dataclass(frozen=True)
class Marks:
    """Events drawn over all charts: the query answers time, timeEnd (if they last), title, text and tags."""

    name: str
    query: Query
    colour: str
    shown: bool = True

    def json(self) -> Json:
        """What Grafana keeps of them."""
        return {
            "name": self.name, "enable": self.shown, "hide": False, "iconColor": self.colour,
            "datasource": DATA_SOURCE, "target": self.query.target("Anno"),
        }  # fmt: skip


@dataclass(frozen=True)
class Row:
    """Panels side by side, going on below when 24 are full; with a title it can be folded, and may start so."""

    title: str
    panels: tuple[Panel, ...]
    folded: bool = False


@dataclass(frozen=True)
class Asked:
    """A question of a dashboard, where it is asked, and the variable that has one value there, if it is repeated."""

    where: str
    query: Query
    repeat: str = ""


@dataclass(frozen=True)
class Dashboard:
    """One dashboard, known to bookmarks and links by its uid and to the folder by its file."""

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
    variables: tuple[Variable, ...] = ()
    marks: tuple[Marks, ...] = ()
    since: str = "now-6h"
    until: str = "now"
    refresh: str = REFRESH

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.uid.removeprefix('cryptoviz-')}.json"

    def panels(self) -> Iterator[Panel]:
        """Every panel, in order."""
        for row in self.rows:
            yield from row.panels

    def asked(self) -> Iterator[Asked]:
        """Everything it asks ClickHouse."""
        for variable in self.variables:
            if variable.query:
                yield Asked(f"variable {variable.name}", variable.query)
        for marks in self.marks:
            yield Asked(f"marks {marks.name}", marks.query)
        for panel in self.panels():
            yield from (Asked(panel.title, query, panel.repeat) for query in panel.queries)

    def panel_id(self, title: str) -> int:
        """The number of the panel of this title, for what links to it; raises `KeyError` if there is none."""
        return {panel["title"]: int(panel["id"]) for panel in _flat(self.json()["panels"])}[title]

    def json(self) -> Json:
        """The whole of it."""
        return {
            "id": None, "uid": self.uid, "title": self.title, "description": self.description, "tags": [TAG],
            "style": "dark", "timezone": "browser", "editable": False, "graphTooltip": 1, "liveNow": False,
            "schemaVersion": SCHEMA_VERSION, "refresh": self.refresh, "time": {"from": self.since, "to": self.until},
            "timepicker": {"refresh_intervals": list(REFRESHES)}, "weekStart": "", "fiscalYearStartMonth": 0,
            "templating": {"list": [variable.json() for variable in self.variables]},
            "annotations": {"list": [marks.json() for marks in self.marks]},
            "links": [*self._links()], "panels": _laid_out(self.rows),
        }  # fmt: skip

    def _links(self) -> Iterator[Json]:
        for uid, title in NAVIGATION.items():
            # Predictions goes ahead of now: its period is of no use elsewhere, nor any other's there.
            keeps = PREDICTIONS not in (uid, self.uid)
            if uid != self.uid:
                yield LINK | {"title": title, "url": f"/d/{uid}", "keepTime": keeps}

    def text(self) -> str:
        """Its file."""
        return json.dumps(self.json(), indent=2, ensure_ascii=False) + "\n"


LINK: Json = {
    "type": "link",
    "icon": "dashboard",
    "includeVars": True,
    "targetBlank": False,
    "asDropdown": False,
    "tags": [],
    "tooltip": "",
}


def _flat(panels: list[Json]) -> Iterator[Json]:
    for panel in panels:
        yield panel
        yield from panel.get("panels", ())


def _laid_out(rows: tuple[Row, ...]) -> list[Json]:
    """The panels with numbers and places; a folded row keeps its own inside of it."""
    made: list[Json] = []
    number, y = 1, 0
    for row in rows:
        placed, below = _placed(row, number + bool(row.title), y + bool(row.title))
        if row.title:
            head = {"id": number, "type": "row", "title": row.title, "collapsed": row.folded}
            inside = placed if row.folded else []
            made.append(head | {"gridPos": {"x": 0, "y": y, "w": WIDTH, "h": 1}, "panels": inside})
        made += [] if row.folded and row.title else placed
        number, y = number + bool(row.title) + len(row.panels), y + 1 if row.folded else below
    return made


def _placed(row: Row, number: int, top: int) -> tuple[list[Json], int]:
    """Each panel goes as far up, then as far left, as those before it leave room; a repeated one has its own line."""
    placed: list[Json] = []
    heights = [top] * WIDTH
    for panel in row.panels:
        wide = WIDTH // panel.per_row if panel.repeat else panel.width
        room = WIDTH if panel.repeat else wide
        x = min(range(WIDTH - room + 1), key=lambda left: (max(heights[left : left + room]), left))
        y = max(heights[x : x + room])
        heights[x : x + room] = [y + panel.height] * room
        placed.append(replace(panel, width=wide).json(number + len(placed), x, y))
    return placed, max(heights)
