"""`atlas-db fingerprint`: weights into a file of fingerprints."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atlas_db.cli.common import ReportFormatOption, guarded, shown_progress
from atlas_db.cli.output import Format, errors, print_text, write_json, write_line
from atlas_db.core.errors import WeightsError
from atlas_db.core.extras import require_extra

if TYPE_CHECKING:
    from ingest.weights.fingerprints.batch import FingerprintReport
    from ingest.weights.fingerprints.model_files import ModelFiles
    from ingest.weights.probes.probe_table import ProbeReport

HELP = """Read model weights into fingerprints: a few KB a model, whatever its size.

A path is one model's folder, a folder of such, or a folder with a hub.jsonl (lines of id, created_at, folder). A path
owner/name that is no folder is a repository of the Hub: only its headers and samples are fetched. Loose files are a
model each, and so is each model in the store of Ollama. In LM Studio's folder of models each has its name on the Hub.
`atlas-db formats` lists what is read. Pickles are reported and never opened. A damaged model is set aside with its
reason. Models with unchanged files are not read again. The cores of this machine share the work, or with --scheduler
the workers of a Dask cluster that see the same paths (extra `cluster`).
With --probe, models of architectures that transformers knows are also run on fixed inputs (extra `probe`). Their
outputs are stored next to the fingerprints. They are evidence of copies whose weights were rewritten, and
`atlas-db similar` compares them. No code that comes with a model is run. A model that cannot be run is reported and
skipped.

Examples:

  atlas-db fingerprint models/ --out fp.parquet

  atlas-db fingerprint mistralai/Mistral-7B-v0.1 models/other --out fp.parquet --format json

  atlas-db fingerprint /shared/models --out fp.parquet --scheduler tcp://10.0.0.5:8786
"""


@guarded
def fingerprint(
    paths: Annotated[list[Path], typer.Argument(help="Folders of weights, or owner/name.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="Parquet file to write, or to bring up to date.")],
    probe: Annotated[
        bool, typer.Option("--probe", help="Run the models, too, and store their outputs next to the fingerprints.")
    ] = False,
    scheduler: Annotated[
        str, typer.Option("--scheduler", help="Compute on this Dask cluster, as tcp://host:port.", show_default=False)
    ] = "",
    form: ReportFormatOption = Format.HUMAN,
) -> None:
    """Fingerprint weights."""
    from ingest.weights.fingerprints.batch import fingerprint_all
    from ingest.weights.fingerprints.executors import dask_executor
    from ingest.weights.fingerprints.model_files import find_models

    if probe:
        require_extra("probe")
    models = find_models(paths)
    with shown_progress() as progress, dask_executor(scheduler) as executor:
        report = fingerprint_all(models, out, progress, executor=executor)
    probed = _probe(models, out, scheduler) if probe else None
    _show(report, probed, out, form)
    if report.failed and not report.made and not report.kept:
        raise WeightsError(str(paths[0]), "holds no model that can be read")


def _probe(models: Sequence[ModelFiles], out: Path, scheduler: str) -> ProbeReport:
    from ingest.weights.fingerprints.executors import dask_executor
    from ingest.weights.probes.probe_table import probe_all, sidecar_path

    with shown_progress() as progress, dask_executor(scheduler) as executor:
        return probe_all(models, sidecar_path(out), progress, executor=executor)


def _show(report: FingerprintReport, probed: ProbeReport | None, out: Path, form: Format) -> None:
    from ingest.formats.other_files import PICKLE

    if form is Format.JSON:
        write_json({**report.counts(), "out": str(out), **({"probes": probed.counts()} if probed else {})})
        return
    if form is Format.QUIET:
        write_line(str(out))
        return
    print_text(f"{report.made:,} fingerprints made, {report.kept:,} kept, in {out}")
    if probed is not None:
        print_text(f"{probed.made:,} models probed, {probed.kept:,} kept, {len(probed.skipped):,} not run")
        for model, reason in probed.skipped.items():
            errors().print(f"not run {model}: {reason}", style="yellow", markup=False, soft_wrap=True)
    if report.size:
        print_text(f"read {report.read_bytes / 2**20:,.1f} MiB of {report.size / 2**20:,.1f} MiB")
    if report.pickles:
        errors().print(f"{report.pickles} pickles were not opened", style="yellow")
    for kind, count in sorted(report.skipped.items()):
        if kind != PICKLE:
            errors().print(f"{count} files of {kind} were not read", style="yellow")
    for model, reason in report.failed.items():
        errors().print(f"set aside {model}: {reason}", style="yellow", markup=False, soft_wrap=True)
    if report.faults:
        message = f"{report.faults} of them met a fault of atlas-db: please report it with these lines"
        errors().print(message, style="red", markup=False, soft_wrap=True)
    for model, notes in report.notes.items():
        errors().print(f"note on {model}: {'; '.join(notes)}", markup=False, soft_wrap=True)
