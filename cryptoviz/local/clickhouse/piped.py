"""A SELECT's answer through a pipe: streams every format, also those with a head and a foot, in constant memory.

chDB itself streams only block by block, which suits formats like TabSeparated, and builds any other answer in memory
where no limit of the engine counts it. But it writes `INTO OUTFILE` as it goes, and a pipe has a file name.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator
from typing import Any

CHUNK_BYTES = 1 << 20

Node = dict[str, Any]


def into_pipe(tree: Node, write_end: int, output: str) -> Node:
    """The tree of the same SELECT, writing to an open file descriptor in format `output`."""
    target = {"type": "Literal", "value": {"field_type": "String", "value": f"/dev/fd/{write_end}"}}
    # Appending keeps the engine from refusing a file that exists.
    return tree | {
        "out_file": target,
        "is_outfile_append": True,
        "format_ast": {"type": "Identifier", "name": output},
    }


def read_while(run: Callable[[], None], read_end: int, write_end: int) -> Generator[bytes, None, None]:
    """Yield what `run`, in a thread, writes to the pipe; afterwards raise what it raised. Closes both ends.

    When the generator is closed early, `run` finds the pipe broken at its next write, and is waited for.
    """
    errors: list[BaseException] = []

    def work() -> None:
        try:
            run()
        except BaseException as error:
            errors.append(error)
        finally:
            os.close(write_end)

    worker = threading.Thread(target=work, name="clickhouse-pipe", daemon=True)
    worker.start()
    try:
        while chunk := os.read(read_end, CHUNK_BYTES):
            yield chunk
    finally:
        os.close(read_end)
        worker.join()
    if errors:
        raise errors[0]
