"""`atlas-db notice`: one NOTICE file for a set of models."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from atlas_db.cli.common import ReportFormatOption, StoreOption, guarded, settings_for
from atlas_db.cli.output import Format, errors, write_json, write_line
from atlas_db.cli.targets import MODELS, ListOption, OnlineOption, opened_for, read_targets
from atlas_db.cli.values import model_ids
from atlas_db.core.errors import UsageError
from atlas_db.core.files import write_whole
from atlas_db.core.safe_text import visible

HELP = """Write one NOTICE for a set of models, over all that they derive from.

It has each licence with the address of its text, and who stands under it. Then come the sentences and names that its
version requires (Built with …), and its duties with their clauses. Licence files of a folder are added as texts. What a
person has to fill in begins with TO DO. What is not known is listed. It is no legal advice.

Examples:

  atlas-db notice meta-llama/Meta-Llama-3-8B mistralai/Mistral-7B-v0.1 > NOTICE

  atlas-db notice ./my-model --online --out my-model/NOTICE
"""


@guarded
def notice(
    models: Annotated[list[str] | None, typer.Argument(help=MODELS, autocompletion=model_ids)] = None,
    file: ListOption = None,
    data: Annotated[bool, typer.Option("--data/--no-data", help="Training data count, too.")] = True,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File; standard output by default.")] = None,
    online: OnlineOption = False,
    store: StoreOption = None,
    form: ReportFormatOption = Format.HUMAN,
) -> None:
    """Write the notice for models."""
    from atlas_db.compliance.notice import collect_notice

    targets = read_targets(models or [], file)
    if not targets:
        raise UsageError("no model is named", hint="Give model ids or paths, or --file")
    with opened_for(targets, settings_for(store), online=online) as graph:
        found = collect_notice(graph, targets.ids, targets.folders, data=data)
    if form is Format.JSON:
        write_json(found.document())
    elif form is Format.QUIET:
        for each in found.licenses:
            write_line(each.license.id)
    elif out is None:
        sys.stdout.write(visible(found.text()))
    if out is not None:
        write_whole(out, found.text().encode())
    if unknown := len(found.unknown) + len(found.unresolved):
        noun = "licence is" if unknown == 1 else "licences are"
        errors().print(f"{unknown} {noun} not known: see the end of the notice", style="yellow", markup=False)
