"""Files of a repository on a disk that state where a model comes from, read within bounds.

Text files are read up to 1 MiB. Of weights the header alone is read, and no pickle is opened.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from atlas_db.cards.front_matter import parse_yaml
from atlas_db.core.decoding import decode_json
from atlas_db.core.errors import WeightsError
from atlas_db.core.files import printable
from ingest.formats.byte_source import ByteSource, LocalFile
from ingest.formats.gguf import read_gguf_metadata
from ingest.formats.safetensors import read_metadata
from ingest.hub.hub_row import Notes

UNREAD_FILE = "unreadable_file"
"""Code of the note for a file that cannot be read."""
MAX_TEXT = 2**20
"""Bytes of a text file at most."""
MERGE_CONFIGS = ("mergekit_config.yml", "mergekit_config.yaml", "mergekit_moe_config.yml", "mergekit_moe_config.yaml")
_TRAINING_ARGS = re.compile(
    r"(?:axolotl|train|training|trainer|finetune|finetuning|fine_tune|fine_tuning|sft|lora|qlora|dpo|hparams|hyperparameters"
    r"|hyper_params|args)(?:[_-]?(?:config|args|arguments|params|parameters|recipe))?\.(?:json|ya?ml)",
    re.IGNORECASE,
)


def read_statements(folder: Path) -> tuple[dict[str, Any], Notes]:
    """Return what the files of a model's folder state, by kind of file, and notes on those that cannot be read.

    Args:
        folder: The folder; folders in it are not searched.

    Returns:
        Contents of `adapter_config`, `merge_config`, `training_args`, `gguf` and `safetensors`, as far as there are.
    """
    names = sorted(each.name for each in folder.iterdir() if each.is_file())
    found: dict[str, Any] = {}
    notes: Notes = []

    def keep(kind: str, name: str, read: Callable[[Path], Any]) -> None:
        try:
            if content := read(folder / name):
                found.setdefault(kind, content)
        except (OSError, ValueError, WeightsError) as error:
            notes.append((UNREAD_FILE, printable(f"{name}: {error}")))

    for name in names:
        if name == "adapter_config.json":
            keep("adapter_config", name, _mapping)
        elif name in MERGE_CONFIGS:
            keep("merge_config", name, _text)
        elif _TRAINING_ARGS.fullmatch(name) and "training_args" not in found:
            keep("training_args", name, _mapping)
        elif name.lower().endswith(".gguf") and "gguf" not in found:
            keep("gguf", name, lambda path: _header(path, read_gguf_metadata))
        elif name.lower().endswith(".safetensors") and "safetensors" not in found:
            keep("safetensors", name, lambda path: _header(path, read_metadata))
    return found, notes


def _text(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(MAX_TEXT + 1)
    if len(data) > MAX_TEXT:
        raise ValueError(f"it is longer than {MAX_TEXT:,} bytes")
    return data.decode("utf-8-sig", errors="replace")


def _mapping(path: Path) -> dict[str, Any]:
    text = _text(path)
    if path.suffix.lower() == ".json":
        value, _ = decode_json(text)
        if not isinstance(value, dict):
            raise ValueError(f"it holds a {type(value).__name__}, not an object")
        return value
    value, problem = parse_yaml(text)
    if problem:
        raise ValueError(problem)
    return value


def _header(path: Path, read: Callable[[ByteSource], dict[str, Any]]) -> dict[str, Any]:
    with LocalFile(path) as source:
        return read(source)
