"""Goes through the stages in order; what is done already, and rests on the same, is kept."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from atlas_db.core.errors import UsageError
from atlas_db.core.files import write_whole
from atlas_db.core.settings import Settings
from atlas_db.core.terms import Progress, RunKind
from atlas_db.licenses.rules import rule_book
from atlas_db.pipeline.checkpoint import Done, Ledger, alone
from atlas_db.pipeline.resources import Gauge
from atlas_db.pipeline.stages import STAGES, FlowOptions, Stage, Work
from atlas_db.pipeline.summary import closing
from atlas_db.store.connect import ensure_schema, open_store
from gnn.dataset.tasks import tasks_for
from ingest.hub.snapshot import SourceFile, find
from ingest.load.runs import list_runs
from ingest.weights.fingerprints.batch import Found, find_models

REPORT = "report.json"
Told = Callable[[str, Done | None], None]
"""Told of a stage's name when it begins (None), and when it is over."""


@dataclass(frozen=True, slots=True)
class FlowReport:
    """What a run came to.

    Attributes:
        stages: The stages in order, by name.
        atlas: What the atlas holds now: declared, inferred, predicted, contradicted; verdicts and findings.
        out: Its folder.
    """

    stages: dict[str, Done]
    atlas: dict[str, Any]
    out: str

    def document(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {"out": self.out, "stages": msgspec.to_builtins(self.stages), "atlas": self.atlas}


def run(
    settings: Settings, options: FlowOptions, progress: Progress = lambda *_: None, told: Told = lambda *_: None
) -> FlowReport:
    """Load, fingerprint, chart, complete, audit and export. Killed at any moment and run again, it goes on.

    Args:
        settings: Names the store and the home folder.
        options: What to run.
        progress: Told how far the stage is.
        told: Told when a stage begins, and when it is over.

    Returns:
        The report, which `report.json` in the folder holds, too.

    Raises:
        InputError: There is nothing to read.
        UsageError: There is no such attribute or profile, or the folder holds something else.
        StoreLockedError: Another run is at the folder, or another process writes to the store.
        StoreError: The store failed; run the same again.
    """
    sources, models = _check(settings, options)
    with alone(options.out), open_store(settings) as store:
        work = Work(store, settings, options, sources, models, progress)
        ledger = Ledger(options.out, ensure_schema(store))
        for stage in STAGES:
            told(stage.name, None)
            _go(work, ledger, stage)
            told(stage.name, ledger.stages[stage.name])
        report = FlowReport(ledger.stages, closing(store), str(options.out))
        write_whole(options.out / REPORT, msgspec.json.format(msgspec.json.encode(report.document()), indent=1))
    return report


def _check(settings: Settings, options: FlowOptions) -> tuple[list[SourceFile], list[Found]]:
    """Find what is wrong with the words before hours have passed; return the lists and the models that they name."""
    if "-" in options.hub:
        raise UsageError("a run that can go on reads no standard input", hint="Save the list, and name its file")
    sources = find(list(options.hub), settings.home / "spool")
    models = find_models(options.weights) if options.weights else []
    rule_book(options.profile)
    tasks_for(options.attributes)
    return sources, models


def outlook(settings: Settings, options: FlowOptions) -> dict[str, str]:
    """Return what a run would do with each stage, without doing it: done, kept, or skipped.

    Raises:
        InputError, UsageError, StoreError: As `run` does.
    """
    sources, models = _check(settings, options)
    seen: dict[str, str] = {}
    with open_store(settings) as store:
        work = Work(store, settings, options, sources, models)
        ledger = Ledger(options.out, ensure_schema(store))
        for stage in STAGES:
            # What rests on the graph is done again after a stage that changes it.
            moved = "done" in seen.values() and stage.name in ("complete", "audit", "export")
            kept = None if moved else _kept(work, ledger, stage, stage.key(work))
            seen[stage.name] = "done" if kept is None else kept.state
    return seen


def _go(work: Work, ledger: Ledger, stage: Stage) -> None:
    key = stage.key(work)
    if (kept := _kept(work, ledger, stage, key)) is not None:
        ledger.put(stage.name, kept)
        return
    with Gauge(work.settings) as gauge:
        outcome = stage.act(work)
    done = Done(
        state="skipped" if outcome.skipped else "done", key=key, reason=outcome.skipped, run_id=outcome.run_id,
        seconds=gauge.seconds, memory=gauge.memory, engine=gauge.engine, counts=outcome.counts,
    )  # fmt: skip
    ledger.put(stage.name, done)


def _kept(work: Work, ledger: Ledger, stage: Stage, key: str) -> Done | None:
    """Return a stage as an earlier run left it, or None where it has to be done."""
    before = ledger.stages.get(stage.name)
    if before is None or before.key != key or not _stands(work, stage, before):
        return None
    return before if before.state == "skipped" else msgspec.structs.replace(before, state="kept")


def _stands(work: Work, stage: Stage, before: Done) -> bool:
    """Return whether what a stage left is there still: its file, and its run, which nobody took back."""
    if before.state == "skipped":
        return True
    if stage.leaves and not work.file(stage.leaves).is_file():
        return False
    if not before.run_id:
        return True
    found = [each for each in list_runs(work.store) if each["complete"]]
    mine = next((each for each in found if each["id"] == before.run_id), None)
    if mine is None or mine["kind"] != RunKind.AUDIT:
        return mine is not None
    # A later audit replaces the findings of an earlier one.
    return bool(next(each["id"] for each in found if each["kind"] == RunKind.AUDIT) == before.run_id)
