"""Rows of Parquet files, from worker processes with bounded memory and time. All files of a run share them."""

from __future__ import annotations

import atexit
import os
import subprocess
import sys
from collections.abc import Iterator
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Lock

import msgspec

import ingest
from atlas_db.core.errors import RecordError
from ingest.hub.hub_row import Notes
from ingest.hub.parquet_files import row_worker
from ingest.hub.parquet_files.row_worker import END, ERROR, ROWS

MAX_MEMORY = 2 * 2**30
"""Bytes that a worker may take for a file."""
MAX_SECONDS = 120.0
"""Seconds that some rows may take."""
MAX_ANSWER = 66 * 2**20
"""Bytes of one answer: a block that is nearly full, and one more row of 32 MiB with what JSON adds."""
_BLOCK = msgspec.json.Decoder(list[tuple[msgspec.Raw, list[tuple[str, str]]]])
_TOO_LONG = b"null"
_PROGRAM = f"import sys; sys.path.append(sys.argv.pop(1)); from {row_worker.__name__} import main; main()"
"""The package is found where this process found it. No file of the working directory takes its place."""

_idle: list[_Worker] = []
_lock = Lock()


class _Worker:
    """A process of `row_worker`, and the connection to it."""

    def __init__(self) -> None:
        ours, theirs = Pipe()
        self._connection: Connection = ours
        root = str(Path(ingest.__path__[0]).parent)
        # The allocator of the system takes no address space in advance.
        environment = os.environ | {"ARROW_DEFAULT_MEMORY_POOL": "system"}
        words = [sys.executable, "-P", "-c", _PROGRAM, root, str(theirs.fileno()), str(MAX_MEMORY)]
        with theirs:
            self._process = subprocess.Popen(
                words, pass_fds=[theirs.fileno()], env=environment,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip

    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def request(self, path: Path) -> None:
        """Request the rows of a file."""
        self._connection.send_bytes(str(path.absolute()).encode())

    def answer(self) -> bytes:
        """Return the next answer.

        Raises:
            EOFError, OSError: The process has ended.
            TimeoutError: It takes too long.
        """
        if not self._connection.poll(MAX_SECONDS):
            raise TimeoutError
        return self._connection.recv_bytes(MAX_ANSWER)

    def end(self) -> None:
        """End the process, whatever it does."""
        self._connection.close()
        self._process.kill()
        self._process.wait()


def _taken() -> _Worker:
    """Return a worker that nobody else has."""
    with _lock:
        while _idle:
            worker = _idle.pop()
            if worker.is_alive():
                return worker
            worker.end()
    return _Worker()


def bounded_rows(path: Path) -> Iterator[tuple[bytes, Notes]]:
    """Yield each row as JSON text with notes on what was left out; the text of a row that is too long is empty.

    Raises:
        RecordError: The file, or the rest of it, cannot be read, or not within the bounds.
    """
    worker = _taken()
    is_done = False
    try:
        worker.request(path)
        while True:
            answer = worker.answer()
            if answer[:1] == ERROR:
                is_done = True
                raise RecordError(
                    f"the Parquet file is damaged ({answer[1:].decode(errors='replace')})", code="truncated_file"
                )
            if answer[:1] == END:
                is_done = True
                return
            for raw, notes in _BLOCK.decode(memoryview(answer)[len(ROWS) :]):
                text = bytes(raw)
                yield b"" if text == _TOO_LONG else text, notes
    except TimeoutError as error:
        raise RecordError(
            f"the Parquet file is not read: some rows take longer than {MAX_SECONDS:.0f} s", code="too_large"
        ) from error
    except (EOFError, OSError) as error:
        raise RecordError(
            "the Parquet file is not read: the process that decodes it ended", code="too_large"
        ) from error
    finally:
        # A worker in the middle of a file has answers that nobody waits for.
        if is_done:
            with _lock:
                _idle.append(worker)
        else:
            worker.end()


@atexit.register
def end_workers() -> None:
    """End the idle workers."""
    with _lock:
        while _idle:
            _idle.pop().end()
