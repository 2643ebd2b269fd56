"""Data to and from the engine through pipes, which have file names: a SELECT's answer, and the rows of an INSERT.

chDB itself streams an answer only block by block, which suits formats like TabSeparated, and builds any other in memory
where no limit of the engine counts it. But it writes `INTO OUTFILE` as it goes: every format, in constant memory.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
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


@contextmanager
def out_of_pipe(data: memoryview) -> Iterator[str]:
    """The name of a file that can be read once and holds `data`."""
    read_end, write_end = os.pipe()
    # An engine that finds fault with the data or the statement does not read to the end: then the pipe breaks.
    writer = threading.Thread(target=_write, args=(data, write_end), name="clickhouse-pipe", daemon=True)
    writer.start()
    try:
        yield f"/dev/fd/{read_end}"
    finally:
        os.close(read_end)
        writer.join()


def _write(data: memoryview, write_end: int) -> None:
    with suppress(BrokenPipeError), os.fdopen(write_end, "wb") as pipe:
        pipe.write(data)
