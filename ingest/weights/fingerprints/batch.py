"""Fingerprints of many models: found on disk, computed side by side, kept as they come, and never computed twice.

Each worker handles a model of its own, through the executor interface of the standard library (threads, processes, a
Dask cluster); a damaged model is named and the rest goes on.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import count
from pathlib import Path

import msgspec

from atlas_db.core.decoding import prepared
from atlas_db.core.errors import AtlasError, InputError, WeightsError
from atlas_db.core.terms import Progress
from ingest.weights.fingerprints.executors import workers
from ingest.weights.fingerprints.fingerprint import Fingerprint, fingerprint
from ingest.weights.fingerprints.parquet import is_older, read_fingerprints, write_fingerprints
from ingest.weights.formats.http_range import REPOSITORY, SCHEME, describe, open_remote
from ingest.weights.formats.model_folder import PICKLES
from ingest.weights.formats.open_model import OpenModel, open_model

LISTING = "hub.jsonl"
FEW = 16
"""Models below which processes are not worth their start."""
CHECKPOINT = 64
"""Models after which what is done so far is on disk."""
_WEIGHTS = (".safetensors", ".gguf", *PICKLES)


class ModelFiles(msgspec.Struct, frozen=True):
    """A model to look at.

    Attributes:
        id: Its id.
        folder: Where its files are: a folder, or `hub:owner/name@revision`.
        created_at: Its date, or empty.
        revision: Digest of its weight files' names, sizes and times.
    """

    id: str
    folder: str
    created_at: str = ""
    revision: str = ""


@prepared
class _Listed(msgspec.Struct):
    id: str
    folder: str
    created_at: str | None = None


@dataclass(slots=True)
class FingerprintReport:
    """What a batch did.

    Attributes:
        models: Models found.
        made: Fingerprints computed.
        kept: Fingerprints that were there already, of the same files.
        failed: Models set aside, id and reason.
        notes: What was left out of models that were kept, id and text.
        pickles: Files that were never opened.
        read_bytes: Bytes read.
        size: Bytes of the files.
    """

    models: int = 0
    made: int = 0
    kept: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    notes: dict[str, list[str]] = field(default_factory=dict)
    pickles: int = 0
    read_bytes: int = 0
    size: int = 0

    def counts(self) -> dict[str, object]:
        """Return everything as plain values."""
        plain: dict[str, object] = msgspec.to_builtins(self)
        return plain


@dataclass(slots=True)
class _Made:
    print: Fingerprint | None
    failure: str
    pickles: int
    read_bytes: int
    size: int


def find_models(paths: Sequence[Path]) -> list[ModelFiles]:
    """Find the models under paths: one model's folder, a folder with a listing, a tree of folders, a repository.

    Raises:
        InputError: A path is not there, a listing is broken or names what is outside, or nothing holds weights.
        HubError: The Hub refuses a repository.
    """
    found: dict[str, ModelFiles] = {}
    for path in paths:
        if not path.is_dir():
            if not REPOSITORY.fullmatch(str(path)):
                raise InputError(f"{path} is no folder", hint="Name a model's folder, a folder of such, or owner/name")
            revision_, created = describe(str(path))
            found[str(path)] = ModelFiles(str(path), f"{SCHEME}{path}@{revision_}", created, revision_)
            continue
        for item in _listed(path) if (path / LISTING).is_file() else _walked(path):
            found.setdefault(item.id, item)
    if not found:
        raise InputError("no folder here holds weights", hint="Name folders with .safetensors or .gguf files")
    return sorted(found.values(), key=lambda item: item.id)


def _listed(path: Path) -> Iterator[ModelFiles]:
    for number, line in enumerate((path / LISTING).read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        try:
            item = msgspec.json.decode(line, type=_Listed)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise InputError(
                f"{path / LISTING} line {number}: {error}", hint="A line is {id, created_at, folder}"
            ) from error
        folder = (path / item.folder).resolve()
        if not folder.is_relative_to(path.resolve()):
            raise InputError(f"{path / LISTING} line {number} names {item.folder!r}, outside of the folder")
        yield ModelFiles(item.id, str(folder), item.created_at or "", revision(folder))


def _walked(path: Path) -> Iterator[ModelFiles]:
    if _holds_weights(path):
        yield ModelFiles(path.resolve().name, str(path.resolve()), "", revision(path))
        return
    for folder in sorted(part for part in path.rglob("*") if part.is_dir() and _holds_weights(part)):
        yield ModelFiles(folder.relative_to(path).as_posix(), str(folder.resolve()), "", revision(folder))


def _holds_weights(folder: Path) -> bool:
    return any(file.suffix.lower() in _WEIGHTS for file in folder.iterdir() if file.is_file())


def revision(folder: Path) -> str:
    """Return a digest of the names, sizes and times of a folder's files; empty where it cannot be read."""
    try:
        files = sorted((file.name, file.stat()) for file in folder.iterdir() if file.is_file())
    except OSError:
        return ""
    text = "\n".join(f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in files)
    return blake2b(text.encode(), digest_size=12).hexdigest()


