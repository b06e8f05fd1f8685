"""`atlas-db store`: start, stop and show a local engine."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from atlas_db.cli.common import ReportFormatOption, StoreOption, guarded, opened, settings_for
from atlas_db.cli.output import Format, print_text, write_json, write_line
from atlas_db.core.errors import UsageError

if TYPE_CHECKING:
    from atlas_db.store.engines import Engine

HELP = """Start, stop and show a local engine. Any command starts it when needed; it stops by itself when idle.

Examples:

  atlas-db store status

  atlas-db store stop --store neo4j-local
"""
app = typer.Typer(help=HELP, no_args_is_help=True)


def _place(store: str | None) -> tuple[Engine, Path]:
    from atlas_db.store.connect import local_place

    settings = settings_for(store)
    place = local_place(settings)
    if place is None:
        raise UsageError(f"{settings.store} is not a local engine", hint="Use --store local or --store neo4j-local")
    return place


@app.command(help="Start the engine.\n\nExamples:\n\n  atlas-db store start\n")
@guarded
def start(store: StoreOption = None, form: ReportFormatOption = Format.HUMAN) -> None:
    """Start the engine."""
    _place(store)
    with opened(settings_for(store)) as graph:
        address = graph.address
    if form is Format.JSON:
        write_json({"running": True, "address": address})
    else:
        write_line(address)


@app.command(help="Stop the engine.\n\nExamples:\n\n  atlas-db store stop --store local:/data/atlas\n")
@guarded
def stop(store: StoreOption = None, form: ReportFormatOption = Format.HUMAN) -> None:
    """Stop the engine."""
    from atlas_db.store.managed_engine import stop_engine as stop_engine

    engine, directory = _place(store)
    stopped = stop_engine(directory)
    if form is Format.JSON:
        write_json({"stopped": stopped, "directory": str(directory)})
    else:
        print_text(
            f"Stopped {engine.name} at {directory}." if stopped else f"No {engine.name} engine runs at {directory}."
        )


@app.command(help="Show whether the engine runs.\n\nExamples:\n\n  atlas-db store status --format json\n")
@guarded
def status(store: StoreOption = None, form: ReportFormatOption = Format.HUMAN) -> None:
    """Show whether the engine runs."""
    from atlas_db.store.managed_engine import engine_status as engine_status

    found = engine_status(*_place(store))
    if form is Format.JSON:
        write_json({**asdict(found), "directory": str(found.directory)})
    elif form is Format.QUIET:
        write_line("running" if found.running else "stopped")
    else:
        how = f"runs at bolt://127.0.0.1:{found.port} (process {found.pid})" if found.running else "does not run"
        name = f"{found.engine} {found.version}".strip()
        print_text(f"{name} at {found.directory} {how}, {found.bytes_on_disk / 2**20:,.0f} MiB on disk")
