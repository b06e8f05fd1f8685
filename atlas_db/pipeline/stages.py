"""The six stages: inputs and outputs of each, and the function that runs it."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from atlas_db.claims.runs import list_runs
from atlas_db.core.errors import CompletionError, EmptyStoreError
from atlas_db.core.extras import missing_package
from atlas_db.core.files import replacing, resolved
from atlas_db.core.safe_text import spreadsheet_row
from atlas_db.core.schema import SCHEMA
from atlas_db.core.settings import Settings
from atlas_db.core.terms import Progress, RunKind
from atlas_db.licenses.audit import COLUMNS, AuditOptions
from atlas_db.licenses.rules import rule_book
from atlas_db.licenses.write_findings import audit_and_write
from atlas_db.pipeline.checkpoint import digest
from atlas_db.store.bolt import Store
from ingest.hub.snapshot import SourceFile
from ingest.load.load_records import load
from ingest.load.stream import LoadOptions
from ingest.weights.chart import chart
from ingest.weights.fingerprints.batch import fingerprint_all
from ingest.weights.fingerprints.fingerprint import VERSION as FINGERPRINT_VERSION
from ingest.weights.fingerprints.model_files import ModelFiles
from ingest.weights.fingerprints.parquet import read_fingerprints
from ingest.weights.samples.resample import Resampler
from ingest.weights.tree.edge import above_threshold, write_lines
from ingest.weights.write_inferred import METHOD, write_chart

PRINTS, EDGES, PREDICTIONS, FINDINGS, SITE = (
    "fingerprints.parquet", "edges.jsonl", "predictions.jsonl", "findings.csv", "site",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class PipelineOptions:
    """Inputs and options of a run.

    Attributes:
        hub: Hub lists: files and folders.
        out: Folder for the results and the checkpoint of the run.
        weights: Folders of weights, or repositories; without any, fingerprint and chart are skipped.
        as_of: Date of the snapshot; by default the newest date in each file.
        attributes: Attributes to complete; all by default.
        precision: Precision of completion.
        profile: Profile of the audit.
        pages: Models with a page of their own in the exported dashboard.
        predictions: Predictions of an earlier completion of the same models, used where the extra `gnn` is missing.
    """

    hub: tuple[str, ...]
    out: Path
    weights: tuple[Path, ...] = ()
    as_of: str = ""
    attributes: tuple[str, ...] = ()
    precision: float = 0.95
    profile: str = "default"
    pages: int = 500
    predictions: Path | None = None


@dataclass(slots=True)
class StageContext:
    """Inputs of the stages.

    Attributes:
        store: The open store.
        settings: Settings.
        options: Options of the run.
        sources: Files of the Hub lists.
        models: Models with weights that were found.
        progress: Called with stage, done and total.
    """

    store: Store
    settings: Settings
    options: PipelineOptions
    sources: Sequence[SourceFile]
    models: Sequence[ModelFiles]
    progress: Progress = lambda *_: None

    @property
    def home(self) -> Path:
        """The home folder."""
        return self.settings.home

    def file(self, name: str) -> Path:
        """Return a file of the run's folder."""
        return self.options.out / name

    def runs(self, *kinds: RunKind) -> list[str]:
        """Return the ids of the complete runs of some kinds, sorted."""
        return sorted(run["id"] for run in list_runs(self.store) if run["complete"] and run["kind"] in kinds)


@dataclass(frozen=True, slots=True)
class StageOutcome:
    """Outcome of running a stage.

    Attributes:
        counts: Counts that it reports.
        run_id: Id of its run in the store; empty where it wrote none.
        skipped: Reason for skipping it; empty where it was done.
    """

    counts: dict[str, Any] = field(default_factory=dict)
    run_id: str = ""
    skipped: str = ""


class Stage(NamedTuple):
    """A stage of the pipeline.

    Attributes:
        name: Name.
        key: Returns the digest of its inputs.
        output: File that it writes, relative to the folder of the run; empty for none.
        run: Runs it.
    """

    name: str
    key: Callable[[StageContext], str]
    output: str
    run: Callable[[StageContext], StageOutcome]


def _load_key(work: StageContext) -> str:
    files = [(str(resolved(file.path)), (s := file.path.stat()).st_size, s.st_mtime_ns) for file in work.sources]
    return digest("load", SCHEMA.version, files, work.options.as_of)


