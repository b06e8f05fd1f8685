"""A limit of time for statements that read: the engine ends what takes longer, and the caller gets a named error."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from atlas_db.core.errors import TimeLimitError

T = TypeVar("T")
GRACE_SECONDS = 5.0
"""Seconds that an engine has to end a statement."""
AGAIN_SECONDS = 0.5
"""Seconds after which it is asked again: a busy engine may not have begun the statement yet."""
_applies: ContextVar[bool] = ContextVar("time_limit_applies", default=False)


@contextmanager
def limited_reads() -> Iterator[None]:
    """Give each statement that reads within the block, in this thread, the time limit of its store."""
    token = _applies.set(True)
    try:
        yield
    finally:
        _applies.reset(token)


def are_reads_limited() -> bool:
    """Return whether `limited_reads` is around the caller."""
    return _applies.get()


def run_limited(work: Callable[[], T], seconds: float, end: Callable[[], None]) -> T:
    """Run work in a thread, and have the engine end it where it takes too long, or where the user interrupts it.

    The caller always gets an answer: no engine can end what happens within one row, such as one long expression.

    Args:
        work: Runs a statement and returns what it answers.
        seconds: The time limit.
        end: Asks the engine to end the statement.

    Raises:
        TimeLimitError: The engine did not end it within `GRACE_SECONDS` more.
    """
    outcome: Future[T] = Future()
    try:
        runner = _idle.pop()
    except IndexError:
        runner = _Runner()
    runner.jobs.put((work, outcome))
    try:
        wait([outcome], seconds)
    except KeyboardInterrupt:
        end()
        raise
    until = time.monotonic() + GRACE_SECONDS
    while not outcome.done():
        if time.monotonic() > until:
            stop = "stop the engine: atlas-db store stop"
            raise time_limit_error(seconds, "and the engine cannot end it", stop)
        end()
        wait([outcome], AGAIN_SECONDS)
    return outcome.result()


class _Runner(threading.Thread):
    """A thread that runs one statement after the other, since starting one for each takes as long as a short statement.

    It is a daemon, which an executor's thread is not: one that cannot be ended must not keep the process alive.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.jobs: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = queue.SimpleQueue()
        self.start()

    def run(self) -> None:
        while True:
            _run_job(*self.jobs.get())
            _idle.append(self)


def _run_job(work: Callable[[], T], outcome: Future[T]) -> None:
    """Do some work for a caller who may have left. What it raises is the caller's to see, whatever it is."""
    try:
        outcome.set_result(work())
    except BaseException as error:  # noqa: BLE001 - nothing is swallowed: `result` raises it
        outcome.set_exception(error)


_idle: list[_Runner] = []
"""Threads that wait for a statement. Taking from a list and adding to it is atomic."""


def time_limit_error(seconds: float, outcome: str = "so the engine ended it", other: str = "") -> TimeLimitError:
    """Return the error of a statement that took longer than the limit.

    Args:
        seconds: The limit.
        outcome: What became of the statement.
        other: What else to do next.
    """
    more = f"; and {other}" if other else ""
    return TimeLimitError(
        f"the query took longer than {seconds:g} s, {outcome}",
        hint=f"Ask for less, such as one model, or allow more: ATLAS_DB_QUERY_SECONDS={max(10 * seconds, 1):g}, "
        f"0 for no limit{more}",
    )
