"""Fingerprints of many models, computed in parallel and written in checkpoints; unchanged models are not read again.

Each worker computes one model at a time, through the executor interface of the standard library: threads, processes or
a Dask cluster. A damaged model is reported, and the others go on.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, as_completed
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from atlas_db.core.decoding import MalformedError, prepared, read_json
from atlas_db.core.errors import AtlasError, InputError, WeightsError
from atlas_db.core.files import printable
from atlas_db.core.locks import exclusive_lock
from atlas_db.core.terms import Progress, RecordKind
from ingest.formats.open_model import OpenModel, open_model
from ingest.formats.other_files import (
    FOLDERS,
    PICKLE,
    READ_SUFFIXES,
    file_kind,
    holds_weights,
    only_these,
    other_files,
)
from ingest.formats.pipelines.pipeline_index import component_folders
from ingest.hub.local_repository import LocalRepository, broken_links, cached_repository, in_hub_cache
from ingest.weights.fingerprints.executors import local_executor
from ingest.weights.fingerprints.fingerprint import Fingerprint, compute_fingerprint
from ingest.weights.fingerprints.http_range import REPOSITORY, SCHEME, open_remote, revision_and_date
from ingest.weights.fingerprints.model_stores import LooseModel, is_ollama_store, loose_models, ollama_models
from ingest.weights.fingerprints.parquet import has_other_version, read_fingerprints, write_fingerprints

LISTING_FILE = "hub.jsonl"
MIN_MODELS_FOR_PROCESSES = 16
"""Models from which processes are worth their start."""
LOCK_FILE = "writer.lock"
CHECKPOINT_MODELS = 64
"""Models between two checkpoints on disk."""
_HUB_ADDRESS = re.compile(r"^hf:/{1,2}(models/)?")
"""Beginning of `hf://owner/name`; a path has one slash of the two."""


class ModelFiles(msgspec.Struct, frozen=True):
    """Location of a model's files.

    Attributes:
        id: Its id.
        folder: A folder, or `hub:owner/name@revision`.
        created_at: Its date, or empty.
        revision: Digest of its weight files' names, sizes and times.
        problem: Why it cannot be read, where that shows before its files are opened.
        notes: What may be wrong about it, though it can be read.
    """

    id: str
    folder: str
    created_at: str = ""
    revision: str = ""
    problem: str = ""
    notes: tuple[str, ...] = ()


@prepared
class _ListingLine(msgspec.Struct):
    id: str
    folder: str
    created_at: str | None = None


@dataclass(slots=True)
class FingerprintReport:
    """Counts of a batch of fingerprints.

    Attributes:
        models: Models found.
        made: Fingerprints computed.
        kept: Fingerprints of unchanged files that were there already.
        failed: Reasons by id of models that cannot be read.
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


def find_models(paths: Sequence[Path]) -> list[ModelFiles]:
    """Return the models under paths: one model's folder or file, a folder with a listing or of such, a repository.

    A repository, owner/name or hf://owner/name, is read from the Hub's cache of this machine where it is there, else
    from the Hub by ranges.

    Raises:
        InputError: A path is not there, a listing is broken or names what is outside, or nothing holds weights.
        HubError: The Hub refuses a repository.
    """
    found: dict[str, ModelFiles] = {}
    for path in paths:
        if path.is_file():
            found[path.stem] = _model_of_file(path)
            continue
        if not path.is_dir():
            repository = _HUB_ADDRESS.sub("", path.as_posix())
            if os.path.lexists(path) or not REPOSITORY.fullmatch(repository):
                raise InputError(
                    f"{path} is not there", hint="Name a model's folder or file, a folder of such, or hf://owner/name"
                )
            kept = in_hub_cache(repository)
            if cached := [] if kept is None or kept.missing else list(_models_in_cache(kept)):
                found |= {item.id: item for item in cached}
                continue
            revision, created = revision_and_date(repository)
            found[repository] = ModelFiles(repository, f"{SCHEME}{repository}@{revision}", created, revision)
            continue
        for item in _models_in_listing(path) if (path / LISTING_FILE).is_file() else _models_in_tree(path):
            found.setdefault(item.id, item)
    if not found:
        raise InputError(
            "no folder here holds weights",
            hint="Name folders with .safetensors or .gguf files: atlas-db formats lists what is read",
        )
    return sorted(found.values(), key=lambda item: item.id)


def _model_of_file(path: Path) -> ModelFiles:
    """Return a model that is one file: safetensors, or GGUF that is not in parts."""
    if path.suffix.lower() not in READ_SUFFIXES:
        found = other_files([path.name])
        problem = f", {only_these(found)}" if found else ""
        return ModelFiles(path.stem, str(path.resolve()), problem=f"{path} is no safetensors or GGUF file{problem}")
    return ModelFiles(path.stem, str(path.resolve()), "", digest_of([path]))


