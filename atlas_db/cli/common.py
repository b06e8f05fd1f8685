"""Shared by all commands: options, the open store, progress bars, and errors as messages and exit codes."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ParamSpec

import typer

from atlas_db.cli.invocation import STORE_VARIABLE, as_typed
from atlas_db.cli.output import Format, drop_output, errors, write_json
from atlas_db.cli.progress import shown_progress as shown_progress
from atlas_db.cli.values import model_ids
from atlas_db.core.errors import AtlasError
from atlas_db.core.files import printable, reason_of
from atlas_db.core.settings import Settings, load_settings

if TYPE_CHECKING:
    from atlas_db.store.bolt import Store

P = ParamSpec("P")
_PATH_ERRORS = (FileNotFoundError, FileExistsError, NotADirectoryError, IsADirectoryError, PermissionError)

StoreOption = Annotated[
    str | None,
    typer.Option(
        "--store",
        help="local[:DIR], neo4j-local[:DIR], bolt://HOST:PORT, neo4j+s://HOST, or a snapshot's FILE.parquet.",
        envvar=STORE_VARIABLE,
        show_default="local",
    ),
]
FormatOption = Annotated[Format, typer.Option("--format", help="Format of the output.")]


def _without_rows(form: Format) -> Format:
    if form.is_rows:
        raise typer.BadParameter(f"'{form}' is for verbs with rows: use human, json or quiet")
    return form


def _model_id(text: str) -> str:
    """Return the id that an argument names. What reads it is imported on demand."""
    from atlas_db.claims.repository_ids import requested_id

    return requested_id(text)


ModelArgument = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="Model id: owner/name, or hf://owner/name.",
        show_default=False,
        parser=_model_id,
        autocompletion=model_ids,
    ),
]
"""The id of a model in the atlas."""


ReportFormatOption = Annotated[
    Format,
    typer.Option("--format", help="human, json or quiet.", metavar="[human|json|quiet]", callback=_without_rows),
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
    DECIDE = 6
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

    _announce_start(settings, to_read=to_read)
    store = open_atlas(settings, to_read=to_read)
    with store:
        yield store


def _announce_start(settings: Settings, *, to_read: bool) -> None:
    """Announce that a local engine starts, where none runs: that takes seconds."""
    from atlas_db.snapshot.opening import is_snapshot
    from atlas_db.store.connect import local_place
    from atlas_db.store.managed_engine import is_owned

    place = None if is_snapshot(settings) else local_place(settings)
    if place is not None and not is_owned(place[1]) and (place[1].exists() or not to_read):
        sys.stderr.write(f"Starting the {'local' if place[0].name == 'local' else place[0].name} engine…\n")
        sys.stderr.flush()


def guarded(verb: Callable[P, None]) -> Callable[P, None]:
    """Turn the errors of a command into a message with a remedy, and into an exit code."""

    @wraps(verb)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        form = kwargs.get("form", Format.HUMAN)
        try:
            try:
                verb(*args, **kwargs)
            finally:
                sys.stdout.flush()
        except AtlasError as error:
            if form is Format.JSON:
                write_json({"error": type(error).__name__, "message": error.message, "hint": as_typed(error.hint)})
            errors().print(f"Error: {error.message}.", style="red", markup=False, soft_wrap=True)
            if error.hint:
                errors().print(f"  {as_typed(error.hint)}", markup=False, soft_wrap=True)
            raise typer.Exit(error.exit_code) from error
        except BrokenPipeError as error:
            # Whoever reads has enough, as `head` has. A verdict that was on its way out stays the exit code.
            drop_output()
            ended = error.__context__
            raise typer.Exit(ended.exit_code if isinstance(ended, typer.Exit) else Exit.FINE) from error
        except OSError as error:
            raise typer.Exit(_print_refusal(error)) from error
        except KeyboardInterrupt as error:
            errors().print("Stopped. Committed changes are kept: run the same command again to continue.", markup=False)
            raise typer.Exit(130) from error

    return run


def _print_refusal(error: OSError) -> int:
    """Print what the operating system refused and what to do; return the exit code."""
    if isinstance(error, _PATH_ERRORS) or error.errno == errno.ENAMETOOLONG:
        path = printable(str(error.filename or "a file").removesuffix(".part"))
        errors().print(f"Error: {path}: {reason_of(error)}.", style="red", markup=False, soft_wrap=True)
        errors().print("  Check the path, and who may read and write there", markup=False)
        return Exit.INPUT
    # A full disk or a lost mount, met while writing undo files, rejects or pages.
    errors().print(f"Error: {error}.", style="red", markup=False, soft_wrap=True)
    errors().print("  Free space or repair the file, then run the same command again: it continues.", markup=False)
    return Exit.STORE


def home_of(settings: Settings) -> Path:
    """Return the home folder; it is created where it is missing."""
    settings.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    return settings.home
