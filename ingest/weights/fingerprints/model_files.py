"""Where the models of some paths lie: folders, files, listings, the Hub's cache, Ollama's store, repositories."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec

from atlas_db.core.decoding import MalformedError, json_as, prepared, read_json
from atlas_db.core.errors import AtlasError, InputError, RecordError, fault_text
from atlas_db.core.files import printable, reason_of, resolved
from atlas_db.core.safe_text import cut, shown, visible
from atlas_db.core.terms import RecordKind
from ingest.formats.other_files import FOLDERS, READ_SUFFIXES, file_kind, holds_weights, only_these, other_files
from ingest.formats.pipelines.pipeline_index import component_folders
from ingest.hub.local_repository import LocalRepository, broken_links, cached_repository, in_hub_cache
from ingest.hub.record_ids import record_id, require_id
from ingest.hub.snapshot import RawRecord, SourceFile, read_records
from ingest.normalise.values import hub_date
from ingest.weights.fingerprints.http_range import REPOSITORY, SCHEME, revision_and_date
from ingest.weights.fingerprints.model_stores import LooseModel, is_ollama_store, loose_models, ollama_models

LISTING_FILE = "hub.jsonl"
_LINE, _BAD_FOLDER = "{id, created_at, folder}", "bad_folder"
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


def find_models(paths: Sequence[Path]) -> list[ModelFiles]:
    """Return the models under paths: one model's folder or file, a folder with a listing or of such, a repository.

    A repository, owner/name or hf://owner/name, is read from the Hub's cache of this machine where it is there, else
    from the Hub by ranges.

    Raises:
        InputError: A path is not there, or nothing holds weights.
        HubError: The Hub refuses a repository.
    """
    found: dict[str, ModelFiles] = {}
    for path in paths:
        if path.is_file():
            item = _with_usable_id(_model_of_file(path))
            found[item.id] = item
            continue
        if not path.is_dir():
            repository = _HUB_ADDRESS.sub("", path.as_posix())
            if os.path.lexists(path) or not REPOSITORY.fullmatch(repository):
                raise InputError(
                    f"{path} is not there", hint="Name a model's folder or file, a folder of such, or hf://owner/name"
                )
            kept = in_hub_cache(repository)
            if cached := [] if kept is None or kept.missing else list(_models_in_cache(kept)):
                found |= {item.id: item for item in map(_with_usable_id, cached)}
                continue
            revision, created = revision_and_date(repository)
            found[repository] = ModelFiles(repository, f"{SCHEME}{repository}@{revision}", created, revision)
            continue
        for item in _models_in_listing(path) if (path / LISTING_FILE).is_file() else _models_in_tree(path):
            usable = _with_usable_id(item)
            found.setdefault(usable.id, usable)
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
        return ModelFiles(path.stem, str(resolved(path)), problem=f"{path} is no safetensors or GGUF file{problem}")
    return ModelFiles(path.stem, str(resolved(path)), "", digest_of([path]))


def _with_usable_id(item: ModelFiles) -> ModelFiles:
    """Return a model whose id pages and the graph can have; one that has none fails by name."""
    name = printable(item.id)
    try:
        require_id(name)
    except RecordError as error:
        reason = f"{error.message}: rename it, or list it in {LISTING_FILE} under another id"
        return ModelFiles(cut(visible(name).replace("\n", r"\n").replace("\t", r"\t")), item.folder, problem=reason)
    return item if name == item.id else msgspec.structs.replace(item, id=name)


def _models_in_listing(path: Path) -> Iterator[ModelFiles]:
    """Yield the models of a listing. A line that cannot be used is a model that fails by name."""
    listing, root = path / LISTING_FILE, resolved(path)
    try:
        for raw in read_records(SourceFile(listing, LISTING_FILE)):
            try:
                item = _listed_model(raw, root)
            except RecordError as error:
                name = f"{LISTING_FILE} line {raw.line}"
                item = ModelFiles(name, str(listing), problem=f"{listing} line {raw.line}: {error.message}")
            yield item
    except RecordError as error:
        yield ModelFiles(LISTING_FILE, str(listing), problem=f"{listing}: {error.message}")


def _listed_model(raw: RawRecord, root: Path) -> ModelFiles:
    """Return the model of a line.

    Raises:
        RecordError: It is no such JSON, too long, has no usable id, or names no folder below that of the listing.
    """
    if raw.problem is not None:
        raise raw.problem
    try:
        line = json_as(raw.text, _ListingLine)
    except MalformedError as error:
        raise RecordError(f"{error}; a line is {_LINE}", code="not_json") from error
    identifier, _, odd = record_id(line.id, RecordKind.MODEL)
    notes = [odd] if odd else []
    created = line.created_at or ""
    try:
        hub_date(created)
    except ValueError:
        notes.append(f"created_at {shown(created)} is no date")
        created = ""
    try:
        folder = (root / line.folder).resolve()
    except (OSError, ValueError, RuntimeError) as error:  # values: a null byte; at run time: links in a ring
        reason = f"names {shown(line.folder)}, which no disk has ({reason_of(error)})"
        raise RecordError(reason, code=_BAD_FOLDER) from error
    if not folder.is_relative_to(root):
        raise RecordError(f"names {shown(line.folder)}, outside of the folder", code=_BAD_FOLDER)
    return ModelFiles(identifier, str(folder), created, files_digest(folder), notes=tuple(notes))


def _models_in_tree(path: Path) -> Iterator[ModelFiles]:
    if (cached := cached_repository(path)) is not None:
        yield from _models_in_cache(cached)
    elif is_ollama_store(path):
        yield from (_loose_model(each, each.name) for each in ollama_models(path))
    elif _holds_weights(path):
        yield from _models_of_folder(path, resolved(path).name)
    else:
        yield from _models_below(path, path)


def _models_below(folder: Path, root: Path) -> Iterator[ModelFiles]:
    try:
        parts = sorted(each for each in folder.iterdir() if each.is_dir())
    except OSError as error:
        yield ModelFiles(folder.relative_to(root).as_posix(), str(folder), problem=f"{folder}: {error.strerror}")
        return
    for part in parts:
        name = part.relative_to(root).as_posix()
        try:
            whole = cached_repository(part) is not None or is_ollama_store(part)
            models = _models_in_tree(part) if whole else _models_of_folder(part, name)
            found = list(models) if whole or _is_model(part) else []
        except Exception as error:  # noqa: BLE001 - one odd folder among many fails by name, the others go on
            reason = reason_of(error) if isinstance(error, OSError | AtlasError) else fault_text(error)
            whole, found = True, [ModelFiles(name, str(part), problem=f"{part}: {reason}")]
        yield from found
        if not whole and not part.is_symlink():
            yield from _models_below(part, root)


def _models_of_folder(folder: Path, name: str) -> Iterator[ModelFiles]:
    """Yield the model of a folder, or the models that are files of it."""
    loose = [] if component_folders(folder) else loose_models(folder)
    if not loose:
        yield ModelFiles(name, str(resolved(folder)), "", files_digest(folder))
    for each in loose:
        yield _loose_model(each, f"{name}/{each.name}" if each.name else name)


def _loose_model(found: LooseModel, name: str) -> ModelFiles:
    if found.problem:
        return ModelFiles(name, str(found.file), problem=found.problem)
    return ModelFiles(name, str(resolved(found.file)), "", digest_of([found.file]))


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
