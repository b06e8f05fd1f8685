"""Progress on standard error: bars on a terminal, a line every ten seconds in a log."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from atlas_db.cli.output import errors, progress_bar

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

LOG_SECONDS = 10.0
"""Seconds between two lines of progress where there is no terminal."""


class Bars:
    """Progress bars, one a stage; bars of finished stages are removed."""

    def __init__(self, bar: Progress) -> None:
        self._bar = bar
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Show the progress of a stage. Its parts, named after a colon, share one bar."""
        name = stage.partition(":")[0]
        if name not in self._tasks:
            over = {task.id for task in self._bar.tasks if task.finished or task.total is None}
            self._drop([each for each, task in self._tasks.items() if task in over])
            self._tasks[name] = self._bar.add_task(stage, total=total or None)
        self._bar.update(self._tasks[name], description=stage, completed=done, total=total or None)

    def begin(self, stage: str) -> None:
        """Show the bar of a stage, and remove all others."""
        self._drop(list(self._tasks))
        self(stage, 0, 0)

    def _drop(self, stages: list[str]) -> None:
        for stage in stages:
            self._bar.remove_task(self._tasks.pop(stage))


class LogLines:
    """Lines of progress for a log, as a context manager: none for short work, then one every few seconds.

    A thread of its own prints them, so that work without news is seen to go on.

    Args:
        seconds: Seconds between two lines.
    """

    def __init__(self, seconds: float = LOG_SECONDS) -> None:
        self._seconds = seconds
        self._stage, self._done, self._total = "", 0, 0
        self._begun = self._started = time.monotonic()
        self._over = threading.Event()
        self._printer = threading.Thread(target=self._print, daemon=True)

    def __enter__(self) -> LogLines:
        self._printer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._printer.join()

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Note the progress of a stage."""
        if stage.partition(":")[0] != self._stage.partition(":")[0]:
            self._begun = time.monotonic()
        self._stage, self._done, self._total = stage, done, total

    def begin(self, stage: str) -> None:
        """Note that a stage begins."""
        self(stage, 0, 0)

    def line(self) -> str:
        """Return the line for now: stage, share, counts, time left or time passed."""
        now = time.monotonic()
        parts = [self._stage or "working"]
        if self._total and self._done:
            left = (now - self._begun) * max(0, self._total - self._done) / self._done
            parts.append(f"{self._done / self._total:.0%} ({self._done:,} of {self._total:,}), {_clock(left)} left")
        elif self._done:
            parts.append(f"{self._done:,}")
        return f"{': '.join(parts)}, {_clock(now - self._started)} passed"

    def _print(self) -> None:
        while not self._over.wait(self._seconds):
            errors().print(self.line(), markup=False, soft_wrap=True)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


@contextmanager
def shown_progress() -> Iterator[Bars | LogLines]:
    """Yield a listener for progress, which shows it on standard error."""
    if errors().is_interactive:
        with progress_bar() as bar:
            yield Bars(bar)
    else:
        with LogLines() as lines:
            yield lines
