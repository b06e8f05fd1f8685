"""Runs the stages in order; a stage whose inputs are unchanged since it was done is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from atlas_db.claims.runs import list_runs
from atlas_db.columnar.typed_columns import data_frame
from atlas_db.core.errors import UsageError
from atlas_db.core.files import write_whole
from atlas_db.core.settings import Settings
from atlas_db.core.terms import Progress, RunKind
from atlas_db.licenses.rules import rule_book
from atlas_db.pipeline.checkpoint import Checkpoint, StageResult, exclusive
from atlas_db.pipeline.resources import ResourceMeter
from atlas_db.pipeline.stages import STAGES, PipelineOptions, Stage, StageContext
from atlas_db.pipeline.summary import summarise
from atlas_db.store.connect import ensure_schema, open_store
from gnn.dataset.tasks import tasks_for
from ingest.hub.snapshot import SourceFile, find_inputs
from ingest.weights.fingerprints.model_files import ModelFiles, find_models

if TYPE_CHECKING:
    import pandas as pd

REPORT = "report.json"
STAGE_COLUMNS = ("stage", "state", "seconds", "memory", "engine", "reason", "run_id")
StageListener = Callable[[str, StageResult | None], None]
"""Called with the name of a stage when it begins (with None), and when it ends (with its result)."""


@dataclass(frozen=True, slots=True)
class PipelineReport:
    """Report of a run.

    Attributes:
        stages: Results of the stages in order, by name.
        atlas: Summary of the atlas: claims by source, edges by status, verdicts and findings.
        out: Folder of the results.
    """

    stages: dict[str, StageResult]
    atlas: dict[str, Any]
    out: str

    def to_frame(self) -> pd.DataFrame:
        """Return one row a stage: `stage`, `state`, `seconds`, `memory`, `engine`, `reason`, `run_id`."""
        rows = [{"stage": name, **msgspec.structs.asdict(stage)} for name, stage in self.stages.items()]
        return data_frame(({name: row[name] for name in STAGE_COLUMNS} for row in rows), STAGE_COLUMNS)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values."""
        return {"out": self.out, "stages": msgspec.to_builtins(self.stages), "atlas": self.atlas}


def run_pipeline(
    settings: Settings,
    options: PipelineOptions,
    progress: Progress = lambda *_: None,
    on_stage: StageListener = lambda *_: None,
) -> PipelineReport:
    """Load, fingerprint, chart, complete, audit and export. An interrupted run continues when it is started again.

    Args:
        settings: Names the store and the home folder.
        options: Inputs and options.
        progress: Called with stage, done and total.
        on_stage: Called when a stage begins, and when it is over.

    Returns:
        The report, which is also written to `report.json` in the folder.

    Raises:
        InputError: There is nothing to read.
        UsageError: There is no such attribute or profile, or the folder holds something else.
        StoreLockedError: Another run is at the folder, or another process writes to the store.
        StoreError: The store failed; run the same again.
    """
    sources, models = _resolve_inputs(settings, options)
    with exclusive(options.out), open_store(settings) as store:
        work = StageContext(store, settings, options, sources, models, progress)
        checkpoint = Checkpoint(options.out, ensure_schema(store))
        for stage in STAGES:
            on_stage(stage.name, None)
            _run_stage(work, checkpoint, stage)
            on_stage(stage.name, checkpoint.stages[stage.name])
        report = PipelineReport(checkpoint.stages, summarise(store), str(options.out))
        write_whole(options.out / REPORT, msgspec.json.format(msgspec.json.encode(report.to_dict()), indent=1))
    return report


def _resolve_inputs(settings: Settings, options: PipelineOptions) -> tuple[list[SourceFile], list[ModelFiles]]:
    """Check all options before the first stage; return the lists and the models that they name."""
    if "-" in options.hub:
        raise UsageError("a run that can be continued reads no standard input", hint="Save the list, and name its file")
    sources = find_inputs(list(options.hub), settings.home / "spool")
    models = find_models(options.weights) if options.weights else []
    rule_book(options.profile)
    tasks_for(options.attributes)
    return sources, models


def plan(settings: Settings, options: PipelineOptions) -> dict[str, str]:
    """Return the state that each stage would have after a run: done, kept or skipped. Nothing is run.

    Raises:
        InputError, UsageError, StoreError: As `run` does.
    """
    sources, models = _resolve_inputs(settings, options)
    seen: dict[str, str] = {}
    with open_store(settings) as store:
        work = StageContext(store, settings, options, sources, models)
        checkpoint = Checkpoint(options.out, ensure_schema(store))
        for stage in STAGES:
            # Stages that read the graph are done again after a stage that changes it.
            moved = "done" in seen.values() and stage.name in ("complete", "audit", "export")
            kept = None if moved else _reusable(work, checkpoint, stage, stage.key(work))
            seen[stage.name] = "done" if kept is None else kept.state
    return seen


def _run_stage(work: StageContext, checkpoint: Checkpoint, stage: Stage) -> None:
    key = stage.key(work)
    if (kept := _reusable(work, checkpoint, stage, key)) is not None:
        checkpoint.put(stage.name, kept)
        return
    with ResourceMeter(work.settings) as meter:
        outcome = stage.run(work)
    done = StageResult(
        state="skipped" if outcome.skipped else "done", key=key, reason=outcome.skipped, run_id=outcome.run_id,
        seconds=meter.seconds, memory=meter.memory, engine=meter.engine, counts=outcome.counts,
    )  # fmt: skip
    checkpoint.put(stage.name, done)


def _reusable(work: StageContext, checkpoint: Checkpoint, stage: Stage, key: str) -> StageResult | None:
    """Return the result of an earlier run for a stage; None where the stage has to be done."""
    before = checkpoint.stages.get(stage.name)
    if before is None or before.key != key or not _outputs_exist(work, stage, before):
        return None
    return before if before.state == "skipped" else msgspec.structs.replace(before, state="kept")


def _outputs_exist(work: StageContext, stage: Stage, before: StageResult) -> bool:
    """Return whether the outputs of a stage still exist: its file, and its run, not rolled back."""
    if before.state == "skipped":
        return True
    if stage.output and not work.file(stage.output).is_file():
        return False
    if not before.run_id:
        return True
    found = [each for each in list_runs(work.store) if each["complete"]]
    mine = next((each for each in found if each["id"] == before.run_id), None)
    if mine is None or mine["kind"] != RunKind.AUDIT:
        return mine is not None
    # A later audit replaces the findings of an earlier one.
    return bool(next(each["id"] for each in found if each["kind"] == RunKind.AUDIT) == before.run_id)
