"""Grafana's dashboards as descriptions: what each shows and from which view; `make generate` writes them as JSON."""

from __future__ import annotations

from cryptoviz.dashboards.dashboard import Dashboard
from cryptoviz.dashboards.home import HOME

DASHBOARDS: tuple[Dashboard, ...] = (HOME,)
