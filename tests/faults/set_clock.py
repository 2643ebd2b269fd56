"""Runs `cryptoviz ...` on a machine whose clock is wrong by as many seconds as the file of the first argument says."""

from __future__ import annotations

import sys
import time
from pathlib import Path

if __name__ == "__main__":
    wrong_by, right_ns = Path(sys.argv.pop(1)), time.time_ns
    time.time_ns = lambda: right_ns() + int(float(wrong_by.read_text()) * 1e9)

    from cryptoviz.cli import main  # only now, because its parts take the clock with them when they are imported

    main()
