"""Logging of every part: one line per event on stderr, UTC, with the level from the settings."""

from __future__ import annotations

import logging
import time


def configure_logging(level: str) -> None:
    """Send everything to stderr in one format; call once, from the command."""
    formatter = logging.Formatter("%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s %(message)s", "%Y-%m-%dT%H:%M:%S")
    formatter.converter = time.gmtime
    handler = logging.StreamHandler()
    handler.setFormatter(formatter)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for chatty in ("urllib3", "aiokafka", "asyncio", "aiohttp.access"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
