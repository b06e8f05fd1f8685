"""`atlas-db complete`: predicts missing attributes with calibrated confidence, as claims of their own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atlas_db.cli.common import FormatOption, StoreOption, guarded, home_of, opened, settings_for, shown_progress
from atlas_db.cli.invocation import command, on_store
from atlas_db.cli.output import Format, errors, print_text, write_json, write_rows
from atlas_db.core.errors import UsageError
from atlas_db.core.extras import require_extra

if TYPE_CHECKING:
    from gnn.inference.predictions import Completion

HELP = """Complete missing licences, tasks, libraries, languages, datasets and parents.

Attributes: license, pipeline_tag, library_name, model_type, language, datasets, base_model, base_model_relation. Trains
on the graph's declarations (extra gnn) or loads the checkpoint of an earlier run on this store. Writes claims with
source: predicted, with their probability, method, run and reasons. Declarations are never changed. It abstains below
the confidence at which --precision was reached on the newest months; --min-confidence 0 writes every prediction. A new
run replaces earlier predictions for the same models; runs rollback removes the claims of a run. A predicted licence is
what the author would declare, not what is permitted: atlas-db audit shows what is inherited. Lines of base_model hold
the confidence of a parent given that there is one. no_declaration_probability is that the author would declare none,
and derived_probability that there is one, declared or not. Confidence times the last has to reach the threshold.

Examples:

  atlas-db complete --attributes license,pipeline_tag --out predictions.jsonl

  atlas-db complete --models ids.txt --min-confidence 0 --dry-run --out predictions.jsonl

  atlas-db complete --score
"""


@guarded
def complete(
    attributes: Annotated[
        str | None,
        typer.Option("--attributes", help="Attributes, separated by commas; all by default."),
    ] = None,
    models: Annotated[
        Path | None, typer.Option("--models", help="Complete only these: a file of ids, one a line.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write predictions as JSON lines.")] = None,
    min_confidence: Annotated[
        float | None,
        typer.Option(
            "--min-confidence", min=0, max=1, help="Lowest confidence that is written.", show_default="from --precision"
        ),
    ] = None,
    precision: Annotated[float, typer.Option("--precision", min=0, max=1, help="Precision to reach.")] = 0.95,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Leave the store as it is; --out is written.")] = False,
    retrain: Annotated[bool, typer.Option("--retrain", help="Ignore checkpoints and train again.")] = False,
    network: Annotated[
        bool, typer.Option("--network", help="Train a graph network, too: slower, no more accurate on July 2024.")
    ] = False,
    score: Annotated[
        bool, typer.Option("--score", help="Compare earlier predictions with later declarations.")
    ] = False,
    show_parameters: Annotated[
        bool, typer.Option("--show-parameters", help="List every tuned constant with unit and origin.")
    ] = False,
    store: StoreOption = None,
    form: FormatOption = Format.HUMAN,
) -> None:
    """Predict missing attributes."""
    if show_parameters:
        from gnn.parameters.completion_parameters import completion_parameters

        rows = [each._replace(value=f"{each.value}")._asdict() for each in completion_parameters()]
        write_rows(tuple(rows[0]), rows, form)
        return
    require_extra("gnn")
    from gnn.dataset.tasks import tasks_for

    chosen = [name.strip() for name in (attributes or "").split(",") if name.strip() not in ("", "all")]
    tasks_for(chosen)
    ids = None if models is None else _ids(models)
    from gnn.inference.write_predictions import CompleteOptions, complete_and_write, track_record

    settings = settings_for(store)
    if score:
        with opened(settings) as graph:
            rows = track_record(graph)
        write_rows(tuple(rows[0]), rows, form)
        return
    options = CompleteOptions(
        attributes=chosen, models=ids, out=out, min_confidence=min_confidence, precision=precision, dry_run=dry_run,
        retrain=retrain, network=network, strict=bool(chosen),
    )  # fmt: skip
    with opened(settings) as graph, shown_progress() as progress:
        report = complete_and_write(graph, home_of(settings), options, progress)
    _show(report, out, form, store)


def _ids(file: Path) -> list[str]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise UsageError(f"{file} is no list of ids", hint="Give a text file with one id a line") from error
    return sorted({line.strip() for line in lines if line.strip() and not line.startswith("#")})


def shown_threshold(threshold: float | None) -> float | str | None:
    """Return the confidence from which values are written; a threshold above one means that none is high enough."""
    if threshold is None:
        return None
    return round(threshold, 3) if threshold <= 1 else "precision not reached"


def _show(report: Completion, out: Path | None, form: Format, store: str | None) -> None:
    if form is Format.JSON:
        write_json(report.counts())
        return
    rows = [
        {
            "attribute": name,
            "missing": missing,
            "predicted": report.predicted[name],
            "share": round(report.predicted[name] / missing, 3) if missing else None,
            "from confidence": shown_threshold(report.thresholds.get(name)),
        }
        for name, missing in report.missing.items()
    ]
    write_rows(("attribute", "missing", "predicted", "share", "from confidence"), rows, form)
    if form is not Format.HUMAN:
        return
    for name, reason in report.skipped.items():
        errors().print(f"skipped {name}: {reason}", style="yellow", markup=False, soft_wrap=True)
    if out is not None:
        print_text(f"predictions in {out}")
    if report.run_id:
        undo = command("runs", "rollback", report.run_id, *on_store(store))
        print_text(f"{report.written:,} claims written; take them back with: {undo}", "dim")
