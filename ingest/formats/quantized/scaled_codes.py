"""Matrices of plain 8-bit codes with tensors of scales, as several tools write them, and pairs of 4-bit codes.

- 8-bit floats: one scale a matrix (ModelOpt), a row (FBGEMM, compressed-tensors), a rectangle (DeepSeek-V3), or a group
  of 32 columns, as exponents (MXFP8).
- 8-bit integers: one scale a row or a group, with or without zero points.
- NVFP4 of ModelOpt: E2M1 codes, two a byte, an 8-bit float a group of 16, and a factor of the matrix.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from atlas_db.core.arrays import Floats, Integers
from atlas_db.core.safe_text import shown
from ingest.formats.matrix import Matrix
from ingest.formats.quantized.scale_blocks import ScaleBlocks, block_of, group_of
from ingest.formats.quantized.small_floats import E2M1, as_exponents
from ingest.formats.quantized.stored_tensors import (
    QuantizedFormat,
    StoredTensor,
    StoredTensors,
    UnreadableTensorError,
    bit_fields,
    read_row_bytes,
)
from ingest.formats.safetensors import decode_floats, item_size, read_values

SCALES = ("_scale", "_scale_inv")
"""Ends that the name of a scale adds to that of its tensor."""
_COMFY_SCALE = ".scale_weight"
_FACTOR = ".weight_scale_2"
FLOAT4 = "F4"
"""Type of 4-bit floats in safetensors files."""
_PACKED = "_packed"


def _matrix(name: str, stored: StoredTensors) -> Matrix | None:
    scale = _scale(name, stored)
    if scale is None:
        return None
    codes = stored.tensors[name]
    if codes[1].dtype == "U8":
        factor = stored.tensors.get(name.removesuffix(".weight") + _FACTOR)
        return _nvfp4(name, codes, scale, factor) if factor else _pairs(name, codes, scale)
    if codes[1].dtype == "I32":
        return None
    return _scaled_rows(name, codes, scale, stored)


def _scale(name: str, stored: StoredTensors) -> StoredTensor | None:
    base = name.removesuffix(_PACKED)
    named = (*(base + end for end in SCALES), name.removesuffix(".weight") + _COMFY_SCALE)
    return next((stored.tensors[each] for each in named if each in stored.tensors), None)


def _scaled_rows(name: str, codes: StoredTensor, scale: StoredTensor, stored: StoredTensors) -> Matrix:
    tensor = codes[1]
    if len(tensor.shape) < 2:
        raise UnreadableTensorError(f"{tensor.dtype} in one dimension, with scales")
    columns = tensor.shape[-1]
    rows = tensor.elements // columns
    scales = ScaleBlocks(as_exponents(scale), rows, columns, _stated_block(stored.quantization))
    scales.require_whole(tensor.shape[-2])
    zeros = stored.tensors.get(f"{name}_zero_point") if tensor.dtype == "I8" else None
    shift = ScaleBlocks(zeros, rows, columns, _stated_block(stored.quantization)) if zeros else None
    read_values_of = _four_bit_floats(codes) if tensor.dtype == FLOAT4 else _whole_bytes(codes)

    def read(wanted: Integers) -> Floats:
        values = read_values_of(wanted)
        if shift:
            values = values - shift.spread(shift.read(wanted))
        return np.asarray(values * scales.spread(scales.read(wanted)), np.float32)

    sides = tensor.shape if len(tensor.shape) > 2 else ()
    return Matrix(name, rows, columns, tensor.dtype, False, read, shape=sides)


def _whole_bytes(codes: StoredTensor) -> Callable[[Integers], Floats]:
    """Return a function of rows to codes that take whole bytes each."""
    tensor, columns = codes[1], codes[1].shape[-1]
    width = columns * item_size(tensor.dtype)

    def read(wanted: Integers) -> Floats:
        raw = read_row_bytes(codes, wanted, width)
        return decode_floats(raw.tobytes(), tensor.dtype).reshape(len(wanted), columns)

    return read


def _four_bit_floats(codes: StoredTensor) -> Callable[[Integers], Floats]:
    """Return a function of rows to floats of the type F4, whose shape counts the floats, two of them a byte."""
    tensor, columns = codes[1], codes[1].shape[-1]
    if columns % 2 or (tensor.stop - tensor.start) * 2 != tensor.elements:
        raise UnreadableTensorError(f"F4 of {tensor.elements} values in {tensor.stop - tensor.start} bytes")
    return lambda wanted: E2M1[bit_fields(read_row_bytes(codes, wanted, columns // 2), 4)]


def _stated_block(quantization: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Return rows and columns of a block of scales, as a configuration states them."""
    if "weight_block_size" in quantization:
        return block_of(quantization["weight_block_size"])
    groups = quantization.get("config_groups")
    stated = [
        (block_of(weights.get("block_structure")), group_of(weights.get("group_size")))
        for group in (groups.values() if isinstance(groups, dict) else ())
        if isinstance(group, dict) and isinstance(weights := group.get("weights"), dict)
    ]
    # Where several groups of modules differ, a block that fits the shapes is taken, as if none were stated.
    if len(set(stated)) != 1:
        return None, None
    block, group = stated[0]
    return (block[0], block[1] or group)


