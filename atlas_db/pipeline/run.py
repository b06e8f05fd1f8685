"""Goes through the stages in order; what is done already, and rests on the same, is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from atlas_db.claims.runs import list_runs
from atlas_db.core.data_frames import data_frame
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
from ingest.weights.fingerprints.batch import Found, find_models

if TYPE_CHECKING:
    import pandas as pd

REPORT = "report.json"
STAGE_COLUMNS = ("stage", "state", "seconds", "memory", "engine", "reason", "run_id")
StageListener = Callable[[str, StageResult | None], None]
"""Told of a stage's name when it begins (None), and when it is over."""


@dataclass(frozen=True, slots=True)
class PipelineReport:
    """What a run came to.

    Attributes:
        stages: The stages in order, by name.
        atlas: What the atlas holds now: declared, inferred, predicted, contradicted; verdicts and findings.
        out: Its folder.
    """

    stages: dict[str, StageResult]
    atlas: dict[str, Any]
    out: str

    def to_frame(self) -> pd.DataFrame:
        """Return one row a stage: `stage`, `state`, `seconds`, `memory`, `engine`, `reason`, `run_id`."""
        rows = [{"stage": name, **msgspec.structs.asdict(stage)} for name, stage in self.stages.items()]
        return data_frame(({name: row[name] for name in STAGE_COLUMNS} for row in rows), STAGE_COLUMNS)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {"out": self.out, "stages": msgspec.to_builtins(self.stages), "atlas": self.atlas}


def run_pipeline(
    settings: Settings,
    options: PipelineOptions,
    progress: Progress = lambda *_: None,
    on_stage: StageListener = lambda *_: None,
) -> PipelineReport:
    """Load, fingerprint, chart, complete, audit and export. Killed at any moment and run again, it goes on.

    Args:
        settings: Names the store and the home folder.
        options: What to run.
        progress: Told how far the stage is.
        on_stage: Called when a stage begins, and when it is over.

    Returns:
        The report, which `report.json` in the folder holds, too.

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


def _resolve_inputs(settings: Settings, options: PipelineOptions) -> tuple[list[SourceFile], list[Found]]:
    """Find what is wrong with the words before hours have passed; return the lists and the models that they name."""
    if "-" in options.hub:
        raise UsageError("a run that can go on reads no standard input", hint="Save the list, and name its file")
    sources = find_inputs(list(options.hub), settings.home / "spool")
    models = find_models(options.weights) if options.weights else []
    rule_book(options.profile)
    tasks_for(options.attributes)
    return sources, models


def plan(settings: Settings, options: PipelineOptions) -> dict[str, str]:
    """Return what a run would do with each stage, without doing it: done, kept, or skipped.

    Raises:
        InputError, UsageError, StoreError: As `run` does.
    """
    sources, models = _resolve_inputs(settings, options)
    seen: dict[str, str] = {}
    with open_store(settings) as store:
        work = StageContext(store, settings, options, sources, models)
        checkpoint = Checkpoint(options.out, ensure_schema(store))
        for stage in STAGES:
            # What rests on the graph is done again after a stage that changes it.
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
    """Return a stage as an earlier run left it, or None where it has to be done."""
    before = checkpoint.stages.get(stage.name)
    if before is None or before.key != key or not _outputs_exist(work, stage, before):
        return None
    return before if before.state == "skipped" else msgspec.structs.replace(before, state="kept")


def _outputs_exist(work: StageContext, stage: Stage, before: StageResult) -> bool:
    """Return whether what a stage left is there still: its file, and its run, which nobody took back."""
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
