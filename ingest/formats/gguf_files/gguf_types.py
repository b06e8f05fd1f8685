"""Types of GGUF tensors: blocks and bytes of each, and values of those that llama.cpp's package cannot read back.

- Q1_0: 128 weights a block, a 16-bit scale d, then a bit a weight: d or -d.
- Q2_0: 64 weights a block, a 16-bit scale d, then two bits a weight: (code - 1) · d. A fork, which wrote such files
  first, has blocks of 128. Their length tells which it is.

Both lie as in ggml-common.h, the lowest bits first.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from atlas_db.core.arrays import Bytes, Floats

_Q1_0, _Q2_0 = 41, 42
_NUMPY_DTYPES = {"F64": "<f8", "I8": "i1", "I16": "<i2", "I32": "<i4", "I64": "<i8"}
_SCALE_BYTES = 2


class GgufType(NamedTuple):
    """A type.

    Attributes:
        name: llama.cpp's name.
        block: Weights a block.
        block_bytes: Bytes a block.
    """

    name: str
    block: int
    block_bytes: int


def gguf_type(number: int, elements: int, room: int) -> GgufType | None:
    """Return the type of a tensor; None where it is not known.

    Args:
        number: llama.cpp's number of the type.
        elements: Weights of the tensor.
        room: Bytes up to the next tensor, or the end of the file.
    """
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    if number == _Q2_0:
        sizes = [GgufType("Q2_0", block, _SCALE_BYTES + block // 4) for block in (64, 128)]
        fitting = [each for each in sizes if elements % each.block == 0 and _bytes(each, elements) <= room]
        return fitting[0] if fitting else None
    try:
        known = GGMLQuantizationType(number)
    except ValueError:
        return None
    return GgufType(known.name, *GGML_QUANT_SIZES[known])


def _bytes(kind: GgufType, elements: int) -> int:
    return elements // kind.block * kind.block_bytes


def gguf_values(raw: Bytes, kind: GgufType) -> Floats:
    """Return the values of rows of blocks, shape (rows, weights).

    Args:
        raw: Bytes, shape (rows, bytes).
        kind: Their type.

    Raises:
        NotImplementedError: llama.cpp's package cannot read the type back.
    """
    from gguf import GGMLQuantizationType, quants

    if kind.name in _NUMPY_DTYPES:
        return raw.view(_NUMPY_DTYPES[kind.name]).astype(np.float32)
    if kind.name not in ("Q1_0", "Q2_0"):
        return np.asarray(quants.dequantize(raw, GGMLQuantizationType[kind.name]), np.float32)
    blocks = raw.reshape(len(raw), -1, kind.block_bytes)
    scale = np.ascontiguousarray(blocks[:, :, :_SCALE_BYTES]).view("<f2").astype(np.float32)
    bits = np.unpackbits(blocks[:, :, _SCALE_BYTES:], axis=2, bitorder="little").astype(np.int8)
    codes = bits * 2 - 1 if kind.name == "Q1_0" else bits[:, :, 0::2] + 2 * bits[:, :, 1::2] - 1
    return np.asarray((codes * scale).reshape(len(raw), -1), np.float32)
