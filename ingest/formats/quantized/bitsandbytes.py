"""Matrices as bitsandbytes stores them: 4-bit codes (NF4, FP4) with a scale a block, and 8-bit codes with one a row.

- 4 bits (QLoRA, Dettmers et al., arXiv 2305.14314): w = map[code] · absmax[block]. Two codes a byte, the first in the
  high half; blocks run over the flattened matrix. With double quantization the scales are codes themselves.
- 8 bits (LLM.int8, arXiv 2208.07339): w = code · SCB[row] / 127.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from atlas_db.core.arrays import Floats, Integers
from atlas_db.core.decoding import MalformedError, json_as
from ingest.formats.matrix import Matrix
from ingest.formats.quantized.stored_tensors import (
    QuantizedFormat,
    StoredTensor,
    StoredTensors,
    UnreadableTensorError,
)
from ingest.formats.safetensors import read_values

_STATES = {".quant_state.bitsandbytes__nf4": "NF4", ".quant_state.bitsandbytes__fp4": "FP4"}
_MAX_STATE = 4096
_CODES = 16


def _matrix(name: str, stored: StoredTensors) -> Matrix | None:
    tensors = stored.tensors
    tensor = tensors[name][1]
    scales = tensors.get(name.removesuffix("weight") + "SCB")
    if tensor.dtype == "I8" and len(tensor.shape) == 2 and scales is not None:
        rows, columns = tensor.shape
        if scales[1].elements != rows:
            raise UnreadableTensorError(f"INT8 of bitsandbytes with {scales[1].elements} scales for {rows} rows")
        return Matrix(name, rows, columns, "INT8", False, _row_scaled(tensors[name], scales))
    for suffix, kind in _STATES.items():
        if tensor.dtype == "U8" and name + suffix in tensors:
            found = _four_bit(name, kind, _state(tensors[name + suffix]), tensors)
            if found is None:
                raise UnreadableTensorError(f"{kind} of bitsandbytes with parts that do not fit")
            return found
    return None


def _row_scaled(codes: StoredTensor, scales: StoredTensor) -> Callable[[Integers], Floats]:
    (source, tensor), columns = codes, codes[1].shape[1]

    def read(wanted: Integers) -> Floats:
        rows = [read_values(source, tensor, row * columns, (row + 1) * columns) for row in wanted.tolist()]
        factor = np.array([read_values(*scales, row, row + 1)[0] for row in wanted.tolist()], np.float32)
        return np.asarray(np.stack(rows) * (factor / 127)[:, None], np.float32)

    return read


def _state(stored: StoredTensor) -> dict[str, Any]:
    """Return the state of a quantized tensor: JSON, kept as bytes in a tensor of its own; empty where it is none."""
    source, tensor = stored
    if tensor.stop - tensor.start > _MAX_STATE:
        return {}
    try:
        return json_as(source.read(tensor.start, tensor.stop), dict[str, Any])
    except MalformedError:
        return {}


def _four_bit(name: str, kind: str, state: Mapping[str, Any], tensors: Mapping[str, StoredTensor]) -> Matrix | None:
    shape, block = state.get("shape"), state.get("blocksize")
    scales, values = tensors.get(f"{name}.absmax"), tensors.get(f"{name}.quant_map")
    if scales is None or values is None or values[1].elements != _CODES or not isinstance(block, int) or block < 1:
        return None
    if not (isinstance(shape, list) and len(shape) == 2 and all(isinstance(side, int) and side > 0 for side in shape)):
        return None
    rows, columns = shape
    if (
        rows * columns != 2 * tensors[name][1].elements
        or columns % 2
        or scales[1].elements != -(-rows * columns // block)
    ):
        return None
    read_scales = _block_scales(name, state, tensors)
    if read_scales is None:
        return None
    source, tensor = tensors[name]

    def read(wanted: Integers) -> Floats:
        table = read_values(*values)
        out = np.empty((len(wanted), columns), np.float32)
        for place, row in enumerate(wanted.tolist()):
            first = row * columns
            raw = np.frombuffer(source.read(tensor.start + first // 2, tensor.start + (first + columns) // 2), np.uint8)
            codes = np.stack((raw >> 4, raw & 15), -1).reshape(-1)
            blocks = np.arange(first, first + columns) // block
            out[place] = table[codes] * read_scales(int(blocks[0]), int(blocks[-1]) + 1)[blocks - blocks[0]]
        return out

    return Matrix(name, rows, columns, kind, False, read)


def _block_scales(
    name: str, state: Mapping[str, Any], tensors: Mapping[str, StoredTensor]
) -> Callable[[int, int], Floats] | None:
    """Return a function of the first block and that after the last to their scales; None where the parts do not fit."""
    scales = tensors[f"{name}.absmax"]
    if scales[1].dtype != "U8":
        return lambda first, last: read_values(*scales, first, last)
    outer, values = tensors.get(f"{name}.nested_absmax"), tensors.get(f"{name}.nested_quant_map")
    block, offset = state.get("nested_blocksize"), state.get("nested_offset")
    if outer is None or values is None or values[1].elements != 256 or not isinstance(block, int) or block < 1:
        return None
    if outer[1].elements != -(-scales[1].elements // block) or not isinstance(offset, int | float):
        return None

    def read(first: int, last: int) -> Floats:
        codes = read_values(*scales, first, last).astype(np.int64)
        factor = read_values(*outer, first // block, (last - 1) // block + 1)
        return read_values(*values)[codes] * factor[np.arange(first, last) // block - first // block] + np.float32(
            offset
        )

    return read


_PARTS = (".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map", *_STATES)

FORMAT = QuantizedFormat(
    name="bitsandbytes",
    tool="bitsandbytes 0.50.2, transformers 5.23.0",
    read="NF4 and FP4, also with double quantization; INT8",
    unknown="outliers of INT8 lie in the rows themselves, so nothing is lost",
    error=1e-6,
    bytes_read="1.3 MiB of 1.0 GiB (NF4)",
    places="disk, Hub",
    matrix=_matrix,
    served={**{part: ("",) for part in _PARTS}, ".SCB": (".weight",), ".weight_format": (".weight",)},
)
