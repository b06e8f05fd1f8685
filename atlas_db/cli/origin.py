"""`atlas-db origin`: where models come from, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atlas_db.cli.common import (
    Exit,
    ReportFormatOption,
    guarded,
    home_of,
    opened,
    settings_for,
    shown_progress,
)
from atlas_db.cli.output import Format, print_text, write_json, write_line
from atlas_db.core.errors import UsageError
from atlas_db.core.extras import require_extra
from atlas_db.core.files import printable

if TYPE_CHECKING:
    from atlas_db.provenance.origin_answer import OriginAnswer
    from atlas_db.provenance.origin_record import OriginRecord
    from ingest.weights.fingerprints.fingerprint import Fingerprint
    from ingest.weights.fingerprints.model_files import ModelFiles

HELP = """Say where models come from, in words.

The models at PATH are fingerprinted and compared with one another and with known models. Known are the models in files
of fingerprints (--fingerprints), and those that `chart --store` wrote into a store (--store). For each model the answer
says what it comes from, or with which models it shares an origin that is not here. Else it says that nothing known is
related, or why it cannot be compared. A parent is looked for only among the models that are compared.

--quantized-from asks one more question: was each model quantized from this one? It names a folder, a file, or a known
model. --report writes a sheet for people and a record for each model, which `atlas-db verify` computes again.

Keys of --format json are `answers`, `known` (the number of known models) and `report` (the files written). An answer
has `model`, `verdict`, `text`, `parents`, `siblings`, `children`, `nearest`, `read` and `quantized_from`. Verdicts are
comes_from, common_origin, related, unrelated, not_comparable and not_read.

Examples:

  atlas-db origin ./model --fingerprints known.parquet

  atlas-db origin ./models --store local --report report/

  atlas-db origin ./model.gguf --quantized-from ./original
