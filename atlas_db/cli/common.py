"""Shared by all commands: options, the open store, progress bars, and errors as messages and exit codes."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ParamSpec

import typer

from atlas_db.cli.output import Format, errors, progress_bar, write_json
from atlas_db.core.errors import AtlasError
from atlas_db.core.settings import Settings, load_settings

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from atlas_db.store.bolt import Store

P = ParamSpec("P")

StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        help="local[:DIR], neo4j-local[:DIR], bolt://HOST:PORT, neo4j+s://HOST, or a snapshot's FILE.parquet.",
        envvar="ATLAS_DB_STORE",
        show_default="local",
    ),
]
FormatOption = Annotated[Format, typer.Option("--format", help="human, json, quiet or csv.")]


def _without_csv(form: Format) -> Format:
    if form is Format.CSV:
        raise typer.BadParameter("'csv' is for verbs with rows: use human, json or quiet")
    return form


ReportFormatOption = Annotated[
    Format,
    typer.Option("--format", help="human, json or quiet.", metavar="[human|json|quiet]", callback=_without_csv),
]
"""Format of a verb that prints a report and no rows."""


class Exit:
    """Exit codes, documented in `atlas-db --help`."""

    FINE = 0
    FINDINGS = 1
    USAGE = 2
    INPUT = 3
    STORE = 4
    INCOMPLETE = 5
    CRASH = 70
    """A fault of this program: EX_SOFTWARE of sysexits.h."""


def settings_for(store: str | None) -> Settings:
    """Return the settings with the store given on the command line."""
    return load_settings(store=store)


@contextmanager
def opened(settings: Settings, *, to_read: bool = False) -> Iterator[Store]:
    """Open the store, or the snapshot, that the settings name.

    Args:
        settings: The settings.
        to_read: True where nothing will be written: no engine is started for a store that was never made.
    """
    from atlas_db.snapshot.opening import open_atlas

    with errors().status(f"Opening {settings.store}") if errors().is_terminal else _nothing():
        store = open_atlas(settings, to_read=to_read)
    with store:
        yield store


@contextmanager
def _nothing() -> Iterator[None]:
    yield


class Bars:
    """Progress bars on standard error, one a stage; bars of finished stages are removed."""

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


@contextmanager
def shown_progress() -> Iterator[Bars]:
    """Yield progress bars on standard error."""
    with progress_bar() as bar:
        yield Bars(bar)


def guarded(verb: Callable[P, None]) -> Callable[P, None]:
    """Turn the errors of a command into a message with a remedy, and into an exit code."""

    @wraps(verb)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        form = kwargs.get("form", Format.HUMAN)
        try:
            verb(*args, **kwargs)
        except AtlasError as error:
            if form is Format.JSON:
                write_json({"error": type(error).__name__, "message": error.message, "hint": error.hint})
            errors().print(f"Error: {error.message}.", style="red", markup=False, soft_wrap=True)
            if error.hint:
                errors().print(f"  {error.hint}", markup=False, soft_wrap=True)
            raise typer.Exit(error.exit_code) from error
        except BrokenPipeError as error:
            sys.stderr.close()
            raise typer.Exit(Exit.FINE) from error
        except OSError as error:
            # A full disk or a lost mount, met while writing undo files, rejects or pages.
            errors().print(f"Error: {error}.", style="red", markup=False, soft_wrap=True)
            errors().print(
                "  Free space or repair the file, then run the same command again: it continues.", markup=False
            )
            raise typer.Exit(Exit.STORE) from error
        except KeyboardInterrupt as error:
            errors().print("Stopped. Committed changes are kept: run the same command again to continue.", markup=False)
            raise typer.Exit(130) from error

    return run


def home_of(settings: Settings) -> Path:
    """Return the home folder; it is created where it is missing."""
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    return settings.home
