"""`atlas-db runs`: list and roll back changes to the graph."""

from __future__ import annotations

from typing import Annotated

import typer

from atlas_db.cli.common import FormatOption, ReportFormatOption, StoreOption, guarded, home_of, opened, settings_for
from atlas_db.cli.invocation import command, on_store
from atlas_db.cli.output import Format, print_text, write_json, write_line, write_rows

HELP = """List loads, charts, completions and audits, newest first; roll one back.

Examples:

  atlas-db runs

  atlas-db runs rollback load-20240701T120000-abc123
"""
app = typer.Typer(help=HELP, invoke_without_command=True, no_args_is_help=False)
COLUMNS = ("id", "kind", "started", "finished", "complete")


@app.callback()
def runs(context: typer.Context, store: StoreOption = None, form: FormatOption = Format.HUMAN) -> None:
    """List runs, newest first."""
    if context.invoked_subcommand is None:
        _list(store=store, form=form)


@guarded
def _list(store: str | None, form: Format) -> None:
    from atlas_db.claims.runs import list_runs

    with opened(settings_for(store)) as graph:
        found = list_runs(graph)
    if form is Format.JSON:
        write_json({"runs": found})
    else:
        write_rows(COLUMNS, found, form)


@app.command(
    help="""Roll a run back: remove its claims and findings, and nodes that nothing else refers to.

Of loads, only the newest can be rolled back.

Examples:

  atlas-db runs rollback load-20240701T120000-abc123
"""
)
@guarded
def rollback(
    run_id: Annotated[str, typer.Argument(help="Run id, from atlas-db runs.", show_default=False)],
    store: StoreOption = None,
    form: ReportFormatOption = Format.HUMAN,
) -> None:
    """Roll a run back."""
    from atlas_db.claims.runs import rollback as roll_back

    settings = settings_for(store)
    with opened(settings) as graph:
        counts = roll_back(graph, run_id, home_of(settings), settings.batch_rows)
    if form is Format.JSON:
        write_json({"rolled_back": run_id, "lineage": dict(counts.changes), "parents": dict(counts.parents)})
    elif form is Format.QUIET:
        write_line(run_id)
    else:
        print_text(f"Rolled back {run_id}. Show the rest with: {command('status', *on_store(store))}")
