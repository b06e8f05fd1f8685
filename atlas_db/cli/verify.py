"""`atlas-db verify`: the answer of a record, computed again from the files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from atlas_db.cli.common import Exit, ReportFormatOption, guarded
from atlas_db.cli.output import Format, print_text, write_json, write_line

HELP = """Compute the answer of a record again from the files, and compare.

A record is what `atlas-db origin --report` writes for each model. It names every file with its digest, the positions
that were read, every constant, and the result. Exit codes: 0 the same answer, 1 the files are the same and the result
differs, 3 files have changed, 5 files are not here. With --models, the models are looked for at these paths, by id.

Examples:

  atlas-db verify report/records/my-model-0a1b2c3d4e5f.json

  atlas-db verify record.json --models ./evidence --format json
"""


@guarded
def verify(
    record: Annotated[Path, typer.Argument(help="File of a record.", show_default=False)],
    models: Annotated[
        list[Path] | None, typer.Option("--models", help="Where the models lie now, if elsewhere.")
    ] = None,
    form: ReportFormatOption = Format.HUMAN,
) -> None:
    """Verify a record."""
    from atlas_db.provenance.origin_record import VerificationOutcome, read_record, verify_record
    from ingest.weights.fingerprints.model_files import find_models

    found = read_record(record)
    places = {item.id: item.folder for item in find_models(models)} if models else None
    outcome, model, text, details = verify_record(found, places)
    if form is Format.JSON:
        write_json({"outcome": outcome.value, "model": model, "text": text, "details": list(details)})
    elif form is Format.QUIET:
        write_line(outcome.value)
    else:
        print_text(f"{outcome.value.replace('_', ' ')}: {text}")
        for detail in details:
            print_text(f"  {detail}")
    codes = {
        VerificationOutcome.SAME: Exit.FINE,
        VerificationOutcome.DIFFERENT: Exit.FINDINGS,
        VerificationOutcome.CHANGED: Exit.INPUT,
        VerificationOutcome.MISSING: Exit.INCOMPLETE,
    }
    if codes[outcome]:
        raise typer.Exit(codes[outcome])
