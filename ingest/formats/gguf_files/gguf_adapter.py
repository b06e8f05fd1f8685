"""LoRA adapters in GGUF files, as llama.cpp's `convert_lora_to_gguf.py` writes them, under the names of peft.

An adapter's file has no number of heads. So it does not tell the order of rows that follow the base's heads.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ingest.formats.gguf_files.gguf import GgufFile, GgufTensor, is_transposed
from ingest.formats.gguf_files.gguf_names import FUSED_BY_HEAD, PERMUTED, names_from_gguf
from ingest.formats.matrix import Matrix

_SIDES = {".lora_a": "A", ".lora_b": "B"}
_EMBEDDING = "token_embd.weight"
_BY_HEADS = "updates whose rows follow the heads of a base that the file does not state"
_TURNED = "updates stored in × out"
_EXPERTS = "updates of experts"


class GgufAdapter(NamedTuple):
    """What an adapter in a GGUF file holds.

    Attributes:
        matrices: Its tensors, by peft's names without a prefix.
        unread: Names of tensors that are left out, by reason.
    """

    matrices: dict[str, Matrix]
    unread: Mapping[str, Sequence[str]]


def gguf_adapter(file: GgufFile) -> GgufAdapter:
    """Return the tensors of an adapter: pairs of factors, and norms that mergekit adds.

    Args:
        file: The file.
    """
    architecture = file.heads.architecture
    stems = {tensor.name: tensor.name.removesuffix(".lora_a").removesuffix(".lora_b") for tensor in file.tensors}
    names = names_from_gguf(stems.values(), architecture)
    matrices: dict[str, Matrix] = {}
    unread: dict[str, list[str]] = defaultdict(list)
    for tensor in file.tensors:
        stem = stems[tensor.name]
        side = _SIDES.get(tensor.name.removeprefix(stem))
        if side is not None and (reason := _unread_reason(tensor, stem, architecture)):
            unread[reason].append(tensor.name)
            continue
        matrix = _factor(tensor, names[stem], side) if side else _whole(tensor, names[stem])
        matrices[matrix.name] = matrix
    return GgufAdapter(matrices, dict(unread))


def _unread_reason(tensor: GgufTensor, stem: str, architecture: str) -> str:
    """Return why a factor of an update cannot be compared with the base's matrix; empty where it can."""
    module = stem.split(".")[-2]
    if architecture in PERMUTED and module in ("attn_q", "attn_k"):
        return _BY_HEADS
    if architecture in FUSED_BY_HEAD and module == "attn_qkv":
        return _BY_HEADS
    if is_transposed(stem, architecture):
        return _TURNED
    return _EXPERTS if tensor.shape else ""


def _factor(tensor: GgufTensor, name: str, side: str) -> Matrix:
    """Return a factor of an update. That of words has its first one turned, and other names."""
    module = name.removesuffix(".weight")
    if tensor.name.removesuffix(".lora_a").removesuffix(".lora_b") != _EMBEDDING:
        return _whole(tensor, f"{module}.lora_{side}.weight")
    found = _whole(tensor, f"{module}.lora_embedding_{side}")
    if side == "B":
        return found
    return found._replace(rows=tensor.columns, columns=tensor.rows, read=tensor.read_columns)


def _whole(tensor: GgufTensor, name: str) -> Matrix:
    return Matrix(name, tensor.rows, tensor.columns, tensor.dtype, tensor.rows == 1, tensor.read)
