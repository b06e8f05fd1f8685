"""Files that hold weights and are not read, each known by its name, and by another file of its folder."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

PICKLE, ONNX = "pickle", "ONNX"
READ_SUFFIXES = (".safetensors", ".gguf")
"""Endings of the names of files that are read wherever they lie."""
FOLDERS = ("coreml", "onnx", "openvino", "original", "tflite")
"""Folders within a model's that usually hold the same model in another format."""


_ONNX_STEMS = (
    "model", "decoder_model", "decoder_model_merged", "decoder_with_past_model", "encoder_model", "model_fp16",
)  # fmt: skip
"""Names of ONNX files, as optimum and transformers.js have them, the least quantized first."""


class FileKind(NamedTuple):
    """A kind of files.

    Attributes:
        name: Its name in the field.
        pattern: What names of its files are, in small letters.
        companion: What the name of another file of the folder must be, with `{stem}` for the name without its suffix;
            empty where none is needed.
        reason: Why it is not read.
    """

    name: str
    pattern: re.Pattern[str]
    companion: str = ""
    reason: str = "not read"


KINDS = (
    FileKind("OpenVINO", re.compile(r".+\.bin"), r"{stem}\.xml"),
    FileKind("CTranslate2", re.compile(r"model\.bin"), r"(?:shared_|source_|target_)?vocabulary\.(?:json|txt)"),
    FileKind("GGML before GGUF", re.compile(r".*ggml.*\.bin|.+\.ggml")),
    FileKind(PICKLE, re.compile(r".+\.(?:bin|pt|pth|ckpt|pkl|pickle)"), reason="never opened"),
    FileKind(ONNX, re.compile(r".+\.onnx(?:[._]data(?:_\d+)?)?")),
    FileKind("Keras", re.compile(r"(?:tf_model|model)\.(?:weights\.)?h5|.+\.keras")),
    FileKind("Flax", re.compile(r"flax_model(?:-\d{5}-of-\d{5})?\.msgpack")),
    FileKind("NumPy", re.compile(r"(?:weights|model|adapters)(?:\.\d+)?\.npz")),
    FileKind("TensorFlow Lite", re.compile(r".+\.tflite")),
    FileKind("Core ML", re.compile(r".+\.mlmodel")),
    FileKind("llamafile", re.compile(r".+\.llamafile")),
)
"""Kinds; the first that fits counts."""


def other_files(names: Collection[str]) -> dict[str, list[str]]:
    """Return the files that hold weights and are not read, by the name of their kind, sorted.

    Args:
        names: Files of a folder, with the folders below it that they lie in.
    """
    lower = {name.lower() for name in names}
    found: dict[str, list[str]] = defaultdict(list)
    for name in sorted(names):
        if (kind := file_kind(name, lower)) is not None:
            found[kind.name].append(name)
    return dict(found)


def file_kind(name: str, names: Collection[str]) -> FileKind | None:
    """Return the kind of a file that holds weights and is not read; None where it is no such file.

    Args:
        name: Its name.
        names: All files, in small letters.
    """
    path = PurePosixPath(name.lower())
    for kind in KINDS:
        if kind.pattern.fullmatch(path.name):
            wanted = re.compile(kind.companion.replace("{stem}", re.escape(path.stem)))
            siblings = (other for other in names if PurePosixPath(other).parent == path.parent)
            if not kind.companion or any(wanted.fullmatch(PurePosixPath(other).name) for other in siblings):
                return kind
    return None


def holds_weights(names: Collection[str]) -> bool:
    """Return whether files of a folder hold weights, read or not.

    Args:
        names: Their names in small letters.
    """
    return any(name.endswith(READ_SUFFIXES) or file_kind(name, names) for name in names)


def chosen_onnx(names: Sequence[str]) -> str:
    """Return the ONNX file that is read of several: the whole model before its parts, and before quantized ones.

    Args:
        names: Files of a folder; not empty.
    """
    graphs = [name for name in names if name.lower().endswith(".onnx")]
    ranks = {stem: rank for rank, stem in enumerate(_ONNX_STEMS)}
    return min(graphs or names, key=lambda name: (ranks.get(PurePosixPath(name).stem.lower(), len(ranks)), name))


def only_these(found: Mapping[str, Sequence[str]]) -> str:
    """Return words for a folder that holds no other weights: `only ONNX (model.onnx), which is not read`."""
    reasons = {kind.name: kind.reason for kind in KINDS}
    parts = []
    for kind, names in found.items():
        few = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        named = f"pickles ({few}), which are" if kind == PICKLE else f"{kind} ({few}), which is"
        parts.append(f"{named} {reasons[kind]}")
    return f"only {'; '.join(parts)}"
