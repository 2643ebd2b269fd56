"""Grafana's alert rules as descriptions, and whom they are sent to; `make generate` writes the provisioning files."""

from __future__ import annotations

from cryptoviz.alerting.rule import Rule
from cryptoviz.alerting.rules import RULES

__all__ = ["RULES", "Rule"]
