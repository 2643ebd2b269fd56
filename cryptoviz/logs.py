"""Logging of every part: one line per event on stderr, UTC, with the level and the format from the settings."""

from __future__ import annotations

import logging.config
import re
import time
from collections.abc import Callable
from typing import Any

import orjson

CHATTY = ("aiokafka", "asyncio", "aiohttp.access", "faust", "mode")
ALARMIST = ("urllib3", "clickhouse_connect")  # they log every vain attempt, and raise it as well
REPEATING = ("aiokafka", "cryptoviz.kafka", "processors.sink")  # 90 lines a second in an outage, a line per bad message
REPEATED_AFTER_S = 60.0
MOST_KINDS = 1_000
_VARYING = re.compile(r"\d+")


class Repeats(logging.Filter):
    """Lets a line of those that repeat pass once a minute, with the number of those like it that were held back."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now_s = now_s
        self._passed: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the line is to be written; lines that differ in numbers alone are the same."""
        if not record.name.startswith(REPEATING):
            return True
        text = record.getMessage()
        kind, now_s = (record.name, _VARYING.sub("", text)), self._now_s()
        passed_at, held = self._passed.get(kind, (float("-inf"), 0))
        if now_s - passed_at < REPEATED_AFTER_S:
            self._passed[kind] = (passed_at, held + 1)
            return False
        if held:
            record.msg, record.args = f"{text} (and {held} lines like it)", ()
        if len(self._passed) >= MOST_KINDS:
            self._passed.clear()
        self._passed[kind] = (now_s, 0)
        return True


class UtcFormatter(logging.Formatter):
    """Times in UTC with milliseconds, whatever the machine's zone."""

    converter = staticmethod(time.gmtime)
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"


class JsonFormatter(UtcFormatter):
    """One JSON object a line: time, level, logger, message, and exception where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """The line; text that is no Unicode comes with its faults escaped."""
        line = {
            "time": self.formatTime(record), "level": record.levelname, "logger": record.name,
            "message": record.getMessage(),
        }  # fmt: skip
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = self.formatException(record.exc_info)
        written = {name: text.encode(errors="backslashreplace").decode() for name, text in line.items()}
        return orjson.dumps(written).decode()


FORMATTERS: dict[str, dict[str, Any]] = {
    "text": {"()": UtcFormatter, "fmt": "%(asctime)s %(levelname)s %(name)s %(message)s"},
    "json": {"()": JsonFormatter},
}


def logging_config(level: str, form: str = "text") -> dict[str, Any]:
    """The configuration for `logging.config.dictConfig`; libraries that tell their life story only warn."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": FORMATTERS[form]},
        "filters": {"repeats": {"()": Repeats}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line", "filters": ["repeats"]}},
        "root": {"level": level.upper(), "handlers": ["stderr"]},
        "loggers": {name: {"level": "WARNING"} for name in CHATTY} | {name: {"level": "ERROR"} for name in ALARMIST},
    }


def configure_logging(level: str, form: str = "text") -> None:
    """Send everything to stderr in one format, text or json; call once, from the command."""
    logging.config.dictConfig(logging_config(level, form))


def speaks_json() -> bool:
    """Whether this process's logs are JSON, so that its last words should be, too."""
    return any(isinstance(handler.formatter, JsonFormatter) for handler in logging.getLogger().handlers)
