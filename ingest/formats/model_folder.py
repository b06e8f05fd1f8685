"""A model's folder in the Hub's layout: which of its files are the weights, pickles, and configuration.

Several sets of weights can lie in one folder. The one that transformers, peft or diffusers would load is read.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import msgspec

from atlas_db.core.decoding import MalformedError, decode_json, json_as, prepared
from atlas_db.core.errors import WeightsError
from atlas_db.core.files import read_bounded, reason_of
from atlas_db.core.safe_text import shown
from ingest.formats.other_files import FOLDERS, other_files

CONFIG = "config.json"
ADAPTER_CONFIG = "adapter_config.json"
_SUFFIX = ".safetensors"
_GGUF_MAGIC = b"GGUF"
_INDEX = ".safetensors.index.json"
_ADAPTERS = ("adapter_model.safetensors", "adapters.safetensors")
"""Weights of adapters, as peft and mlx-lm name them."""
_WHOLE = ("model.safetensors", "diffusion_pytorch_model.safetensors", "pytorch_lora_weights.safetensors")
"""Weights in one file, as transformers and diffusers look for them, before any index; the last is an adapter's."""
_SIDE_FILES = re.compile(
    r"(?:optimizer|optim|scheduler|random_states|rng_state|scaler|ema|training_state|consolidated)\b", re.IGNORECASE
)
"""Names of files of a training, and of a second set of the same weights (`consolidated`, Mistral's own layout)."""
GGUF_SIDE_FILES = re.compile(r"mmproj|imatrix", re.IGNORECASE)
"""Names of GGUF files that hold no language model: projectors of images, importance matrices."""
_SHARD = re.compile(r".+-\d{5}-of-\d{5}\.safetensors", re.IGNORECASE)
_VARIANT = re.compile(r"(?:model|diffusion_pytorch_model)\.([\w-]+?)(?:-\d{5}-of-\d{5})?\.safetensors")
"""Names of a variant's files, as transformers and diffusers write them: the same model in another type, or without
averaging (`non_ema`)."""
_REPOSITORY = re.compile(r"[\w.-]{1,96}/[\w.-]{1,96}(?<!\.safetensors)(?<!\.ckpt)")
GGUF_PART = re.compile(r"^(.*)-(\d{5})-of-(\d{5})\.gguf$", re.IGNORECASE)


@prepared
class Index(msgspec.Struct):
    """Index of a sharded model.

    Attributes:
        weight_map: Name of the shard by name of the tensor.
    """

    weight_map: dict[str, str]


@dataclass(frozen=True, slots=True)
class AdapterConfig:
    """What is read of the configuration of an adapter (`adapter_config.json` of peft or mlx-lm).

    Attributes:
        base_model_name_or_path: Base model as the author declares it; no evidence from weights.
        r: Rank; 0 where the configuration has none.
        token_indices: Tokens whose rows alone were trained; empty where the configuration has none.
    """

    base_model_name_or_path: str = ""
    r: int = 0
    token_indices: tuple[int, ...] = ()


@dataclass(slots=True)
class ModelFolder:
    """The weight files of one model.

    Attributes:
        path: The folder.
        files: Safetensors files, in order.
        gguf: GGUF files that may be the model, the likeliest first; each is a list of its parts in order.
        others: Names of files that hold weights and are not read, by their kind.
        adapter: Configuration, where it is an adapter.
        config: `config.json`, empty where it cannot be read.
        notes: What is odd about its files.
    """

    path: Path
    files: list[Path] = field(default_factory=list)
    gguf: list[list[Path]] = field(default_factory=list)
    others: dict[str, list[str]] = field(default_factory=dict)
    adapter: AdapterConfig | None = None
    config: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def read_folder(path: Path) -> ModelFolder:
    """Return the weight files of a model's folder, or of a model that is one file.

    Args:
        path: The folder or file. Of what lies beside a file, only its own parts are looked at.

    Raises:
        WeightsError: An index names files outside of the folder or that are not there, or cannot be read.
    """
    folder = ModelFolder(path)
    if path.is_file():
        if path.suffix.lower() == ".gguf" or _is_gguf(path):
            folder.gguf = [_parts(path)]
        else:
            folder.files = [path]
        return folder
    sizes = {file.name: file.stat().st_size for file in path.iterdir() if file.is_file()}
    folder.others = other_files([*sizes, *_files_below(path)])
    folder.gguf = [[path / name for name in parts] for parts in gguf_candidates(sizes, str(path))]
    names = safetensors_files(sizes.keys(), str(path), lambda name: _content(path / name), folder.notes)
    folder.files = [path / name for name in names]
    if ADAPTER_CONFIG in sizes:
        folder.adapter = adapter_config(_read_object(path / ADAPTER_CONFIG, folder.notes))
    if CONFIG in sizes:
        folder.config = _read_object(path / CONFIG, folder.notes)
    return folder


