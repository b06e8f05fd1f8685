"""`atlas-db gpai`: the one-third test, and a draft of the summary of training content."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from atlas_db.cli.common import ReportFormatOption, StoreOption, guarded, settings_for
from atlas_db.cli.output import Format, print_text, write_json, write_line
from atlas_db.cli.targets import MODEL, OnlineOption, opened_for, read_targets
from atlas_db.cli.values import model_ids
from atlas_db.core.files import write_whole
from atlas_db.core.safe_text import visible

HELP = """Prepare what EU law asks of whoever modifies a general-purpose model.

The one-third test compares the compute of the modification with that of the original. Published figures are known for
few models: state your own with --flop and --original-flop. The draft of the summary of training content lists the
datasets that the model and all its ancestors declare, and names the gaps. It is no legal advice.

Examples:

  atlas-db gpai ./my-model --flop 3e20

  atlas-db gpai mlabonne/NeuralBeagle14-7B --out summary.md
"""


@guarded
def gpai(
    model: Annotated[str, typer.Argument(help=MODEL, show_default=False, autocompletion=model_ids)],
    flop: Annotated[float | None, typer.Option("--flop", min=0, help="Compute of the modification, FLOP.")] = None,
    original_flop: Annotated[
        float | None, typer.Option("--original-flop", min=0, help="Compute of the original, FLOP.")
    ] = None,
    systemic: Annotated[
        bool, typer.Option("--systemic", help="The original has systemic risk, where its compute is not known.")
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File for the draft of the summary.")] = None,
    online: OnlineOption = False,
    store: StoreOption = None,
    form: ReportFormatOption = Format.HUMAN,
) -> None:
    """Prepare the one-third test and the summary of training content."""
    from atlas_db.compliance.gpai import describe_gpai

    targets = read_targets([model])
    with opened_for(targets, settings_for(store), online=online) as graph:
        name, folder = targets.first
        report = describe_gpai(graph, name, folder, flop=flop, original_flop=original_flop, systemic=systemic)
    if out is not None:
        write_whole(out, report.text().encode())
    if form is Format.JSON:
        write_json(report.document())
    elif form is Format.QUIET:
        write_line({None: "unknown", True: "exceeds", False: "below"}[report.test.exceeds])
    else:
        answer = {None: "Not known", True: "Yes", False: "No"}[report.test.exceeds]
        print_text(f"More than a third of the original's compute? {answer}: {report.test.why}.", "bold")
        if out is None:
            sys.stdout.write(visible(report.text()))
