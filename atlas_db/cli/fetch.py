"""`atlas-db fetch`: the listing of the Hub to disk."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from atlas_db.cli.common import ReportFormatOption, guarded, shown_progress
from atlas_db.cli.invocation import command
from atlas_db.cli.output import Format, print_text, write_json, write_line

HELP = """Fetch the Hub's listing into a folder, page by page.

An interrupted fetch continues where it stopped.
Endpoint and token are those of huggingface_hub: HF_ENDPOINT, HF_TOKEN. Nothing is loaded: run atlas-db load on the
folder afterwards.

Examples:

  atlas-db fetch snapshots/2026-11 --preview

  atlas-db fetch snapshots/2026-11

  atlas-db fetch snapshots/2026-12 --since snapshots/2026-11
"""


class Listing(StrEnum):
    """Kinds of repositories."""

    MODELS = "models"
    DATASETS = "datasets"


@guarded
def fetch(
    folder: Annotated[Path, typer.Argument(help="Folder for the pages.", show_default=False)],
    kind: Annotated[Listing, typer.Option("--kind", help="models or datasets.")] = Listing.MODELS,
    since: Annotated[
        str, typer.Option("--since", help="A date, or the folder of an earlier fetch: only changes since then.")
    ] = "",
    max_rows: Annotated[int, typer.Option("--max-rows", min=0, help="Stop after this number of rows; 0 for all.")] = 0,
    preview: Annotated[bool, typer.Option("--preview", "--dry-run", help="Only print the number of calls.")] = False,
    form: ReportFormatOption = Format.HUMAN,
) -> None:
    """Fetch the Hub's listing into a folder."""
    import msgspec

    from ingest.hub import api_listing

    if preview:
        found = api_listing.preview(kind.value, max_rows)
        if form is Format.JSON:
            write_json(asdict(found))
        else:
            print_text(
                f"About {found.rows:,} rows in {found.calls:,} calls: "
                f"{found.windows:,} five-minute windows of {found.quota:,}."
            )
        return
    with shown_progress() as progress:
        state = api_listing.fetch(
            folder, kind.value, since=api_listing.since_date(since), max_rows=max_rows, progress=progress
        )
    if form is Format.JSON:
        write_json({**msgspec.to_builtins(state), "folder": str(folder)})
    elif form is Format.QUIET:
        write_line(str(folder))
    else:
        print_text(
            f"Fetched {state.rows:,} rows in {state.pages:,} pages. Load them with: {command('load', str(folder))}"
        )
