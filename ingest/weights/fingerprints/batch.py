"""Fingerprints of many models, computed in parallel and written in checkpoints; unchanged models are not read again.

Each worker computes one model at a time, through the executor interface of the standard library: threads, processes or
a Dask cluster. A damaged model is reported, and the others go on.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import msgspec

from atlas_db.core.errors import AtlasError, WeightsError, fault_text
from atlas_db.core.files import printable
from atlas_db.core.locks import exclusive_lock
from atlas_db.core.terms import Progress
from ingest.formats.open_model import OpenModel, open_model
from ingest.formats.other_files import (
    PICKLE,
    other_files,
)
from ingest.weights.fingerprints.executors import local_executor
from ingest.weights.fingerprints.fingerprint import Fingerprint, compute_fingerprint
from ingest.weights.fingerprints.http_range import SCHEME, open_remote
from ingest.weights.fingerprints.model_files import ModelFiles
from ingest.weights.fingerprints.parquet import has_other_version, read_fingerprints, write_fingerprints

MIN_MODELS_FOR_PROCESSES = 16
"""Models from which processes are worth their start."""
LOCK_FILE = "writer.lock"
CHECKPOINT_MODELS = 64
"""Models between two checkpoints on disk."""


@dataclass(slots=True)
class FingerprintReport:
    """Counts of a batch of fingerprints.

    Attributes:
        models: Models found.
        made: Fingerprints computed.
        kept: Fingerprints of unchanged files that were there already.
        failed: Reasons by id of models that cannot be read.
        faults: Models among them that met a fault of atlas-db itself.
        notes: Problems by id of models that were read in part.
        pickles: Pickle files, which are never opened.
        skipped: Files that hold weights and are not read, by their kind, pickles among them.
        read_bytes: Bytes read.
        size: Bytes of the files.
    """

    models: int = 0
    made: int = 0
    kept: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    faults: int = 0
    notes: dict[str, list[str]] = field(default_factory=dict)
    pickles: int = 0
    skipped: dict[str, int] = field(default_factory=dict)
    read_bytes: int = 0
    size: int = 0

    def counts(self) -> dict[str, object]:
        """Return everything as plain values."""
        plain: dict[str, object] = msgspec.to_builtins(self)
        return plain


@dataclass(slots=True)
class _Outcome:
    fingerprint: Fingerprint | None
    failure: str
    skipped: dict[str, int]
    read_bytes: int
    size: int
    is_fault: bool = False


def fingerprint_all(
    models: Sequence[ModelFiles], out: Path, progress: Progress, *, executor: Executor | None = None
) -> FingerprintReport:
    """Fingerprint models into a Parquet file. A run that was killed goes on from its last checkpoint.

    Args:
        models: The models.
        out: The file. Its fingerprints of unchanged files are kept, unless of another version.
        progress: Called with stage, done and total.
        executor: Executor; by default a process a core.

    Raises:
        InputError: The file that is there cannot be read.
        StoreLockedError: Another process writes this file.
    """
    parts = out.with_name(out.name + ".parts")
    parts.mkdir(parents=True, exist_ok=True)
    with exclusive_lock(parts / LOCK_FILE, f"another process writes {printable(out)}"):
        try:
            return _fingerprint_all(models, out, parts, progress, executor)
        finally:
            if not _checkpoints(parts):
                shutil.rmtree(parts, ignore_errors=True)


def _fingerprint_all(
    models: Sequence[ModelFiles], out: Path, parts: Path, progress: Progress, executor: Executor | None
) -> FingerprintReport:
    report = FingerprintReport(models=len(models))
    known = _existing_fingerprints(out, parts)
    unchanged = {
        item.id: known[item.id] for item in models if item.id in known and known[item.id].revision == item.revision
    }
    report.kept = len(unchanged)
    missing = [item for item in models if item.id not in unchanged]
    with executor or local_executor(many=len(missing) >= MIN_MODELS_FOR_PROCESSES) as pool:
        made = _compute_missing(missing, pool, parts, report, progress)
    merged = {**known, **{item.id: item for item in made}}
    write_fingerprints((merged[key] for key in sorted(merged) if key not in report.failed), out)
    for part in _checkpoints(parts):
        part.unlink()
    return report


def _checkpoints(parts: Path) -> list[Path]:
    return sorted(parts.glob("*.parquet"))


def _existing_fingerprints(out: Path, parts: Path) -> dict[str, Fingerprint]:
    files = [out, *_checkpoints(parts)] if out.exists() else _checkpoints(parts)
    return {item.id: item for item in read_fingerprints(file for file in files if not has_other_version(file))}


def _compute_missing(
    missing: Sequence[ModelFiles], pool: Executor, parts: Path, report: FingerprintReport, progress: Progress
) -> list[Fingerprint]:
    made: list[Fingerprint] = []
    unwritten: list[Fingerprint] = []
    number = count(len(_checkpoints(parts)))
    futures = {pool.submit(_fingerprint_model, item): item for item in missing}
    for done, future in enumerate(as_completed(futures), 1):
        item, result = futures[future], future.result()
        for kind, count_of_kind in result.skipped.items():
            report.skipped[kind] = report.skipped.get(kind, 0) + count_of_kind
        report.pickles = report.skipped.get(PICKLE, 0)
        report.read_bytes += result.read_bytes
        report.size += result.size
        if result.fingerprint is None:
            report.failed[item.id] = printable(result.failure)
            report.faults += result.is_fault
        else:
            report.made += 1
            unwritten.append(result.fingerprint)
            if problems := [*item.notes, *result.fingerprint.problems]:
                report.notes[item.id] = problems
        if len(unwritten) == CHECKPOINT_MODELS:
            write_fingerprints(unwritten, parts / f"{next(number):06d}.parquet")
            made += unwritten
            unwritten = []
        progress("Fingerprints", done, len(missing))
    report.failed = dict(sorted(report.failed.items()))
    report.notes = dict(sorted(report.notes.items()))
    return made + unwritten


def open_location(location: str) -> OpenModel:
    """Open the weights at a location as `ModelFiles.folder` states it.

    Raises:
        WeightsError: Nothing readable is there, or a file is damaged.
        HubError: The Hub refuses.
    """
    if location.startswith(SCHEME):
        return open_remote(*location.removeprefix(SCHEME).split("@", 1))
    return open_model(Path(location))


def _fingerprint_model(item: ModelFiles) -> _Outcome:
    """Fingerprint one model; an error is returned as a value, so that it crosses processes."""
    if item.problem:
        return _Outcome(None, item.problem, {}, 0, 0)
    try:
        with open_location(item.folder) as model:
            made = compute_fingerprint(model, item.id, item.created_at)
            made.revision = item.revision
            made.location, made.problems = printable(made.location), list(map(printable, made.problems))
            return _Outcome(made, "", _counts(model.others), model.read_bytes, model.size)
    except WeightsError as error:
        return _Outcome(None, str(error), _counts(_others(item.folder)), 0, 0)
    except (AtlasError, OSError) as error:
        return _Outcome(None, f"{item.folder}: {error}", {}, 0, 0)
    except MemoryError:
        return _Outcome(None, f"{item.folder} needs more memory than there is", {}, 0, 0)
    except Exception as error:  # noqa: BLE001 - one odd model among many must not end the batch; it is reported
        return _Outcome(None, f"{item.folder}: {fault_text(error)}", {}, 0, 0, is_fault=True)


def _others(location: str) -> dict[str, list[str]]:
    """Return the files that hold weights and are not read, of a model that cannot be opened."""
    path = Path(location)
    try:
        return other_files([file.name for file in path.iterdir()]) if path.is_dir() else {}
    except OSError:
        return {}


def _counts(found: Mapping[str, Sequence[str]]) -> dict[str, int]:
    return {kind: len(names) for kind, names in found.items()}