def fingerprint_all(
    models: Sequence[ModelFiles], out: Path, progress: Progress, *, executor: Executor | None = None
) -> FingerprintReport:
    """Fingerprint models into a Parquet file. A run that was killed goes on from its last checkpoint.

    Args:
        models: What to look at.
        out: The file; fingerprints of unchanged files that it holds already are kept, unless of an older version.
        progress: Told of stage, done and total.
        executor: Where to compute; by default a process a core.

    Raises:
        InputError: The file that is there cannot be read.
    """
    report = FingerprintReport(models=len(models))
    parts = out.with_name(out.name + ".parts")
    known = _known(out, parts)
    keep = {item.id: known[item.id] for item in models if item.id in known and known[item.id].revision == item.revision}
    report.kept = len(keep)
    missing = [item for item in models if item.id not in keep]
    parts.mkdir(parents=True, exist_ok=True)
    with executor or workers(many=len(missing) >= FEW) as pool:
        made = _compute(missing, pool, parts, report, progress)
    whole = {**known, **{item.id: item for item in made}}
    write_fingerprints((whole[key] for key in sorted(whole) if key not in report.failed), out)
    shutil.rmtree(parts)
    return report


def _known(out: Path, parts: Path) -> dict[str, Fingerprint]:
    files = [out, *sorted(parts.glob("*.parquet"))] if out.exists() else sorted(parts.glob("*.parquet"))
    return {item.id: item for item in read_fingerprints(file for file in files if not is_older(file))}


def _compute(
    missing: Sequence[ModelFiles], pool: Executor, parts: Path, report: FingerprintReport, progress: Progress
) -> list[Fingerprint]:
    made: list[Fingerprint] = []
    waiting: list[Fingerprint] = []
    number = count(len(list(parts.glob("*.parquet"))))
    futures = {pool.submit(_one, item): item for item in missing}
    for done, future in enumerate(as_completed(futures), 1):
        item, result = futures[future], future.result()
        report.pickles += result.pickles
        report.read_bytes += result.read_bytes
        report.size += result.size
        if result.print is None:
            report.failed[item.id] = result.failure
        else:
            report.made += 1
            waiting.append(result.print)
            if result.print.problems:
                report.notes[item.id] = result.print.problems
        if len(waiting) == CHECKPOINT:
            write_fingerprints(waiting, parts / f"{next(number):06d}.parquet")
            made += waiting
            waiting = []
        progress("Fingerprints", done, len(missing))
    report.failed = dict(sorted(report.failed.items()))
    report.notes = dict(sorted(report.notes.items()))
    return made + waiting


def _open(place: str) -> OpenModel:
    if place.startswith(SCHEME):
        return open_remote(*place.removeprefix(SCHEME).split("@", 1))
    return open_model(Path(place))


def _one(item: ModelFiles) -> _Made:
    """Fingerprint one model; what goes wrong is a value, so that it crosses processes."""
    try:
        with _open(item.folder) as model:
            made = fingerprint(model, item.id, item.created_at)
            made.revision = item.revision
            return _Made(made, "", len(model.pickles), model.read_bytes, model.size)
    except WeightsError as error:
        names = [file.name for file in Path(item.folder).iterdir()] if Path(item.folder).is_dir() else []
        pickles = sum(name.lower().endswith(PICKLES) for name in names)
        return _Made(None, str(error), pickles, 0, 0)
    except (AtlasError, OSError) as error:
        return _Made(None, f"{item.folder}: {error}", 0, 0, 0)
