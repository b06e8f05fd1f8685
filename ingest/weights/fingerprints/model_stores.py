"""Folders that are no single model: loose files, each of them a model, and the store of Ollama."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import msgspec

from atlas_db.core.decoding import decode_json
from atlas_db.core.errors import WeightsError
from atlas_db.core.files import read_bounded
from ingest.formats.adapter_layout import holds_adapter
from ingest.formats.byte_source import LocalFile
from ingest.formats.model_folder import GGUF_PART, GGUF_SIDE_FILES, unindexed_files
from ingest.formats.safetensors import read_header

_QUANTIZATION = re.compile(
    r"[-_.](?:i?q\d\w*|tq\d\w*|bf16|fp?16|fp?32|mxfp4(?:_moe)?|nvfp4|ud|imat\w*)(?=[-_.]|$)", re.IGNORECASE
)
"""Words in the name of a GGUF file that say how it is quantized."""
_MIXED = "holds several models' safetensors files and parts of others: give each model a folder of its own"
_MANIFESTS, _BLOBS = "manifests", "blobs"
_MODEL_LAYER = "application/vnd.ollama.image.model"
_REGISTRY = "registry.ollama.ai/library/"
_MAX_MANIFEST = 2**20
_MANIFEST_DEPTH = "*/*/*/*"
"""Host, namespace, model and tag."""


class _Layer(msgspec.Struct):
    mediaType: str = ""
    digest: str = ""


class _Manifest(msgspec.Struct):
    layers: list[_Layer] = []


class LooseModel(NamedTuple):
    """A model that is some files of a folder.

    Attributes:
        name: Its name within the folder.
        file: Its file, or the first of its parts.
        problem: Why it cannot be read, or empty.
    """

    name: str
    file: Path
    problem: str = ""


def loose_models(folder: Path) -> list[LooseModel]:
    """Return the models of a folder that are files of it, each one file or a set of parts; none where it is one model.

    Safetensors files are parts of one model where no two have a tensor in common. They are models where all have some
    in common, or are adapters. GGUF files whose names differ by the quantization alone are one model.

    Args:
        folder: The folder.
    """
    names = sorted(file.name for file in folder.iterdir() if file.is_file())
    if safetensors := unindexed_files(names):
        return _loose_safetensors(folder, safetensors)
    if any(name.lower().endswith(".safetensors") for name in names):
        return []
    stems: dict[str, list[str]] = defaultdict(list)
    for name in names:
        if name.lower().endswith(".gguf") and not GGUF_SIDE_FILES.search(name):
            part = GGUF_PART.match(name)
            stems[_QUANTIZATION.sub("", part[1] if part else name[: -len(".gguf")]).lower()].append(name)
    if len(stems) < 2:
        return []
    largest = [_largest(folder, each) for each in stems.values()]
    return [LooseModel(_stem(name), folder / name) for name in largest]


def _stem(name: str) -> str:
    part = GGUF_PART.match(name)
    return part[1] if part else name.rpartition(".")[0]


def _largest(folder: Path, names: Sequence[str]) -> str:
    """Return the first part of the largest of some GGUF files, which is the least quantized."""
    sizes: dict[str, int] = defaultdict(int)
    for name in names:
        sizes[_stem(name)] += (folder / name).stat().st_size
    stem = max(sizes, key=lambda each: (sizes[each], each))
    return min(name for name in names if _stem(name) == stem)


def _loose_safetensors(folder: Path, names: Sequence[str]) -> list[LooseModel]:
    tensors: list[frozenset[str]] = []
    for name in names:
        # A damaged file fails by itself later.
        with suppress(WeightsError), LocalFile(folder / name) as source:
            tensors.append(frozenset(tensor.name for tensor in read_header(source).tensors))
    if len(tensors) < 2 or len(frozenset().union(*tensors)) == sum(map(len, tensors)):
        adapters = len(tensors) > 1 and all(map(holds_adapter, tensors))
        return [LooseModel(_stem(name), folder / name) for name in names] if adapters else []
    if frozenset.intersection(*tensors) or all(map(holds_adapter, tensors)):
        return [LooseModel(_stem(name), folder / name) for name in names]
    return [LooseModel("", folder, f"{folder} {_MIXED}")]


def is_ollama_store(folder: Path) -> bool:
    """Return whether a folder is the store of Ollama: manifests that name blobs."""
    return (folder / _MANIFESTS).is_dir() and (folder / _BLOBS).is_dir()


def ollama_models(folder: Path) -> Iterator[LooseModel]:
    """Yield the models of a store of Ollama, as its own command names them: `llama3.2:1b`, `hf.co/owner/name:Q4_K_M`.

    Args:
        folder: The store, `~/.ollama/models`.
    """
    for manifest in sorted((folder / _MANIFESTS).glob(_MANIFEST_DEPTH)):
        path, _, tag = manifest.relative_to(folder / _MANIFESTS).as_posix().rpartition("/")
        name = f"{path.removeprefix(_REGISTRY)}:{tag}"
        try:
            with manifest.open("rb") as handle:
                value, _ = decode_json(read_bounded(handle, _MAX_MANIFEST))
            layers = msgspec.convert(value, _Manifest).layers
        except (OSError, ValueError, msgspec.ValidationError) as error:
            yield LooseModel(name, manifest, f"{manifest} cannot be read ({error})")
            continue
        digest = next((layer.digest for layer in layers if layer.mediaType == _MODEL_LAYER), "")
        blob = folder / _BLOBS / digest.replace(":", "-")
        if not re.fullmatch(r"sha256:[0-9a-f]{64}", digest) or not blob.is_file():
            yield LooseModel(name, manifest, f"{manifest} names no blob of weights that is there")
        else:
            yield LooseModel(name, blob)
