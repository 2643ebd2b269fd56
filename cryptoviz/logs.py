"""Logging of every part: one line per event on stderr, UTC, with the level from the settings."""

from __future__ import annotations

import logging.config
import time
from typing import Any

CHATTY = ("aiokafka", "asyncio", "aiohttp.access", "faust", "mode")
ALARMIST = ("urllib3", "clickhouse_connect")  # they log every vain attempt, and raise it as well


class UtcFormatter(logging.Formatter):
    """Times in UTC with milliseconds, whatever the machine's zone."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"


def logging_config(level: str) -> dict[str, Any]:
    """The configuration for `logging.config.dictConfig`; libraries that tell their life story only warn."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"()": UtcFormatter, "fmt": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"level": level.upper(), "handlers": ["stderr"]},
        "loggers": {name: {"level": "WARNING"} for name in CHATTY} | {name: {"level": "ERROR"} for name in ALARMIST},
    }


def configure_logging(level: str) -> None:
    """Send everything to stderr in one format; call once, from the command."""
    logging.config.dictConfig(logging_config(level))