"""


@guarded
def origin(
    paths: Annotated[
        list[Path], typer.Argument(help="Folders or files of weights, or owner/name.", show_default=False)
    ],
    fingerprints: Annotated[
        list[Path] | None, typer.Option("--fingerprints", help="Fingerprints of known models.")
    ] = None,
    store: Annotated[
        str | None, typer.Option("--store", help="Compare with the models charted into this store.", show_default=False)
    ] = None,
    quantized_from: Annotated[
        Path | None, typer.Option("--quantized-from", help="Say whether the models were quantized from this one.")
    ] = None,
    report: Annotated[Path | None, typer.Option("--report", help="Write a sheet and records into this folder.")] = None,
    time: Annotated[bool, typer.Option("--time/--no-time", help="Use dates as evidence.")] = True,
    refine: Annotated[
        bool, typer.Option("--refine/--no-refine", help="Read the weights again where they can be read.")
    ] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Compute nothing; print what would be read.")] = False,
    form: ReportFormatOption = Format.HUMAN,
) -> None:
    """Answer where models come from."""
    from atlas_db.provenance.answer_models import answer_models
    from ingest.weights.fingerprints.model_files import find_models

    if report is not None:
        require_extra("dashboard")
    models = find_models(paths)
    known, places = _known(fingerprints or [], store)
    if dry_run:
        _show_plan(models, known, places, form)
        return
    original = _original(quantized_from, known) if quantized_from is not None else None
    if original is not None:
        known = [*(item for item in known if item.id != original.id), original]
    with shown_progress() as progress:
        found = answer_models(models, known, time=time, refine=refine, progress=progress)
    answers = found.answers if original is None else _with_quantized(found.answers, found.queried, original)
    answers = sorted([*answers, *found.not_read], key=lambda answer: answer.model)
    written: list[Path] = []
    if report is not None:
        from atlas_db.provenance.origin_sheet import write_report

        records = _records(answers, found.charts.charted, use_dates=time, reread=refine)
        written = write_report(report, answers, records, places)
    _show(answers, len(known), written, form)
    if not found.answers:
        raise typer.Exit(Exit.INPUT)


def _known(fingerprints: Sequence[Path], store: str | None) -> tuple[list[Fingerprint], list[str]]:
    """Return known models, and where they came from."""
    from atlas_db.store.connect import ensure_schema
    from ingest.weights.fingerprints.parquet import load_store_fingerprints, read_fingerprints

    known = {item.id: item for item in read_fingerprints(fingerprints)}
    places = [str(path) for path in fingerprints]
    if store is not None:
        settings = settings_for(store)
        with opened(settings) as graph:
            kept = load_store_fingerprints(home_of(settings), ensure_schema(graph))
        if not kept:
            raise UsageError(
                f"no model was charted into the store {settings.store} from this machine",
                hint="Chart some: atlas-db chart fp.parquet --store STORE. Or name files: --fingerprints FILE",
            )
        known = {item.id: item for item in kept} | known
        places.insert(0, f"the store {settings.store}")
    return list(known.values()), places


def _original(named: Path, known: Sequence[Fingerprint]) -> Fingerprint:
    """Return the model of `--quantized-from`; a known id is looked up before a path is read."""
    from atlas_db.provenance.answer_models import read_models
    from ingest.weights.fingerprints.model_files import find_models

    found = next((item for item in known if item.id == str(named)), None)
    if found is not None:
        return found
    with shown_progress() as progress:
        read, failed = read_models(find_models([named]), progress)
    if len(read) != 1:
        reason = next(iter(failed.values()), f"it holds {len(read)} models")
        raise UsageError(f"--quantized-from {named}: {reason}", hint="Name the folder or file of one model")
    return read[0]


def _with_quantized(
    answers: Sequence[OriginAnswer], queried: Sequence[Fingerprint], original: Fingerprint
) -> list[OriginAnswer]:
    """Return answers with that to `--quantized-from`."""
    from atlas_db.provenance.origin_answer import answer_quantized_from
    from ingest.weights.samples.resample import Resampler

    by_id = {item.id: item for item in queried}
    return [
        replace(answer, quantized_from=answer_quantized_from(by_id[answer.model], original, Resampler()))
        for answer in answers
    ]


def _records(
    answers: Sequence[OriginAnswer], charted: Sequence[Fingerprint], *, use_dates: bool, reread: bool
) -> list[OriginRecord]:
    from atlas_db.provenance.origin_answer import OriginVerdict
    from atlas_db.provenance.origin_record import make_record

    return [
        make_record(answer, charted, use_dates=use_dates, reread=reread)
        for answer in answers
        if answer.verdict is not OriginVerdict.NOT_READ
    ]


def _show_plan(models: Sequence[ModelFiles], known: Sequence[Fingerprint], places: Sequence[str], form: Format) -> None:
    if form is Format.JSON:
        write_json({
            "would_read": [
                {"model": item.id, "location": printable(item.folder), "problem": item.problem} for item in models
            ],
            "known": len(known), "compared_with": list(places),
        })  # fmt: skip
        return
    for item in models:
        write_line(item.id) if form is Format.QUIET else print_text(f"would read {item.id} at {printable(item.folder)}")
    if form is Format.HUMAN:
        print_text(f"would compare with {len(known):,} known models{''.join(f', {place}' for place in places)}")


def _show(answers: Sequence[OriginAnswer], known: int, written: Sequence[Path], form: Format) -> None:
    if form is Format.JSON:
        report = [str(file) for file in written]
        write_json({"answers": [answer.to_dict() for answer in answers], "known": known, "report": report})
        return
    if form is Format.QUIET:
        for answer in answers:
            write_line(f"{answer.model}\t{answer.verdict.value}")
        return
    for answer in answers:
        _show_answer(answer)
    print_text(f"A parent was looked for among {len(answers):,} models here and {known:,} known ones only.", "dim")
    if written:
        print_text(f"report: {written[0]}, {len(written) - 1:,} records")


def _show_answer(answer: OriginAnswer) -> None:
    print_text(answer.model, "bold")
    for text in answer.text:
        print_text(f"  {text}")
    for parent in answer.parents:
        for sentence in parent.sentences:
            print_text(f"    {sentence}")
    if (queried := answer.quantized_from) is not None:
        print_text(f"  Quantized from the stated model: {queried.verification.value.replace('_', ' ')}.")
        for reason in queried.reasons:
            print_text(f"    {reason}")
        if queried.least_change:
            print_text(f"    Training would have shown from a mean change of {queried.least_change:.2%} of a weight.")
    if answer.nearest:
        print_text("  nearest: " + ", ".join(f"{near.id} {near.distance:.3g}" for near in answer.nearest), "dim")
    tensors = len(answer.read.tensors)
    print_text(
        f"  read: {answer.read.positions:,} positions of {tensors:,} tensors, {answer.read.dtype or 'no'} weights",
        "dim",
    )
    for problem in answer.read.problems:
        print_text(f"  not read: {problem}", "yellow")
