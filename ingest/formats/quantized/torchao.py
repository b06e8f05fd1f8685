"""Matrices as torchao saves them: codes, scales and zero points of a tensor, with their kind in the file's free text.

The parts of `X.weight` are `X._weight_qdata`, `X._weight_scale` and `X._weight_zero_point`. The free text has a JSON
object for each tensor, with the name of its class and its blocks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from atlas_db.core.arrays import Floats, Integers
from ingest.formats.matrix import Matrix
from ingest.formats.quantized.scale_blocks import ScaleBlocks, block_of
from ingest.formats.quantized.stored_tensors import (
    QuantizedFormat,
    StoredTensors,
    UnreadableTensorError,
    read_row_bytes,
)
from ingest.formats.safetensors import decode_floats

_CODES = "_qdata"
_CLASSES = ("Int8Tensor", "IntxUnpackedToInt8Tensor", "Float8Tensor")
"""Classes of tensors whose codes take a byte each."""
_TYPES = ("I8", "F8_E4M3", "F8_E5M2")
_PARTS = ("scale", "zero_point", "act_quant_scale", "act_quant_zero_point", "act_pre_scale")


def _matrix(name: str, stored: StoredTensors) -> Matrix | None:
    module, _, last = name.rpartition(".")
    if not (last.startswith("_") and last.endswith(_CODES)):
        return None
    plain = last.removeprefix("_").removesuffix(_CODES)
    prefix, wanted = f"{module}._{plain}_" if module else f"_{plain}_", f"{module}.{plain}" if module else plain
    stated = _stated(wanted, stored.metadata)
    kind = stated.get("_type")
    tensor = stored.tensors[name][1]
    if kind not in _CLASSES or tensor.dtype not in _TYPES or len(tensor.shape) != 2:
        raise UnreadableTensorError(f"the class {kind if isinstance(kind, str) else 'unknown'} of torchao")
    if f"{prefix}act_pre_scale" in stored.tensors:
        raise UnreadableTensorError(f"the class {kind} of torchao, with inputs that are scaled before")
    rows, columns = tensor.shape
    data = stated.get("_data")
    block = block_of(data.get("block_size") if isinstance(data, dict) else None)
    scale, zero = (stored.tensors.get(f"{prefix}{part}") for part in ("scale", "zero_point"))
    if scale is None:
        raise UnreadableTensorError(f"the class {kind} of torchao, without scales")
    scales = ScaleBlocks(scale, rows, columns, block)
    zeros = ScaleBlocks(zero, rows, columns, block) if zero is not None else None

    def read(rows_wanted: Integers) -> Floats:
        raw = read_row_bytes(stored.tensors[name], rows_wanted, columns)
        values = decode_floats(raw.tobytes(), tensor.dtype).reshape(len(rows_wanted), columns)
        if zeros is not None:
            values = values - zeros.spread(zeros.read(rows_wanted))
        return np.asarray(values * scales.spread(scales.read(rows_wanted)), np.float32)

    return Matrix(wanted, rows, columns, _type_of(tensor.dtype, data), False, read)


def _type_of(dtype: str, data: object) -> str:
    """Return the type of codes: integers of fewer bits take a byte each as well."""
    target = data.get("target_dtype") if isinstance(data, dict) else None
    name = target.get("_data") if isinstance(target, dict) else None
    if dtype != "I8":
        return dtype
    return name.upper() if isinstance(name, str) and re.fullmatch(r"int[1-8]", name) else "INT8"


def _stated(name: str, metadata: Mapping[str, str]) -> dict[str, Any]:
    """Return what the free text states of a tensor; empty where it states nothing."""
    try:
        return msgspec.json.decode(metadata.get(name, "{}"), type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        return {}


FORMAT = QuantizedFormat(
    name="torchao",
    tool="torchao 0.18.0, transformers 5.23.0",
    read="Int8Tensor, IntxUnpackedToInt8Tensor, Float8Tensor",
    unknown="Int4Tensor, MXTensor and other classes are refused by their name",
    error=0.0,
    places="disk, Hub",
    matrix=_matrix,
    served={f"_{part}": (_CODES,) for part in _PARTS},
)
