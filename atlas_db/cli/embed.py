"""`atlas-db embed`: sentence embeddings of model cards, as features of completion."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atlas_db.cli.common import FormatOption, StoreOption, guarded, home_of, opened, settings_for, shown_progress
from atlas_db.cli.output import Format, print_text, write_json, write_rows
from atlas_db.core.extras import require_extra

HELP = """Embed model cards with a sentence model, as features of completion.

MODEL is a folder that sentence-transformers saved (extra `embed`); nothing is downloaded, and no code or pickle in it
is opened. Every loaded card is embedded once: its first 256 words without those that state a licence, a task or another
attribute. Cards that are loaded later need another run, which embeds only these; so does a run that was stopped.
complete, evaluate and explain use the embeddings, and train again because of them. Another model replaces the one
before.

Examples:

  atlas-db embed models/all-MiniLM-L6-v2

  atlas-db embed models/all-MiniLM-L6-v2 --store local --format json
"""


@guarded
def embed(
    model: Annotated[Path, typer.Argument(help="Folder of a sentence model.", show_default=False)],
    store: StoreOption = None,
    form: FormatOption = Format.HUMAN,
) -> None:
    """Embed cards with a sentence model."""
    require_extra("embed")
    from atlas_db.claims.runs import exclusive_writer
    from atlas_db.columnar.read import read_graph
    from gnn.dataset.card_embeddings import embed_cards

    settings = settings_for(store)
    home = home_of(settings)
    with opened(settings) as graph, exclusive_writer(graph, home), shown_progress() as progress:
        report = embed_cards(read_graph(graph), home, model, progress)
    if form is Format.JSON:
        write_json(report._asdict())
    elif form is not Format.HUMAN:
        write_rows(report._fields, [report._asdict()], form)
    else:
        print_text(f"{report.models:,} models have cards; {report.read:,} embedded now, {report.kept:,} before")
        print_text("complete, evaluate and explain use the embeddings from now on")
