"""A limit of time for statements that read: the engine ends what takes longer, and the caller gets a named error."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Generic, TypeVar

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
    outcome: _Outcome[T] = _Outcome(work)
    try:
        runner = _idle.pop()
    except IndexError:
        runner = _Runner()
    runner.outcomes.put(outcome)
    try:
        outcome.ended.wait(seconds)
    except KeyboardInterrupt:
        end()
        raise
    until = time.monotonic() + GRACE_SECONDS
    while not outcome.ended.is_set():
        if time.monotonic() > until:
            stop = "stop the engine: atlas-db store stop"
            raise time_limit_error(seconds, "and the engine cannot end it", stop)
        end()
        outcome.ended.wait(AGAIN_SECONDS)
    return outcome.result()


class _Outcome(Generic[T]):
    """What work gave, or how it failed.

    Args:
        work: Runs a statement and returns what it answers.

    Attributes:
        ended: Set when it is known.
    """

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self.ended = threading.Event()
        self._found: list[T] = []
        self._error: BaseException | None = None

    def run(self) -> None:
        """Do the work, in a thread that may be left behind."""
        try:
            self._found.append(self._work())
        except BaseException as error:  # noqa: BLE001 - the caller raises it
            self._error = error
        self.ended.set()

    def result(self) -> T:
        """Return what the work gave, or raise its error."""
        if self._error is not None:
            raise self._error
        return self._found[0]


class _Runner(threading.Thread):
    """A thread that runs one statement after the other, since starting one for each takes as long as a short statement.

    It is a daemon, which an executor's thread is not: one that cannot be ended must not keep the process alive.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.outcomes: queue.SimpleQueue[_Outcome[Any]] = queue.SimpleQueue()
        self.start()

    def run(self) -> None:
        while True:
            self.outcomes.get().run()
            _idle.append(self)


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
