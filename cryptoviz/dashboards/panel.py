"""The kinds of panels, each a function from what it shows to a `Panel`; where it lies is the dashboard's business."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from string import ascii_uppercase
from typing import Any

from cryptoviz.dashboards.query import Query, table
from cryptoviz.dashboards.style import DATA_SOURCE, NEUTRAL, TEXT, Json, nothing, thresholds

ABSENT = "–"  # noqa: RUF001
NO_DATA = "nothing in this period: choose a longer one, or see on Home whether prices come"


@dataclass(frozen=True)
class Panel:
    """One panel; `width` is out of 24, `height` in Grafana's rows of 30 pixels, `repeat` a variable's name."""

    kind: str
    title: str
    queries: tuple[Query, ...] = ()
    description: str = ""
    width: int = 12
    height: int = 8
    repeat: str = ""
    per_row: int = 2
    defaults: Json = field(default_factory=dict)
    options: Json = field(default_factory=dict)
    overrides: tuple[Json, ...] = ()
    transformations: tuple[Json, ...] = ()
    min_interval: str = ""
    max_points: int | None = None
    transparent: bool = False

    def sized(self, width: int, height: int) -> Panel:
        """The same panel in another size."""
        return replace(self, width=width, height=height)

    def json(self, number: int, x: int, y: int) -> Json:
        """The panel at this place, known by this number."""
        made: Json = {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "gridPos": {"x": x, "y": y, "w": self.width, "h": self.height},
            "transparent": self.transparent,
            "options": self.options,
            "fieldConfig": {"defaults": self.defaults, "overrides": list(self.overrides)},
        }
        if self.queries:
            made |= {"datasource": DATA_SOURCE, "targets": self._targets(), "interval": self.min_interval or None}
            made |= {"transformations": list(self.transformations), "maxDataPoints": self.max_points}
        if self.repeat:
            made |= {"repeat": self.repeat, "repeatDirection": "h", "maxPerRow": self.per_row}
        return {name: value for name, value in made.items() if value is not None}

    def _targets(self) -> list[Json]:
        return [query.target(ref) for ref, query in zip(ascii_uppercase, self.queries, strict=False)]


def text(title: str, markdown: str, **more: Any) -> Panel:
    """Words, in Markdown."""
    return Panel("text", title, options={"mode": "markdown", "content": markdown}, **more)


def stat(
    title: str, query: Query, *, unit: str = "", field: str = "", colours: Json | None = None,
    mappings: Sequence[Json] = (), graph: bool = False, **more: Any,
) -> Panel:  # fmt: skip
    """One figure, large; `field` names the column if there are several, `/.*/` shows all of them, texts as well."""
    more.setdefault("width", 4)
    more.setdefault("height", 4)
    defaults = {
        "unit": unit, "mappings": [*mappings, *nothing()], "thresholds": colours or thresholds(TEXT),
        "color": {"mode": "thresholds"}, "noValue": "no data", **more.pop("defaults", {}),
    }  # fmt: skip
    options = {
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": f"/^{field}$/" if field else "", "values": False},
        "colorMode": "value", "graphMode": "area" if graph else "none", "textMode": "value", "justifyMode": "auto",
        "orientation": "auto", **more.pop("options", {}),
    }  # fmt: skip
    return Panel("stat", title, (query,), defaults=defaults, options=options, **more)


def figures(title: str, query: Query, *columns: Json, **more: Any) -> Panel:
    """Several figures of one row, each below its name; on a narrow screen they go on below one another."""
    more.setdefault("height", 5)  # lower, and Grafana squeezes them all into one line on a telephone
    shown = {"textMode": "value_and_name", **more.pop("options", {})}
    return stat(title, query, field=".*", overrides=columns, options=shown, **more)


def chart(
    title: str, *queries: Query, unit: str = "", name: str = "", custom: Mapping[str, Any] | None = None, **more: Any
) -> Panel:
    """Lines over time; `name` names them, as `${__field.labels.asset}`; `custom` is how they are drawn."""
    defaults = {
        "unit": unit, "color": {"mode": "palette-classic"}, "mappings": nothing(ABSENT), "noValue": NO_DATA,
        "custom": {
            "drawStyle": "line", "lineWidth": 1, "fillOpacity": 0, "showPoints": "auto", "pointSize": 3,
            "lineInterpolation": "linear", "spanNulls": 600_000, "axisPlacement": "auto", "axisSoftMin": None,
            "scaleDistribution": {"type": "linear"}, "gradientMode": "none", **(custom or {}),
        },
        **({"displayName": name} if name else {}), **more.pop("defaults", {}),
    }  # fmt: skip
    defaults["custom"] = {key: value for key, value in defaults["custom"].items() if value is not None}
    options = {
        "tooltip": {"mode": "multi", "sort": "desc"},
        "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []},
        **more.pop("options", {}),
    }  # fmt: skip
    return Panel("timeseries", title, queries, defaults=defaults, options=options, **more)


def rows(title: str, *queries: Query, sort: str = "", descending: bool = True, **more: Any) -> Panel:
    """A table; `sort` is the column, by its display name, that orders it at first."""
    # Columns without a width share what there is, but never get less than `minWidth`; a filter's button would take the
    # room of a third of a heading.
    defaults = {
        "custom": {"cellOptions": {"type": "auto"}, "filterable": False, "minWidth": 72, "wrapHeaderText": True},
        "mappings": nothing(ABSENT), "noValue": "nothing in this period", **more.pop("defaults", {}),
    }  # fmt: skip
    options = {
        "showHeader": True, "cellHeight": "sm", "footer": {"show": False},
        "sortBy": [{"displayName": sort, "desc": descending}] if sort else [], **more.pop("options", {}),
    }  # fmt: skip
    return Panel("table", title, queries, defaults=defaults, options=options, **more)


def candles(title: str, *queries: Query, unit: str = "", up: str, down: str, **more: Any) -> Panel:
    """Candles from the columns open, high, low, close and volume; what else there is becomes lines."""
    defaults = {
        "unit": unit, "color": {"mode": "palette-classic"}, "mappings": nothing(ABSENT), "noValue": NO_DATA,
        "custom": {"lineWidth": 1, "fillOpacity": 0, "showPoints": "never", **more.pop("custom", {})},
    }  # fmt: skip
    options = {
        "mode": "candles+volume", "candleStyle": "candles", "colorStrategy": "open-close", "includeAllFields": True,
        "colors": {"up": up, "down": down, "flat": NEUTRAL}, "tooltip": {"mode": "multi", "sort": "none"},
        "fields": {name: name for name in ("open", "high", "low", "close", "volume")},
        "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []},
        **more.pop("options", {}),
    }  # fmt: skip
    return Panel("candlestick", title, queries, defaults=defaults | more.pop("defaults", {}), options=options, **more)


def with_decimals(panel: Panel, asset_is: str) -> Panel:
    """The panel with as many decimals as the price of its one asset needs; `asset_is` says in SQL which that is."""
    asked = table(f"SELECT decimals FROM v_decimals WHERE asset {asset_is} LIMIT 1", numbers=("decimals",))
    mapping = {"fieldName": "decimals", "handlerKey": "decimals", "reducerId": "lastNotNull"}
    settle = transform("configFromData", configRefId=ascii_uppercase[len(panel.queries)], mappings=[mapping])
    return replace(panel, queries=(*panel.queries, asked), transformations=(*panel.transformations, settle))


def override(field: str, properties: Json) -> Json:
    """How one field is shown, by its name, or by a pattern written between slashes."""
    matcher = "byRegexp" if field.startswith("/") else "byName"
    return {
        "matcher": {"id": matcher, "options": field},
        "properties": [{"id": name, "value": value} for name, value in properties.items()],
    }


def column(field: str, title: str = "", unit: str = "", **properties: Any) -> Json:
    """How a column or figure is called and shown; `width` in pixels, `cell` its kind, the rest as Grafana has it."""
    named: Json = {"displayName": title} if title else {}
    named |= {"unit": unit} if unit else {}
    named |= {"custom.width": properties.pop("width")} if "width" in properties else {}
    named |= {"custom.cellOptions": {"type": properties.pop("cell")}} if "cell" in properties else {}
    named |= {"mappings": [*properties.pop("mappings"), *nothing(ABSENT)]} if "mappings" in properties else {}
    return override(field, named | properties | {"noValue": ABSENT})  # of a time Grafana maps nothing


def drawn(title: str, colour: str, *, dashed: bool = False) -> Json:
    """Properties of a line: what it is called and its colour."""
    dashes = {"custom.lineStyle": {"fill": "dash", "dash": [4, 4]}} if dashed else {}
    return {"displayName": title, "color": {"mode": "fixed", "fixedColor": colour}, **dashes}


def coloured(colours: Mapping[str, str]) -> tuple[Json, ...]:
    """Fixed colours for lines by a word of their name, such as a source or an asset."""
    return tuple(
        override(f"/\\b{word}\\b/", {"color": {"mode": "fixed", "fixedColor": colour}})
        for word, colour in colours.items()
    )


def transform(name: str, **options: Any) -> Json:
    """One of Grafana's transformations of what the queries answered."""
    return {"id": name, "options": options}
