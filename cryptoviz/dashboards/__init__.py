"""Grafana's dashboards as descriptions: what each shows and from which view; `make generate` writes them as JSON."""

from __future__ import annotations

from cryptoviz.dashboards.asset import ASSET
from cryptoviz.dashboards.dashboard import Dashboard
from cryptoviz.dashboards.home import HOME
from cryptoviz.dashboards.multi_source import MULTI_SOURCE
from cryptoviz.dashboards.pipeline import PIPELINE
from cryptoviz.dashboards.predictions import PREDICTIONS
from cryptoviz.dashboards.scoreboard import SCOREBOARD

DASHBOARDS: tuple[Dashboard, ...] = (HOME, MULTI_SOURCE, ASSET, PREDICTIONS, SCOREBOARD, PIPELINE)
