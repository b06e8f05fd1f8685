"""`atlas-db`: all commands. A command imports what it needs when it runs, and no other command."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import Annotated

import typer

import atlas_db
from atlas_db.cli.common import Exit
from atlas_db.cli.crash_report import CrashReport
from atlas_db.cli.invocation import VERBS
from atlas_db.cli.light_driver import hide_optional_libraries
from atlas_db.cli.output import drop_output, errors, print_text
from atlas_db.cli.panels import PanelGroup
from atlas_db.core.files import reason_of

EPILOG = """Exit codes: 0 fine, 1 findings, 2 usage, 3 input, 4 store, 5 the atlas lacks records that the
audit needs, 6 the gate asks a person, 70 a fault of this program. A load that set bad items aside exits 0 and
reports them; 3 only when nothing was readable."""

ON_WINDOWS = """Error: atlas-db does not run on Windows itself: its local engine needs POSIX processes.
  Run it in WSL (wsl --install; then install atlas-db there), or in the container:
  docker build -f docker/Dockerfile -t atlas-db . && docker run --rm -v atlas:/home/atlas/data atlas-db demo"""


def _print_version(wanted: bool) -> None:
    if wanted:
        print_text(atlas_db.__version__)
        raise typer.Exit


def _options(
    _: Annotated[
        bool, typer.Option("--version", "-V", is_eager=True, callback=_print_version, help="Print the version.")
    ] = False,
) -> None:
    """Handle the options before the command."""


def application(verbs: Sequence[str] = VERBS) -> typer.Typer:
    """Return the command line with some commands, all by default."""
    made = typer.Typer(
        name="atlas-db",
        cls=PanelGroup,
        help="An atlas of the world's machine-learning models as a graph you can query.",
        epilog=EPILOG,
        no_args_is_help=True,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    made.callback()(_options)
    for verb in verbs:
        module = import_module(f"atlas_db.cli.{verb}")
        if hasattr(module, "app"):
            made.add_typer(module.app, name=verb)
        else:
            made.command(verb, help=module.HELP)(getattr(module, verb))
    return made


def _wanted() -> Sequence[str]:
    """Return the command that was called, where the first argument is one; else all, for help and suggestions."""
    return [sys.argv[1]] if len(sys.argv) > 1 and sys.argv[1] in VERBS else VERBS


def main() -> None:
    """Run the command line."""
    if sys.platform == "win32":
        sys.stderr.write(f"{ON_WINDOWS}\n")
        raise SystemExit(Exit.USAGE)
    hide_optional_libraries()
    with CrashReport():
        try:
            application(_wanted())()
        except SystemExit:
            # typer wraps the output where it met a broken pipe itself, as in --help
            if type(sys.stdout).__name__ != "PacifyFlushWrapper":
                with suppress(BrokenPipeError):
                    sys.stdout.flush()
                    raise
            # What is left could not be written: whoever read it has enough.
            drop_output()
            raise SystemExit(Exit.FINE) from None
        except OSError as error:  # commands name their own: this is output of --help and --version
            drop_output()
            errors().print(f"Error: {reason_of(error)}.", style="red", markup=False, soft_wrap=True)
            raise SystemExit(Exit.STORE) from error
