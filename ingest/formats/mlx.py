"""Matrices as MLX quantizes them, and its adapters.

An affine matrix is `X.weight`, codes packed into 32-bit words, with `X.scales` and `X.biases`, one a group of columns:
w = code · scale + bias (`mlx.core.quantize`). The codes of a row are one stream of bits, the lowest first. The size of
a group stands in `config.json` alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from atlas_db.core.arrays import Floats, Integers
from ingest.formats.gptq_awq import PackedMatrix, StoredTensor
from ingest.formats.safetensors import read_values

SIDE_TENSORS = (".scales", ".biases")
"""Suffixes of tensors that only serve another."""
_GROUPS = (32, 64, 128)
"""Columns of a group that `mlx.core.quantize` takes."""
_BITS = (2, 3, 4, 5, 6, 8)


def with_group_size(config: Mapping[str, Any], tensors: Mapping[str, StoredTensor]) -> Mapping[str, Any]:
    """Return `config.json` with the size of the groups, where it lacks it and the tensors show it.

    The same words are 4 bits in groups of 64 and 8 bits in groups of 32. Most matrices are as wide as the norms are
    long, so the size that makes most of them so is taken.

    Args:
        config: `config.json`, empty where there is none.
        tensors: All tensors of the model, by name.
    """
    if isinstance(config.get("quantization"), dict):
        return config
    norms = {each.shape[0] for _, each in tensors.values() if len(each.shape) == 1}
    votes = Counter(
        group
        for name in tensors
        if name.endswith(".scales") and len(shape := tensors[name][1].shape) == 2
        for group in _GROUPS
        if shape[1] * group in norms and mlx_matrix(f"{name.removesuffix('.scales')}.weight", tensors, _stating(group))
    )
    return {**config, **_stating(max(votes, key=lambda group: (votes[group], group)))} if votes else config


def _stating(group: int) -> dict[str, Any]:
    return {"quantization": {"group_size": group}}


def mlx_matrix(name: str, tensors: Mapping[str, StoredTensor], config: Mapping[str, Any]) -> PackedMatrix | None:
    """Return the matrix of a tensor of packed codes.

    Args:
        name: Name of the tensor of codes.
        tensors: All tensors of the model, by name.
        config: `config.json`, with the size of the groups.

    Returns:
        None where it is no affine matrix of MLX, or the shapes do not fit.
    """
    base = name.removesuffix(".weight")
    parts = [tensors.get(each) for each in (name, f"{base}.scales", f"{base}.biases")]
    group = _group_size(config, base)
    if group is None or any(each is None or len(each[1].shape) != 2 for each in parts):
        return None
    codes, scales, biases = (each for each in parts if each is not None)
    (rows, words), shape = codes[1].shape, scales[1].shape
    columns = shape[1] * group
    if codes[1].dtype != "U32" or shape != biases[1].shape or shape[0] != rows or not columns:
        return None
    bits, rest = divmod(words * 32, columns)
    if rest or bits not in _BITS:
        return None
    return PackedMatrix(rows, columns, f"MLX{bits}", _row_reader(codes, scales, biases, bits))


def _group_size(config: Mapping[str, Any], module: str) -> int | None:
    """Return the columns of a group of a module by `config.json`, which may list single modules."""
    quantization = config.get("quantization")
    if not isinstance(quantization, dict):
        return None
    own = quantization.get(module)
    size = (own if isinstance(own, dict) else quantization).get("group_size")
    return size if isinstance(size, int) and size > 0 else None


def _row_reader(
    codes: StoredTensor, scales: StoredTensor, biases: StoredTensor, bits: int
) -> Callable[[Integers], Floats]:
    (source, tensor), groups = codes, scales[1].shape[1]
    width = tensor.shape[1] * 4

    def read(wanted: Integers) -> Floats:
        out = []
        for row in wanted.tolist():
            raw = np.frombuffer(source.read(tensor.start + row * width, tensor.start + (row + 1) * width), np.uint8)
            fields = np.unpackbits(raw, bitorder="little").reshape(-1, bits).astype(np.int64)
            values = (fields @ (1 << np.arange(bits))).astype(np.float32).reshape(groups, -1)
            factor, offset = (
                read_values(*part, row * groups, (row + 1) * groups)[:, None] for part in (scales, biases)
            )
            out.append((values * factor + offset).reshape(-1))
        return np.stack(out)

    return read