def _models_in_listing(path: Path) -> Iterator[ModelFiles]:
    for number, line in enumerate((path / LISTING_FILE).read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        try:
            item = msgspec.json.decode(line, type=_ListingLine)
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise InputError(
                f"{path / LISTING_FILE} line {number}: {error}", hint="A line is {id, created_at, folder}"
            ) from error
        folder = (path / item.folder).resolve()
        if not folder.is_relative_to(path.resolve()):
            raise InputError(f"{path / LISTING_FILE} line {number} names {item.folder!r}, outside of the folder")
        yield ModelFiles(item.id, str(folder), item.created_at or "", files_digest(folder))


def _models_in_tree(path: Path) -> Iterator[ModelFiles]:
    if (cached := cached_repository(path)) is not None:
        yield from _models_in_cache(cached)
    elif is_ollama_store(path):
        yield from (_loose_model(each, each.name) for each in ollama_models(path))
    elif _holds_weights(path):
        yield from _models_of_folder(path, path.resolve().name)
    else:
        yield from _models_below(path, path)


def _models_below(folder: Path, root: Path) -> Iterator[ModelFiles]:
    try:
        parts = sorted(each for each in folder.iterdir() if each.is_dir())
    except OSError as error:
        yield ModelFiles(folder.relative_to(root).as_posix(), str(folder), problem=f"{folder}: {error.strerror}")
        return
    for part in parts:
        if (cached := cached_repository(part)) is not None:
            yield from _models_in_cache(cached)
            continue
        if is_ollama_store(part):
            yield from (_loose_model(each, each.name) for each in ollama_models(part))
            continue
        if _is_model(part):
            yield from _models_of_folder(part, part.relative_to(root).as_posix())
        if not part.is_symlink():
            yield from _models_below(part, root)


def _models_of_folder(folder: Path, name: str) -> Iterator[ModelFiles]:
    """Yield the model of a folder, or the models that are files of it."""
    loose = [] if component_folders(folder) else loose_models(folder)
    if not loose:
        yield ModelFiles(name, str(folder.resolve()), "", files_digest(folder))
    for each in loose:
        yield _loose_model(each, f"{name}/{each.name}" if each.name else name)


def _loose_model(found: LooseModel, name: str) -> ModelFiles:
    if found.problem:
        return ModelFiles(name, str(found.file), problem=found.problem)
    return ModelFiles(name, str(found.file.resolve()), "", digest_of([found.file]))


def _models_in_cache(found: LocalRepository) -> Iterator[ModelFiles]:
    """Yield the models of a repository in the Hub's cache: of its snapshot, and of the folders in that."""
    if found.kind != RecordKind.MODEL:
        return
    links = [link.name for link in broken_links(found.folder)]
    lost = [name for name in links if _is_read(name.lower()) or file_kind(name, ())]
    if found.missing or lost:
        reason = f"{lost[0]} links to a file that is not there" if lost else found.notes[0][1]
        yield ModelFiles(found.id, str(found.folder), problem=reason)
        return
    for folder in [found.folder, *sorted(each for each in found.folder.rglob("*") if each.is_dir())]:
        if _is_model(folder):
            inner = folder.relative_to(found.folder).as_posix()
            name = found.id if inner == "." else f"{found.id}/{inner}"
            yield ModelFiles(name, str(folder), "", files_digest(folder), notes=tuple(text for _, text in found.notes))


def _is_model(folder: Path) -> bool:
    """Return whether a folder below others is a model of its own, and not that around it in another format."""
    if folder.name in FOLDERS and not any(map(_is_read, _files_of(folder))) and _holds_weights(folder.parent):
        return False
    if folder.name in _sentence_modules(folder.parent) and _holds_weights(folder.parent):
        return False
    return folder not in component_folders(folder.parent) and _holds_weights(folder)


def _sentence_modules(folder: Path) -> list[str]:
    """Return the folders of a sentence-transformers model that hold its further modules."""
    try:
        stated = read_json(folder / "modules.json", list[dict[str, Any]])
    except (OSError, MalformedError):
        return []
    return [path for each in stated if isinstance(path := each.get("path"), str)]


def _holds_weights(folder: Path) -> bool:
    """Return whether a folder holds weights, read or not, in a pipeline's case in its components."""
    return holds_weights(_files_of(folder)) or bool(component_folders(folder))


def _is_read(name: str) -> bool:
    return name.endswith(READ_SUFFIXES)


def _files_of(folder: Path) -> set[str]:
    """Return the names of a folder's files in small letters; none where it cannot be read."""
    try:
        return {file.name.lower() for file in folder.iterdir() if file.is_file()}
    except OSError:
        return set()


def files_digest(folder: Path) -> str:
    """Return a digest of the names, sizes and times of a folder's files; empty where it cannot be read.

    Folders below that hold the same model in another format count, as that may be all there is; so do components.
    """
    try:
        below = [*(folder / name for name in FOLDERS if (folder / name).is_dir()), *component_folders(folder)]
        return digest_of(file for place in (folder, *below) for file in place.iterdir() if file.is_file())
    except OSError:
        return ""


def digest_of(paths: Iterable[Path]) -> str:
    """Return a digest of files' names, sizes and times.

    Raises:
        OSError: A file is not there.
    """
    files = sorted((file.name, file.stat()) for file in paths)
    text = "\n".join(f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in files)
    return blake2b(text.encode(), digest_size=12).hexdigest()


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
            report.failed[item.id] = result.failure
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
            return _Outcome(made, "", _counts(model.others), model.read_bytes, model.size)
    except WeightsError as error:
        return _Outcome(None, str(error), _counts(_others(item.folder)), 0, 0)
    except (AtlasError, OSError) as error:
        return _Outcome(None, f"{item.folder}: {error}", {}, 0, 0)


def _others(location: str) -> dict[str, list[str]]:
    """Return the files that hold weights and are not read, of a model that cannot be opened."""
    path = Path(location)
    try:
        return other_files([file.name for file in path.iterdir()]) if path.is_dir() else {}
    except OSError:
        return {}


def _counts(found: Mapping[str, Sequence[str]]) -> dict[str, int]:
    return {kind: len(names) for kind, names in found.items()}
