"""Matrices as torchao saves them: codes, scales and zero points of a tensor, with their kind in the file's free text.

The parts of `X.weight` are `X._weight_qdata`, `X._weight_scale` and `X._weight_zero_point`. The free text has a JSON
object for each tensor, with the name of its class and its blocks.

- Codes of a byte each (`Int8Tensor`, `IntxUnpackedToInt8Tensor`, `Float8Tensor`): w = (code - zero point) · scale.
- `MXTensor`, `NVFP4Tensor`: floats of 8 or 4 bits, a scale a group of columns, and a factor of the matrix. Scales may
  lie as tensor cores read them, in tiles of 128 rows and 4 groups (cuBLAS, "1D Block Scaling Factors Layout").
- `Int4Tensor`: two codes a byte, the first in the low half: w = code · scale + zero point (`int4_row_quantize_zp` of
  FBGEMM). Scales and zero points are groups × outputs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from atlas_db.core.arrays import Floats, Integers
from atlas_db.core.decoding import MalformedError, json_as
from atlas_db.core.safe_text import cut
from ingest.formats.matrix import Matrix
from ingest.formats.quantized.scale_blocks import ScaleBlocks, block_of, group_of
from ingest.formats.quantized.small_floats import E2M1, as_exponents, as_floats
from ingest.formats.quantized.stored_tensors import (
    QuantizedFormat,
    StoredTensor,
    StoredTensors,
    UnreadableTensorError,
    bit_fields,
    read_row_bytes,
)
from ingest.formats.quantized.transposed.packed_words import StoredColumns
from ingest.formats.safetensors import decode_floats, read_values

_CODES = "_qdata"
_CLASSES = ("Int8Tensor", "IntxUnpackedToInt8Tensor", "Float8Tensor")
"""Classes of tensors whose codes take a byte each."""
_TYPES = ("I8", "F8_E4M3", "F8_E5M2")
_MICROSCALED = ("MXTensor", "NVFP4Tensor")
_FLOAT8 = {"float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2"}
_FLOAT4 = "float4_e2m1fn_x2"
_PARTS = (
    "scale", "zero_point", "per_tensor_scale", "act_quant_scale", "act_quant_zero_point", "act_pre_scale",
    "act_per_tensor_scale",
)  # fmt: skip
_TILE_ROWS, _TILE_GROUPS, _TILE_PART = 128, 4, 32
"""Rows and groups of a tile of scales, and how many of its rows follow each other."""


def _matrix(name: str, stored: StoredTensors) -> Matrix | None:
    module, _, last = name.rpartition(".")
    if not (last.startswith("_") and last.endswith(_CODES)):
        return None
    plain = last.removeprefix("_").removesuffix(_CODES)
    prefix, wanted = f"{module}._{plain}_" if module else f"_{plain}_", f"{module}.{plain}" if module else plain
    stated = _stated(wanted, stored.metadata)
    tensor, kind = stored.tensors[name][1], stated.get("_type")
    kind = cut(kind) if isinstance(kind, str) else "unknown"
    if f"{prefix}act_pre_scale" in stored.tensors:
        raise UnreadableTensorError(f"the class {kind} of torchao, with inputs that are scaled before")
    parts = {part: stored.tensors.get(f"{prefix}{part}") for part in _PARTS}
    data = stated.get("_data")
    settings = data if isinstance(data, dict) else {}
    if len(tensor.shape) == 2 and kind in _MICROSCALED and tensor.dtype in ("U8", *_FLOAT8.values()):
        return _microscaled(wanted, kind, stored.tensors[name], parts, settings)
    if len(tensor.shape) == 2 and kind == "Int4Tensor" and tensor.dtype in ("I8", "U8"):
        return _four_bits(wanted, stored.tensors[name], parts)
    if len(tensor.shape) == 2 and kind in _CLASSES and tensor.dtype in _TYPES:
        return _whole_bytes(wanted, kind, stored.tensors[name], parts, settings)
    raise UnreadableTensorError(f"the class {kind} of torchao")


_Parts = Mapping[str, StoredTensor | None]


def _scale_of(kind: str, parts: _Parts) -> StoredTensor:
    scale = parts["scale"]
    if scale is None:
        raise UnreadableTensorError(f"the class {kind} of torchao, without scales")
    return scale


def _whole_bytes(name: str, kind: str, codes: StoredTensor, parts: _Parts, settings: Mapping[str, Any]) -> Matrix:
    """Return a matrix of codes of a byte each."""
    rows, columns = codes[1].shape
    block = block_of(settings.get("block_size"))
    scales = ScaleBlocks(_scale_of(kind, parts), rows, columns, block)
    zero = parts["zero_point"]
    zeros = ScaleBlocks(zero, rows, columns, block) if zero is not None else None

    def read(wanted: Integers) -> Floats:
        raw = read_row_bytes(codes, wanted, columns)
        values = decode_floats(raw.tobytes(), codes[1].dtype).reshape(len(wanted), columns)
        if zeros is not None:
            values = values - zeros.spread(zeros.read(wanted))
        return np.asarray(values * scales.spread(scales.read(wanted)), np.float32)

    return Matrix(name, rows, columns, _type_of(codes[1].dtype, settings), False, read)


def _microscaled(name: str, kind: str, codes: StoredTensor, parts: _Parts, settings: Mapping[str, Any]) -> Matrix:
    """Return a matrix of floats with a scale a group of columns."""
    stated, group = _dtype_name(settings.get("elem_dtype")), group_of(settings.get("block_size"))
    packed = kind == "NVFP4Tensor" or stated == _FLOAT4
    if group is None or not (packed or _FLOAT8.get(stated) == codes[1].dtype):
        raise UnreadableTensorError(f"the class {kind} of torchao, of {cut(stated) or codes[1].dtype}")
    rows, width = codes[1].shape
    columns = width * 2 if packed else width
    if columns % group or not columns:
        raise UnreadableTensorError(f"the class {kind} of torchao, with groups that do not fit")
    of_rows = as_floats if kind == "NVFP4Tensor" else as_exponents
    read_scales = _group_scales(
        of_rows(_scale_of(kind, parts)), rows, columns // group, tiled=settings.get("is_swizzled_scales") is True
    )
    factor = parts["per_tensor_scale"]

    def read(wanted: Integers) -> Floats:
        raw = read_row_bytes(codes, wanted, width)
        values = E2M1[bit_fields(raw, 4)] if packed else decode_floats(raw.tobytes(), codes[1].dtype)
        scales = read_scales(wanted)
        if factor is not None:
            scales = scales * read_values(*factor)[0]
        return np.asarray(
            (values.reshape(len(wanted), -1, group) * scales[:, :, None]).reshape(len(wanted), columns), np.float32
        )

    dtype = ("NVFP4" if kind == "NVFP4Tensor" else "MXFP4") if packed else codes[1].dtype
    return Matrix(name, rows, columns, dtype, False, read)


def _group_scales(scale: StoredTensor, rows: int, groups: int, *, tiled: bool) -> Callable[[Integers], Floats]:
    """Return a function of rows to their scales, shape (len(rows), groups).

    Args:
        scale: The tensor of scales.
        rows: Rows of the matrix.
        groups: Groups of a row.
        tiled: Whether scales lie in tiles.

    Raises:
        UnreadableTensorError: They are too few or too many.
    """
    if not tiled:
        if scale[1].elements != rows * groups:
            raise UnreadableTensorError(f"{scale[1].elements} scales of torchao for {rows * groups} groups")
        return lambda wanted: np.stack(
            [read_values(*scale, row * groups, (row + 1) * groups) for row in wanted.tolist()]
        )
    across = -(-groups // _TILE_GROUPS)
    strip = across * _TILE_ROWS * _TILE_GROUPS
    if scale[1].elements != -(-rows // _TILE_ROWS) * strip:
        raise UnreadableTensorError(f"{scale[1].elements} scales of torchao in tiles for {rows} rows")

    def read(wanted: Integers) -> Floats:
        found = np.empty((len(wanted), groups), np.float32)
        for tile in np.unique(wanted // _TILE_ROWS).tolist():
            # In a tile, rows 32 apart lie beside each other.
            parts = (across, _TILE_PART, _TILE_ROWS // _TILE_PART, _TILE_GROUPS)
            values = read_values(*scale, tile * strip, (tile + 1) * strip).reshape(parts)
            ordered = values.transpose(2, 1, 0, 3).reshape(_TILE_ROWS, -1)[:, :groups]
            here = wanted // _TILE_ROWS == tile
            found[here] = ordered[wanted[here] % _TILE_ROWS]
        return found

    return read


def _four_bits(name: str, codes: StoredTensor, parts: _Parts) -> Matrix:
    """Return a matrix of two codes a byte."""
    scale, zero = _scale_of("Int4Tensor", parts), parts["zero_point"]
    rows, columns = codes[1].shape[0], codes[1].shape[1] * 2
    shape = scale[1].shape
    if zero is None or len(shape) != 2 or shape[1] != rows or zero[1].shape != shape or not shape[0]:
        raise UnreadableTensorError("the class Int4Tensor of torchao, with parts that do not fit")
    if columns % shape[0]:
        raise UnreadableTensorError("the class Int4Tensor of torchao, with groups that do not fit")

    def read(wanted: Integers) -> Floats:
        fields = bit_fields(read_row_bytes(codes, wanted, columns // 2), 4)
        signed = np.where(fields > 7, fields - 16, fields).reshape(len(wanted), shape[0], -1)
        factor, offset = (StoredColumns(part).floats(wanted)[:, :, None] for part in (scale, zero))
        return np.asarray((signed * factor + offset).reshape(len(wanted), columns), np.float32)

    return Matrix(name, rows, columns, "INT4", False, read)


def _type_of(dtype: str, settings: Mapping[str, Any]) -> str:
    """Return the type of codes: integers of fewer bits take a byte each as well."""
    name = _dtype_name(settings.get("target_dtype"))
    if dtype != "I8":
        return dtype
    return name.upper() if re.fullmatch(r"int[1-8]", name) else "INT8"


def _dtype_name(stated: object) -> str:
    """Return the name of a type of torch as a file states it; empty where it states none."""
    name = stated.get("_data") if isinstance(stated, dict) else None
    return name if isinstance(name, str) else ""


def _stated(name: str, metadata: Mapping[str, str]) -> dict[str, Any]:
    """Return what the free text states of a tensor; empty where it states nothing."""
    try:
        return json_as(metadata.get(name, "{}"), dict[str, Any])
    except MalformedError:
        return {}


FORMAT = QuantizedFormat(
    name="torchao",
    tool="torchao 0.18.0, transformers 5.23.0",
    read="Int8Tensor, IntxUnpackedToInt8Tensor, Float8Tensor, Int4Tensor, MXTensor of FP8 and FP4, NVFP4Tensor",
    unknown="other classes, such as Int4TilePackedTo4dTensor, are refused by their name",
    error=0.0,
    bytes_read="8.3 MiB of 1.0 GiB (MXFP4)",
    places="disk, Hub",
    matrix=_matrix,
    served={f"_{part}": (_CODES,) for part in _PARTS},
)
