"""Files of a repository on a disk that state where a model comes from, read within bounds.

Text files are read up to 1 MiB. Of weights the header alone is read, and no pickle is opened.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from atlas_db.cards.front_matter import parse_yaml
from atlas_db.core.errors import WeightsError
from atlas_db.core.files import printable
from ingest.formats.byte_source import ByteSource, LocalFile
from ingest.formats.gguf_files.gguf import read_gguf_metadata
from ingest.formats.model_folder import decode_object, gguf_candidates, safetensors_files
from ingest.formats.safetensors import read_metadata
from ingest.hub.hub_row import Notes

UNREAD_FILE = "unreadable_file"
"""Code of the note for a file that cannot be read."""
MAX_HEADERS = 64
"""Headers of weights that are read of one folder, at most."""
MAX_TEXT = 2**20
"""Bytes of a text file at most."""
MERGE_CONFIGS = ("mergekit_config.yml", "mergekit_config.yaml", "mergekit_moe_config.yml", "mergekit_moe_config.yaml")
_TRAINING_ARGS = re.compile(
    r"(?:axolotl|train|training|trainer|finetune|finetuning|fine_tune|fine_tuning|sft|lora|qlora|dpo|hparams|hyperparameters"
    r"|hyper_params|args)(?:[_-]?(?:config|args|arguments|params|parameters|recipe))?\.(?:json|ya?ml)",
    re.IGNORECASE,
)

_DOCUMENT_MARK = re.compile(r"^(?:---|\.\.\.)[ \t]*\r?$", re.MULTILINE)
"""Lines between the documents of a YAML file. What the first one states counts."""
_ORIGIN = re.compile(r"base_model|source|license|dataset\.|merge|sd_model_name|_name_or_path")
"""Keys of headers that state where a model comes from, or under which terms."""


def read_statements(folder: Path) -> tuple[dict[str, Any], Notes]:
    """Return what the files of a model's folder state, by kind of file, and notes on those that cannot be read.

    Of weights, the files that a loader would take are read, until one states something of its origin.

    Args:
        folder: The folder; folders in it are not searched.

    Returns:
        Contents of `adapter_config`, `merge_config`, `training_args`, `gguf` and `safetensors`, as far as there are.
    """
    sizes = {each.name: each.stat().st_size for each in sorted(folder.iterdir()) if each.is_file()}
    found: dict[str, Any] = {}
    notes: Notes = []

    def read(name: str, reader: Callable[[Path], Any]) -> Any:  # noqa: ANN401
        try:
            return reader(folder / name)
        except (OSError, ValueError, WeightsError) as error:
            notes.append((UNREAD_FILE, printable(f"{name}: {error}")))
            return None

    for name in sizes:
        if name == "adapter_config.json":
            kind, content = "adapter_config", read(name, _mapping)
        elif name in MERGE_CONFIGS:
            kind, content = "merge_config", read(name, _text)
        elif _TRAINING_ARGS.fullmatch(name) and "training_args" not in found:
            kind, content = "training_args", read(name, _mapping)
        else:
            continue
        if content:
            found.setdefault(kind, content)
    for kind, names, header in (
        ("gguf", _gguf_files(sizes, folder), read_gguf_metadata),
        ("safetensors", _safetensors_files(sizes, folder), read_metadata),
    ):
        for name in names[:MAX_HEADERS]:
            content = read(name, partial(_header, read=header))
            if content and (_states_origin(content) or kind not in found):
                found[kind] = content
                if _states_origin(content):
                    break
    return found, notes


def read_file_statements(path: Path) -> dict[str, Any]:
    """Return what one file states by itself, under its kind as in `read_statements`.

    Args:
        path: A GGUF or safetensors file, or a merge configuration of mergekit.

    Raises:
        OSError: It cannot be opened.
        WeightsError: Its header is damaged.
        ValueError: A text is too long.
    """
    match path.suffix.lower():
        case ".gguf":
            return {"gguf": _header(path, read_gguf_metadata)}
        case ".safetensors":
            return {"safetensors": _header(path, read_metadata)}
        case _:
            return {"merge_config": _text(path)}


def _gguf_files(sizes: Mapping[str, int], folder: Path) -> list[str]:
    """Return the GGUF files to read: the first part of each model; projectors only where there is nothing else."""
    names = [name for name in sizes if name.lower().endswith(".gguf")]
    try:
        models = [parts[0] for parts in gguf_candidates(sizes, str(folder))]
    except WeightsError:  # a part is missing, and each that is there may still say something
        return names
    return models or names


def _safetensors_files(sizes: Mapping[str, int], folder: Path) -> list[str]:
    try:
        return safetensors_files(sizes.keys(), str(folder), lambda name: (folder / name).read_bytes(), [])
    except WeightsError:  # a shard is missing, and each that is there may still say something
        return [name for name in sizes if name.lower().endswith(".safetensors")]


def _states_origin(header: Mapping[str, Any]) -> bool:
    """Return whether a header states a base model, a source, data or a licence, and not only a format or a name."""
    return any(_ORIGIN.search(key) for key in header)


def _text(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(MAX_TEXT + 1)
    if len(data) > MAX_TEXT:
        raise ValueError(f"it is longer than {MAX_TEXT:,} bytes")
    return data.decode("utf-8-sig", errors="replace")


def _mapping(path: Path) -> dict[str, Any]:
    text = _text(path)
    if path.suffix.lower() == ".json":
        return decode_object(text)
    merged: dict[str, Any] = {}
    for document in _DOCUMENT_MARK.split(text):
        value, problem = parse_yaml(document)
        if problem:
            raise ValueError(problem.replace("front matter", "it", 1))
        merged = {**value, **merged}
    return merged


def _header(path: Path, read: Callable[[ByteSource], dict[str, Any]]) -> dict[str, Any]:
    with LocalFile(path) as source:
        return read(source)
