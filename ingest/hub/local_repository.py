"""Repositories on a disk: the Hub's cache, which keeps each under `models--owner--name`, and folders of weights."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atlas_db.cards.front_matter import parse_card
from atlas_db.core.decoding import decode_json
from atlas_db.core.files import printable, read_bounded, read_text_file, resolved
from atlas_db.core.terms import RecordKind
from ingest.hub.hub_row import Notes
from ingest.hub.repository_files import MAX_TEXT, MERGE_CONFIGS, UNREAD_FILE, read_statements

CARD = "readme.md"
CONFIG = "config.json"
BROKEN = "broken_cache"
"""Code for an entry of the Hub's cache that cannot be read, or in part only."""
_WEIGHT_SUFFIXES = (".safetensors", ".gguf")
_MODEL_FILES = frozenset(
    {"adapter_config.json", "model_index.json", "pytorch_model.bin", "adapter_model.bin", *MERGE_CONFIGS}
)
_MODEL_KEYS = frozenset({"model_type", "architectures"})
_CARD_KEYS = frozenset({
    "license", "base_model", "base_model_relation", "library_name", "pipeline_tag", "tags", "quantized_by",
    "model-index", "model_name", "model_creator", "inference", "license_name", "license_link", "datasets", "language",
})  # fmt: skip
"""Keys in the front matter of a model's card."""
_REPOSITORY_NAME = re.compile(
    r"(?:^|[-_.])(?:gguf|ggml|gptq|awq|exl[23]|mlx|onnx|q?lora|adapters?|quants?)(?:$|[-_.])", re.IGNORECASE
)
"""Words in the name of a repository whose weights are in folders of it."""
_PART_NAME = re.compile(
    r"i?q\d\w*|(?:bf?|fp?|int)\d+|w\d+a\d+|\d+[-_ ]?bits?|[\d.]+[-_ ]?bpw|gguf|gptq|awq|exl[23]|mlx|onnx|q?lora|"
    r"adapters?|quants?|(?:checkpoint|step|epoch|ckpt)[-_]?\d+",
    re.IGNORECASE,
)
"""Names of folders that are parts of a repository, and no models by themselves."""
MAX_DEPTH = 3
"""Levels below a repository at which its weights are looked for."""
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


def in_hub_cache(repository: str) -> LocalRepository | None:
    """Return a model repository as the Hub's cache of this machine holds it; None where it does not.

    The cache is huggingface_hub's: `HF_HUB_CACHE`, else `hub` in `HF_HOME`.
    """
    from huggingface_hub import constants
    from huggingface_hub.file_download import repo_folder_name

    folder = Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=repository, repo_type="model")
    return cached_repository(folder) if folder.is_dir() else None


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
    """Return the model that a folder holds; None where it holds none.

    A model is where weights or a configuration are. A folder with a card of a repository is one, too, where its
    subfolders hold weights and no cards: one quantization each, or an adapter.
    """
    if _holds_model(folder) or _is_repository(folder):
        return LocalRepository(folder_id(folder), RecordKind.MODEL, folder)
    return None


def _holds_model(folder: Path) -> bool:
    if _holds_weights(folder):
        return True
    config = read_config(folder)[0] if (folder / CONFIG).is_file() else None
    return config is not None and bool(_MODEL_KEYS & config.keys())


def _holds_weights(folder: Path) -> bool:
    names = [each.name for each in folder.iterdir() if not each.is_dir()]
    return any(name.lower().endswith(_WEIGHT_SUFFIXES) or name in _MODEL_FILES for name in names)


def _is_repository(folder: Path) -> bool:
    """Return whether a folder is the repository of the models in its folders.

    Its card says so by its front matter. Without one, its name does, or those of its folders: `Q4_K_M`, `lora`.
    """
    if (card := card_in(folder)) is None:
        return False
    inner = list(_inner_models(folder))
    with card.open("rb") as file:
        data = parse_card(file.read(MAX_TEXT).decode("utf-8", errors="replace")).data
    if data or not inner:
        return bool(inner) and bool(_CARD_KEYS & data.keys())
    named = _REPOSITORY_NAME.search(resolved(folder).name) is not None
    return named or all(_PART_NAME.fullmatch(each.name) is not None for each in inner)


def _inner_models(folder: Path, depth: int = MAX_DEPTH) -> Iterator[Path]:
    """Yield the folders below a repository that hold models of it; those with a card are repositories themselves."""
    for each in _folders(folder):
        if card_in(each) is not None:
            continue
        if _holds_model(each):
            yield each
        elif depth > 1:
            yield from _inner_models(each, depth - 1)


def inner_repositories(folder: Path) -> Iterator[Path]:
    """Yield the folders in a repository that have a card, and so are repositories themselves.

    There are none where the repository holds weights in its own folder: trainers write a card into each checkpoint.
    """
    for each in [] if _holds_weights(folder) else _folders(folder):
        if card_in(each) is not None:
            yield each
        else:
            yield from inner_repositories(each)


def _folders(folder: Path) -> list[Path]:
    """Return the folders in a folder that can be read; hidden ones and links are passed over."""
    found = (each for each in folder.iterdir() if each.is_dir() and not each.is_symlink())
    return sorted(each for each in found if not each.name.startswith(".") and os.access(each, os.R_OK | os.X_OK))


def folder_id(folder: Path) -> str:
    """Return the id that a folder's name and its parent's stand for: owner and name."""
    place = resolved(folder)
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
        with (folder / CONFIG).open("rb") as file:
            value, _ = decode_json(read_bounded(file))
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
        row["card"] = read_text_file(card)
    if found.kind == RecordKind.MODEL:
        # With the weights in its own folder, those below are other things: parts of a pipeline, checkpoints, examples.
        inner = [] if _holds_weights(found.folder) else list(_inner_models(found.folder))
        for folder in (found.folder, *inner):
            notes += _read_model(folder, row, "" if folder == found.folder else f"{folder.relative_to(found.folder)}/")
    return row, notes


def _read_model(folder: Path, row: dict[str, Any], place: str) -> Notes:
    """Add what the files of one folder state to the row of a repository; return notes on those that cannot be read."""
    config, notes = read_config(folder)
    if config is not None:
        row.setdefault("config", config)
    statements, problems = read_statements(folder)
    for kind, content in statements.items():
        contents = row.setdefault("file_metadata", {}).setdefault(kind, [])
        if content not in contents:
            contents.append(content)
    return [(code, printable(f"{place}{text}")) for code, text in notes + problems]