def _is_gguf(path: Path) -> bool:
    """Return whether a file is GGUF by its first bytes; stores name files by their digest."""
    if path.suffix.lower() == _SUFFIX:
        return False
    with path.open("rb") as handle:
        return handle.read(len(_GGUF_MAGIC)) == _GGUF_MAGIC


def _parts(path: Path) -> list[Path]:
    """Return the parts of a GGUF file, in order.

    Raises:
        WeightsError: One is not there.
    """
    part = GGUF_PART.match(path.name)
    if part is None:
        return [path]
    names = [
        file.name for file in path.parent.iterdir() if (other := GGUF_PART.match(file.name)) and other[1] == part[1]
    ]
    (found,) = gguf_candidates(dict.fromkeys(names, 0), str(path.parent))
    return [path.parent / name for name in found]


def _files_below(path: Path) -> list[str]:
    """Return the files of the folders that usually hold the same model in another format."""
    return [
        f"{name}/{file.name}"
        for name in FOLDERS
        if (path / name).is_dir()
        for file in (path / name).iterdir()
        if file.is_file()
    ]


def safetensors_files(
    names: Collection[str], location: str, read: Callable[[str], bytes], notes: list[str]
) -> list[str]:
    """Return the safetensors files that are the model, in order; none where there are none.

    transformers looks for the whole file first, so an index beside it is stale. Without either, all files but those of
    a training are the model.

    Args:
        names: Files of the folder.
        location: Its path, for messages.
        read: Reads a file of the folder.
        notes: Takes a note on files that are left out.

    Raises:
        WeightsError: An index cannot be read, or names a file that is outside of the folder or is not there.
    """
    found, indexes = _files_and_indexes(names)
    chosen = _whole_file(names)
    if not chosen and indexes:
        place = f"{location}/{indexes[0]}"
        try:
            index = json_as(read(indexes[0]), Index)
        except (OSError, MalformedError) as error:
            raise WeightsError(place, f"cannot be read ({reason_of(error)})") from error
        chosen = shard_names(index, place, names.__contains__)
    if not chosen:
        chosen = _model_files(found)
    if left_out := [name for name in found if name not in chosen]:
        notes.append(f"{location} holds other weights beside the model, not read: {', '.join(left_out[:3])}")
    return chosen


def _files_and_indexes(names: Collection[str]) -> tuple[list[str], list[str]]:
    """Return the safetensors files of a folder, and the indexes of shards."""
    own = [name for name in names if "/" not in name]
    files = sorted(name for name in own if name.lower().endswith(_SUFFIX))
    return files, sorted(name for name in own if name.endswith(_INDEX))


def _whole_file(names: Collection[str]) -> list[str]:
    """Return the file that libraries look for first, alone; none where it is not there."""
    preferred = (*(_ADAPTERS if ADAPTER_CONFIG in names else ()), *_WHOLE)
    return next(([name] for name in preferred if name in names), [])


def _model_files(found: Sequence[str]) -> list[str]:
    """Return the files that are the model where no name shows it: all but those of a training; of variants, one."""
    kept = [name for name in found if not _SIDE_FILES.match(name)] or list(found)
    variants = {name: match[1] for name in kept if (match := _VARIANT.fullmatch(name))}
    if len(variants) < len(kept):
        return kept
    first = min(variants.values(), key=lambda variant: (variant.startswith("non"), variant), default="")
    return [name for name in kept if variants[name] == first]


def unindexed_files(names: Collection[str]) -> list[str]:
    """Return several safetensors files of which neither names nor an index show whether they are one model; else none.

    Args:
        names: Files of the folder.
    """
    found, indexes = _files_and_indexes(names)
    chosen = _model_files(found)
    known = _whole_file(names) or indexes or all(_SHARD.fullmatch(name) for name in chosen)
    return [] if known or len(chosen) < 2 else chosen