def _nvfp4(name: str, codes: StoredTensor, scale: StoredTensor, factor: StoredTensor) -> Matrix:
    columns, read_codes = _two_a_byte(codes, lambda pairs: E2M1[pairs])
    rows = codes[1].elements * 2 // columns
    scales = ScaleBlocks(scale, rows, columns)

    def read(wanted: Integers) -> Floats:
        return np.asarray(read_codes(wanted) * scales.spread(scales.read(wanted)) * read_values(*factor)[0], np.float32)

    return Matrix(name, rows, columns, "NVFP4", False, read)


def _pairs(name: str, codes: StoredTensor, scale: StoredTensor) -> Matrix:
    """Return a matrix of two 4-bit integers a byte."""
    if not name.endswith(_PACKED) or scale[1].dtype not in ("F16", "BF16", "F32"):
        raise UnreadableTensorError(f"U8 with scales of {scale[1].dtype}")
    columns, read_codes = _two_a_byte(codes, _centred)
    rows = codes[1].elements * 2 // columns
    scales = ScaleBlocks(scale, rows, columns)

    def read(wanted: Integers) -> Floats:
        return np.asarray(read_codes(wanted) * scales.spread(scales.read(wanted)), np.float32)

    return Matrix(name.removesuffix(_PACKED), rows, columns, "U4", False, read)


def _two_a_byte(codes: StoredTensor, values: Callable[[Integers], Floats]) -> tuple[int, Callable[[Integers], Floats]]:
    """Return the columns of a matrix of two codes a byte, and a function of rows to the values of their codes."""
    if len(codes[1].shape) != 2:
        raise UnreadableTensorError(f"U8 of the shape {shown(list(codes[1].shape))}, with scales")
    width = codes[1].shape[1]
    return width * 2, lambda wanted: values(bit_fields(read_row_bytes(codes, wanted, width), 4))


def _centred(codes: Integers) -> Floats:
    """Return 4-bit codes as integers.

    Formats store 8 for zero, or two's complement, and files do not name which. Weights are dense around zero, so for
    each row the format with more codes there is taken.
    """
    offset = np.isin(codes, (7, 8, 9)).sum(1) >= np.isin(codes, (15, 0, 1)).sum(1)
    return np.where(offset[:, None], codes - 8, np.where(codes > 7, codes - 16, codes)).astype(np.float32)


_SERVED: dict[str, tuple[str, ...]] = {
    _COMFY_SCALE: (".weight",), _FACTOR: (".weight",), ".weight_zero_point": (".weight",), ".input_scale": (".weight",),
    ".scale_input": (".weight",),
}  # fmt: skip

FORMAT = QuantizedFormat(
    name="8-bit codes with scales",
    tool="llm-compressor 0.14.0.1, compressed-tensors 0.19.0",
    read="FP8, F4 and INT8: a scale a matrix, row, group or rectangle, or exponents; zero points; NVFP4 of ModelOpt",
    unknown="sides of rectangles that are not stated and do not divide: 128 where it fits, else refused",
    error=0.0,
    bytes_read="2.1 MiB of 1.4 GiB (FP8)",
    places="disk, Hub",
    matrix=_matrix,
    served=_SERVED,
)
