"""Repositories on a disk: the Hub's cache, which keeps each under `models--owner--name`, and folders of weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atlas_db.core.decoding import decode_json
from atlas_db.core.files import printable
from atlas_db.core.terms import RecordKind
from ingest.hub.hub_row import Notes
from ingest.hub.repository_files import MERGE_CONFIGS, UNREAD_FILE, read_statements

CARD = "readme.md"
CONFIG = "config.json"
BROKEN = "broken_cache"
"""Code for an entry of the Hub's cache that cannot be read, or in part only."""
_WEIGHT_SUFFIXES = (".safetensors", ".gguf")
_MODEL_FILES = frozenset(
    {"adapter_config.json", "model_index.json", "pytorch_model.bin", "adapter_model.bin", *MERGE_CONFIGS}
)
_MODEL_KEYS = frozenset({"model_type", "architectures"})
_CACHE_FOLDERS = ("snapshots", "blobs", "refs")


@dataclass(frozen=True, slots=True)
class LocalRepository:
    """A repository on a disk.

    Attributes:
        id: Its Hub id, by the names of its folders.
        kind: `model`, `dataset` or `space`.
        folder: The folder of its files.
        revision: Its commit, where the Hub's cache states it.
        notes: What is wrong with it, as (code, text).
        cached: Whether it lies in the Hub's cache, which may hold a part of the files only.
    """

    id: str
    kind: str
    folder: Path
    revision: str = ""
    notes: tuple[tuple[str, str], ...] = ()
    cached: bool = False

    @property
    def missing(self) -> bool:
        """True where there is no snapshot to read."""
        return self.cached and not self.revision

    @property
    def record_kind(self) -> RecordKind | None:
        """Kind of its record; None for a Space."""
        return RecordKind(self.kind) if self.kind in (RecordKind.MODEL, RecordKind.DATASET) else None


def cached_repository(place: Path) -> LocalRepository | None:
    """Return the repository of the Hub's cache that a path is in; None where it is in none.

    The snapshot is the one in the path, else that of `refs/main`, else the only one or the newest.
    """
    parts = place.absolute().parts  # `resolve` would follow the links into `blobs`
    for depth in range(len(parts), 0, -1):
        kind, separator, name = parts[depth - 1].partition("--")
        root = Path(*parts[:depth])
        if (
            separator
            and name
            and kind in _repository_kinds()
            and any((root / each).is_dir() for each in _CACHE_FOLDERS)
        ):
            named = parts[depth + 1] if parts[depth : depth + 1] == ("snapshots",) and len(parts) > depth + 1 else ""
            revision, notes = (named, ()) if named else _revision(root)
            folder = root / "snapshots" / revision if revision else root
            return LocalRepository(
                printable(name.replace("--", "/", 1)), _repository_kinds()[kind], folder, revision, notes, cached=True
            )
    return None


def _repository_kinds() -> dict[str, str]:
    from huggingface_hub import constants

    return constants.REPO_TYPES_MAPPING


def _revision(root: Path) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return the revision to read, and notes on why it may not be the right one."""
    try:
        found = sorted(each.name for each in (root / "snapshots").iterdir() if each.is_dir())
    except OSError:
        found = []
    if not found:
        return "", ((BROKEN, f"{printable(root.name)} has no snapshot"),)
    try:
        main = (root / "refs" / "main").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        main = ""
    if main in found:
        return main, ()
    newest = max(found, key=lambda name: ((root / "snapshots" / name).stat().st_mtime_ns, name))
    if main:
        return newest, ((BROKEN, f"refs/main names {main[:60]}, which is not there; {newest} was read"),)
    return newest, () if len(found) == 1 else (
        (BROKEN, f"no refs/main; {newest} was read, the newest of {len(found)}"),
    )


def weights_repository(folder: Path) -> LocalRepository | None:
    """Return the model whose weights or configuration lie in a folder; None where it holds neither."""
    names = [each.name for each in folder.iterdir() if not each.is_dir()]
    if not any(name.lower().endswith(_WEIGHT_SUFFIXES) or name in _MODEL_FILES for name in names):
        config, _ = read_config(folder) if CONFIG in names else (None, [])
        if config is None or not _MODEL_KEYS & config.keys():
            return None
    return LocalRepository(folder_id(folder), RecordKind.MODEL, folder)


def folder_id(folder: Path) -> str:
    """Return the id that a folder's name and its parent's stand for: owner and name."""
    place = folder.resolve()
    return printable("/".join(part for part in (place.parent.name, place.name) if part))


def card_in(folder: Path) -> Path | None:
    """Return the model card of a folder, README.md in any case; None where there is none."""
    found = sorted(each for each in folder.iterdir() if each.name.lower() == CARD and each.is_file())
    return found[0] if found else None


def broken_links(folder: Path) -> Iterator[Path]:
    """Yield the links in a folder to files that are not there."""
    yield from sorted(each for each in folder.rglob("*") if each.is_symlink() and not each.exists())


def read_config(folder: Path) -> tuple[dict[str, Any] | None, Notes]:
    """Return the configuration of a folder, if any, and a note where it cannot be read."""
    try:
        value, _ = decode_json((folder / CONFIG).read_bytes())
    except FileNotFoundError:
        return None, []
    except (OSError, ValueError) as error:
        return None, [(UNREAD_FILE, f"{CONFIG}: {error}")]
    if not isinstance(value, dict):
        return None, [(UNREAD_FILE, f"{CONFIG}: it holds no object")]
    return value, []


def read_repository(found: LocalRepository) -> tuple[dict[str, Any], Notes]:
    """Return a repository as a row of the Hub's API: its card, its configuration, its commit, what its files state.

    The list of its files is no part of it, because a disk may hold a part of them only.
    """
    row: dict[str, Any] = {"id": found.id}
    notes = list(found.notes)
    if found.cached:
        row["sha"] = found.revision
        notes += [
            (BROKEN, f"{printable(link.relative_to(found.folder))} links to a file that is not there")
            for link in broken_links(found.folder)
        ]
    if (card := card_in(found.folder)) is not None:
        row["card"] = card.read_bytes().decode("utf-8", errors="replace")
    if found.kind == RecordKind.MODEL:
        config, problems = read_config(found.folder)
        notes += problems
        if config is not None:
            row["config"] = config
        statements, problems = read_statements(found.folder)
        notes += problems
        if statements:
            row["file_metadata"] = statements
    return row, notes
