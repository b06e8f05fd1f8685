"""Experts as gpt-oss stores them: E2M1 codes in blocks of 32 with an exponent each, all experts in one tensor.

`X_blocks` has the sides experts × outputs × groups × 16 bytes, and `X_scales` experts × outputs × groups. Rows of the
two projections before the activation take turns. They are returned one projection after the other.
"""

from __future__ import annotations

import numpy as np

from atlas_db.core.arrays import Floats, Integers
from ingest.formats.matrix import Matrix
from ingest.formats.quantized.small_floats import E2M1, as_exponents
from ingest.formats.quantized.stored_tensors import (
    QuantizedFormat,
    StoredTensors,
    UnreadableTensorError,
    bit_fields,
    read_row_bytes,
)
from ingest.formats.safetensors import read_values

_BLOCKS, _SCALES = "_blocks", "_scales"
_BLOCK_BYTES = 16
_ALTERNATING = "gate_up_proj"


def _matrix(name: str, stored: StoredTensors) -> Matrix | None:
    if not name.endswith(_BLOCKS) or stored.tensors[name][1].dtype != "U8":
        return None
    base = name.removesuffix(_BLOCKS)
    codes, scales = stored.tensors[name], stored.tensors.get(base + _SCALES)
    shape = codes[1].shape
    if scales is None or len(shape) != 4 or shape[3] != _BLOCK_BYTES or scales[1].shape != shape[:3]:
        raise UnreadableTensorError("MXFP4 blocks with scales that do not fit")
    experts, outputs, groups, _ = shape
    columns = groups * 2 * _BLOCK_BYTES
    alternates = base.endswith(_ALTERNATING) and outputs % 2 == 0
    exponents = as_exponents(scales)

    def read(wanted: Integers) -> Floats:
        rows = wanted
        if alternates:
            expert, row = np.divmod(wanted, outputs)
            projection, place = np.divmod(row, outputs // 2)
            rows = expert * outputs + 2 * place + projection
        values = E2M1[bit_fields(read_row_bytes(codes, rows, groups * _BLOCK_BYTES), 4)].reshape(len(rows), groups, -1)
        factor = np.stack([read_values(*exponents, row * groups, (row + 1) * groups) for row in rows.tolist()])
        return np.asarray((values * factor[:, :, None]).reshape(len(rows), columns), np.float32)

    return Matrix(base, experts * outputs, columns, "MXFP4", False, read, shape=(experts, outputs, columns))


FORMAT = QuantizedFormat(
    name="MXFP4 blocks of gpt-oss",
    tool="transformers 5.23.0 (its dequantizing code), llama.cpp 0.5.0",
    read="experts, outputs by inputs",
    unknown="copies in floats keep inputs by outputs: turned on disk, over ranges their experts meet only their like",
    error=0.0,
    bytes_read="2.2 MiB of 10.7 GiB (gpt-oss-20b)",
    places="disk, Hub",
    matrix=_matrix,
    served={_SCALES: (_BLOCKS,)},
)
