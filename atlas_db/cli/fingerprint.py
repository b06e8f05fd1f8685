"""`atlas-db fingerprint`: weights into a file of fingerprints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atlas_db.cli.common import FormatOption, guarded, shown_progress
from atlas_db.cli.output import Format, errors, say, write_json, write_line
from atlas_db.errors import UsageError, WeightsError

if TYPE_CHECKING:
    from ingest.weights.batch import FingerprintReport

HELP = """Read model weights into fingerprints: a few KB a model, whatever its size.

A path is one model's folder, a folder of such, or a folder with a hub.jsonl (lines of id, created_at, folder). What is
no folder but owner/name is a repository of the Hub, of which only headers and samples are fetched. Reads safetensors
(single and sharded), PEFT adapters, packed integers and GGUF; pickles are named and never opened. A damaged model is
set aside with its reason. Models whose files have not changed since are not read again.

Examples:

  atlas-db fingerprint models/ --out fp.parquet

  atlas-db fingerprint mistralai/Mistral-7B-v0.1 models/other --out fp.parquet --format json
"""


@guarded
def fingerprint(
    paths: Annotated[list[Path], typer.Argument(help="Folders of weights, or owner/name.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="Parquet file to write, or to bring up to date.")],
    form: FormatOption = Format.HUMAN,
) -> None:
    """Fingerprint weights."""
    from ingest.weights.batch import find_models, fingerprint_all

    if form is Format.CSV:
        raise UsageError("fingerprint writes no CSV report", hint="Use --format json")
    models = find_models(paths)
    with shown_progress() as progress:
        report = fingerprint_all(models, out, progress)
    _show(report, out, form)
    if report.failed and not report.made and not report.kept:
        raise WeightsError(str(paths[0]), "holds no model that can be read")


def _show(report: FingerprintReport, out: Path, form: Format) -> None:
    if form is Format.JSON:
        write_json({**report.counts(), "out": str(out)})
        return
    if form is Format.QUIET:
        write_line(str(out))
        return
    say(f"{report.made:,} fingerprints made, {report.kept:,} kept, in {out}")
    if report.size:
        say(f"read {report.read_bytes / 2**20:,.1f} MiB of {report.size / 2**20:,.1f} MiB")
    if report.pickles:
        errors().print(f"{report.pickles} pickles were not opened", style="yellow")
    for model, reason in report.failed.items():
        errors().print(f"set aside {model}: {reason}", style="yellow", markup=False, soft_wrap=True)
    for model, notes in report.notes.items():
        errors().print(f"note on {model}: {'; '.join(notes)}", markup=False, soft_wrap=True)
