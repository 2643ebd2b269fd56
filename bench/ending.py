"""SIGTERM ends a measurement as Ctrl-C does: the servers and engines it has started are ended on the way out."""

from __future__ import annotations

import signal
import sys

EXIT_CODE = 128 + signal.SIGTERM


def end_on_sigterm() -> None:
    """Let SIGTERM raise `SystemExit` in the main thread."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(EXIT_CODE))
