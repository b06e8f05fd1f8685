"""All formats of quantized matrices in safetensors files, in the order in which they are tried."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from atlas_db.core.arrays import Floats, Integers
from ingest.formats.matrix import Matrix
from ingest.formats.quantized import (
    bitsandbytes,
    compressed_tensors,
    hqq,
    mlx,
    mxfp4_blocks,
    quanto,
    scaled_codes,
    torchao,
)
from ingest.formats.quantized.stored_tensors import QuantizedFormat, StoredTensors, UnreadableTensorError
from ingest.formats.quantized.transposed import exl2, gptq_awq
from ingest.formats.quantized.unread_packings import unread_packing

QUANTIZED: tuple[QuantizedFormat, ...] = (
    bitsandbytes.FORMAT, mlx.FORMAT, gptq_awq.FORMAT, exl2.FORMAT, compressed_tensors.FORMAT, torchao.FORMAT,
    quanto.FORMAT, hqq.FORMAT, mxfp4_blocks.FORMAT, scaled_codes.FORMAT,
)  # fmt: skip


def quantized_matrix(name: str, stored: StoredTensors) -> Matrix | None:
    """Return a tensor of codes as a matrix, by the first format that it is of; None where it is of none.

    Args:
        name: Name of the tensor.
        stored: All tensors of the model.

    Raises:
        UnreadableTensorError: It is of a format, and cannot be read.
    """
    if packing := unread_packing(name, stored):
        raise UnreadableTensorError(f"the format {packing}, which is not read")
    found = next((found for each in QUANTIZED if (found := each.matrix(name, stored)) is not None), None)
    return found and found._replace(read=_without_warnings(found.read))


def _without_warnings(read: Callable[[Integers], Floats]) -> Callable[[Integers], Floats]:
    """Return a reader of rows to which scales that are no numbers are values as any others."""

    def quiet(wanted: Integers) -> Floats:
        with np.errstate(invalid="ignore", over="ignore"):
            return read(wanted)

    return quiet


def serves_another(name: str, stored: StoredTensors) -> bool:
    """Return whether a tensor only serves another one: scales, zero points, shapes, states."""
    return name.endswith(scaled_codes.SCALES) or any(each.is_side(name, stored) for each in QUANTIZED)