def _load(work: StageContext) -> StageOutcome:
    options = LoadOptions(work.home, work.options.as_of, batch_rows=work.settings.batch_rows)
    report = load(work.store, list(work.options.hub), options, work.progress)
    counts = report.counts()
    kept = ("as_of", "rows", "records", "claims_by_type", "parents", "edges", "rejects", "reject_file")
    return StageOutcome({name: counts[name] for name in kept}, report.run_id)


def _fingerprint_key(work: StageContext) -> str:
    return digest("fingerprint", FINGERPRINT_VERSION, [(m.id, m.created_at, m.revision) for m in work.models])


def _fingerprint(work: StageContext) -> StageOutcome:
    if not work.models:
        return StageOutcome(skipped="no weights were given")
    report = fingerprint_all(work.models, work.file(PRINTS), work.progress)
    return StageOutcome(report.counts())


def _chart_key(work: StageContext) -> str:
    file = work.file(PRINTS)
    prints = [(p.id, p.created_at, p.revision) for p in read_fingerprints([file])] if file.is_file() else []
    return digest("chart", METHOD, FINGERPRINT_VERSION, prints)


def _chart(work: StageContext) -> StageOutcome:
    file = work.file(PRINTS)
    prints = list(read_fingerprints([file])) if work.models and file.is_file() else []
    if not prints:
        return StageOutcome(skipped="there are no fingerprints")
    edges = chart(prints, Resampler(), progress=work.progress)
    kept = above_threshold(edges)
    write_lines(kept, work.file(EDGES))
    counts = write_chart(work.store, work.home, prints, edges)
    return StageOutcome({"models": len(prints), "inferred": len(kept), **counts}, counts["run_id"])


def _complete_key(work: StageContext) -> str:
    options = work.options
    kept = missing_package("gnn") and options.predictions and options.predictions.stat().st_mtime_ns
    below = work.runs(RunKind.LOAD, RunKind.CHART)
    return digest("complete", below, options.attributes, options.precision, bool(missing_package("gnn")), kept)


def _complete(work: StageContext) -> StageOutcome:
    options = work.options
    if not (why := missing_package("gnn")):
        from gnn.inference.write_predictions import CompleteOptions, complete_and_write

        completion = CompleteOptions(options.attributes, out=work.file(PREDICTIONS), precision=options.precision)
        try:
            report = complete_and_write(work.store, work.home, completion, work.progress)
        except CompletionError as error:
            return StageOutcome(skipped=f"{error.message}: {error.hint}")
        return StageOutcome(report.counts(), report.run_id)
    if options.predictions is None:
        return StageOutcome(skipped=why)
    from gnn.inference.predictions import import_predictions

    report = import_predictions(work.store, work.home, options.predictions, work.progress)
    return StageOutcome({**report.counts(), "from": options.predictions.name}, report.run_id)


def _audit_key(work: StageContext) -> str:
    below = work.runs(RunKind.LOAD, RunKind.CHART, RunKind.COMPLETION)
    return digest("audit", below, work.options.profile, rule_book(work.options.profile).version)


def _audit(work: StageContext) -> StageOutcome:
    options = AuditOptions(work.options.profile)
    report = audit_and_write(work.store, work.home, options, work.settings.batch_rows, work.progress)
    with replacing(work.file(FINDINGS)) as partial, partial.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        rows = sorted(report.findings, key=lambda row: (row["model"], row["ancestor"] or "", row["rule"]))
        writer.writerows(map(spreadsheet_row, rows))
    return StageOutcome(report.counts(), report.run_id)


def _export_key(work: StageContext) -> str:
    return digest("export", work.runs(*RunKind), work.options.pages, bool(missing_package("dashboard")))


def _export(work: StageContext) -> StageOutcome:
    if why := missing_package("dashboard"):
        return StageOutcome(skipped=why)
    from atlas_db.dashboard.aggregates import fresh_bundle
    from atlas_db.dashboard.export import export_site

    try:
        bundle = fresh_bundle(work.store, work.home, work.progress)
    except EmptyStoreError as error:
        return StageOutcome(skipped=error.message)
    counts = export_site(work.store, bundle, work.file(SITE), work.options.pages, work.progress)
    return StageOutcome(dict(counts))


STAGES = (
    Stage("load", _load_key, "", _load),
    Stage("fingerprint", _fingerprint_key, PRINTS, _fingerprint),
    Stage("chart", _chart_key, EDGES, _chart),
    Stage("complete", _complete_key, "", _complete),
    Stage("audit", _audit_key, FINDINGS, _audit),
    Stage("export", _export_key, f"{SITE}/index.html", _export),
)