def shard_names(index: Index, location: str, exists: Callable[[str], bool]) -> list[str]:
    """Return the shards that an index names, in order.

    Args:
        index: The index.
        location: Its path, for messages.
        exists: Returns whether a file of the folder exists.

    Raises:
        WeightsError: It names a file that is outside of its folder, or does not exist.
    """
    names = sorted(set(index.weight_map.values()))
    for name in names:
        inside = PurePosixPath(name)
        if inside.is_absolute() or ".." in inside.parts or "\\" in name or not name.endswith(_SUFFIX):
            raise WeightsError(location, f"names the shard {shown(name)}, which is no file of this folder")
        if not exists(name):
            raise WeightsError(location, f"names the shard {shown(name)}, which is not there")
    return names


def gguf_candidates(sizes: Mapping[str, int], location: str) -> list[list[str]]:
    """Return the GGUF files that may be the model, each as its parts in order, the largest first.

    Several are the same model at several sizes: the largest is the least quantized.

    Args:
        sizes: Bytes by name of all files of the folder.
        location: Its path, for messages.

    Raises:
        WeightsError: A part of a split file is not there.
    """
    groups: dict[str, dict[int, str]] = defaultdict(dict)
    counts: dict[str, int] = {}
    for name in sizes:
        if not name.lower().endswith(".gguf") or GGUF_SIDE_FILES.search(name):
            continue
        part = GGUF_PART.match(name)
        stem, number = (part[1], int(part[2])) if part else (name, 1)
        groups[stem][number] = name
        counts[stem] = int(part[3]) if part else 1
    for stem, parts in groups.items():
        if missing := [number for number in range(1, counts[stem] + 1) if number not in parts]:
            raise WeightsError(location, f"lacks part {missing[0]} of {counts[stem]} of {stem}")
    by_size = sorted(groups.values(), key=lambda parts: (-sum(sizes[name] for name in parts.values()), parts[1]))
    return [[parts[number] for number in sorted(parts)] for parts in by_size]


def adapter_config(values: Mapping[str, Any]) -> AdapterConfig:
    """Return what is known of an adapter's configuration. Fields of another type than expected count as missing."""
    base = values.get("base_model_name_or_path") or values.get("model")
    parameters = values.get("lora_parameters")
    rank = values.get("r") or (parameters.get("rank") if isinstance(parameters, dict) else None)
    if not isinstance(rank, int | float) or isinstance(rank, bool) or not 0 < rank < 2**31:
        rank = 0
    return AdapterConfig(base if isinstance(base, str) else "", int(rank), _token_indices(values))


def _token_indices(values: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the trained tokens; none where several tables have different ones."""
    stated = values.get("trainable_token_indices") or values.get("token_indices")
    tables = list(stated.values()) if isinstance(stated, dict) else [stated]
    tokens = tables[0] if tables and all(table == tables[0] for table in tables) else None
    if not isinstance(tokens, list) or not all(type(each) is int and 0 <= each < 2**31 for each in tokens):
        return ()
    return tuple(tokens)


def embedded_adapter_config(metadata: Mapping[str, str]) -> AdapterConfig:
    """Return what the free text of a safetensors file states of an adapter that has no configuration file.

    diffusers writes the configuration of peft there. Where there are several components, each key starts with the name
    of its own. kohya's trainer writes the rank, and the base as it was given. A file of a disk is no model's name.

    Args:
        metadata: The free text.
    """
    try:
        stated = decode_object(metadata.get("lora_adapter_metadata", "{}"))
    except ValueError:
        stated = {}
    values = {key.rpartition(".")[2]: value for key, value in stated.items()}
    if not values.get("base_model_name_or_path") and _REPOSITORY.fullmatch(
        named := metadata.get("ss_sd_model_name", "")
    ):
        values["base_model_name_or_path"] = named
    if "r" not in values and (rank := metadata.get("ss_network_dim", "")).isdecimal():
        values["r"] = float(rank)  # of any number of digits
    return adapter_config(values)


def _read_object(path: Path, notes: list[str]) -> dict[str, Any]:
    """Return a configuration file; what cannot be read costs the configuration, not the weights."""
    try:
        return decode_object(_content(path))
    except (OSError, ValueError) as error:
        notes.append(f"{path} cannot be read ({reason_of(error)})")
        return {}


def _content(file: Path) -> bytes:
    with file.open("rb") as handle:
        return read_bounded(handle)


def decode_object(data: bytes | str) -> dict[str, Any]:
    """Decode a configuration file, also with `NaN` and `Infinity`, as Python writes them.

    Raises:
        ValueError: It is no JSON object.
    """
    value, _ = decode_json(data)
    if not isinstance(value, dict):
        raise ValueError(f"it holds a {type(value).__name__}, not an object")
    return value
