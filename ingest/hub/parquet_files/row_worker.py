"""The process that decodes Parquet files. Its arguments are the descriptor of a connection, and bytes of memory.

A page of a Parquet file states by itself how large it gets, so a file of some kB can ask for any memory. pyarrow has no
bound on that. So it runs here, where the operating system bounds it, and a file that needs more costs itself alone.

Requests are paths. Answers are bytes that begin with their kind: rows as JSON, the end, or an error as text. Nothing is
pickled.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import msgspec

from ingest.hub.hub_row import Notes
from ingest.hub.parquet_files.parquet_rows import parquet_rows

ROWS, END, ERROR = b"r", b"e", b"x"
"""First byte of an answer."""
BLOCK_BYTES = 2**20
"""Bytes of rows from which they are sent."""
MAX_ROW = 32 * 2**20
"""Bytes of a row, at most, as of a line of JSON."""


def row_blocks(path: Path) -> Iterator[list[tuple[msgspec.Raw, Notes]]]:
    """Yield the rows of a file with their notes, in blocks; a row that is too long has no text."""
    block: list[tuple[msgspec.Raw, Notes]] = []
    size = 0
    for text, notes in parquet_rows(path):
        block.append((msgspec.Raw(text if len(text) <= MAX_ROW else b"null"), notes))
        size += len(block[-1][0])
        if size >= BLOCK_BYTES:
            yield block
            block, size = [], 0
    yield block


def serve(connection: Connection) -> None:
    """Answer requests until the other side closes the connection."""
    import pyarrow as pa

    encoder = msgspec.json.Encoder()
    while True:
        try:
            path = Path(connection.recv_bytes().decode())
        except EOFError:
            return
        try:
            for block in row_blocks(path):
                connection.send_bytes(ROWS + encoder.encode(block))
            answer = END
        except MemoryError:
            answer = ERROR + b"it needs too much memory"
        except (pa.ArrowException, OSError) as error:
            answer = ERROR + str(error).encode(errors="replace")
        connection.send_bytes(answer)


def bound_memory(more: int) -> None:
    """Let this process take so many bytes of address space more than it has. Only Linux keeps such a bound."""
    if sys.platform != "linux":
        return
    import resource

    import psutil

    limit = psutil.Process().memory_info().vms + more
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def main() -> None:
    """Serve the connection whose descriptor the arguments name."""
    import pyarrow as pa
    import pyarrow.parquet

    # Threads take address space that no file asked for.
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    # After an interrupt the other side ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    bound_memory(int(sys.argv[2]))
    serve(Connection(int(sys.argv[1])))
