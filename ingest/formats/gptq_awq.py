"""GPTQ and AWQ matrices, integers packed into 32-bit words: `qweight`, `qzeros`, `scales` and, for GPTQ, `g_idx`.

An element is w = (code - zero point) · scale. Both formats store the transpose, [inputs, outputs], so a row of the
model's matrix is a column here, gathered word by word.

- GPTQ (Frantar et al., arXiv 2210.17323) packs neighbouring inputs into a word (AutoGPTQ, qlinear_cuda).
- AWQ (Lin et al., arXiv 2306.00978) packs neighbouring outputs, in an order of its own (AutoAWQ, WQLinear_GEMM).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from atlas_db.core.arrays import Floats, Integers
from atlas_db.core.errors import WeightsError
from ingest.formats.byte_source import ByteSource
from ingest.formats.safetensors import Tensor, item_size, read_values

PackedWords = npt.NDArray[np.uint32]
SUFFIXES = (".qzeros", ".scales", ".g_idx", ".qweight")
AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)
"""Output of each 4-bit field of a word, the lowest field first."""
MAX_WHOLE_READ_BYTES = 2**22
"""Bytes up to which a tensor is read at once."""
_WORD_BYTES = 4
StoredTensor = tuple[ByteSource, Tensor]


class PackedMatrix(NamedTuple):
    """A packed matrix.

    Attributes:
        rows: Outputs.
        columns: Inputs.
        dtype: GPTQ4, GPTQ8 or AWQ4.
        read: Function of row indices to float32 of shape (len(rows), columns).
    """

    rows: int
    columns: int
    dtype: str
    read: Callable[[Integers], Floats]


def packed_matrix(base: str, tensors: Mapping[str, StoredTensor]) -> PackedMatrix | None:
    """Return the matrix of a set of packed tensors.

    Args:
        base: Common prefix of their names.
        tensors: All tensors of the model, by name.

    Returns:
        None where a tensor is missing, or the shapes fit neither format.
    """
    parts = {end: tensors[base + end] for end in SUFFIXES if base + end in tensors}
    if not {".qweight", ".qzeros", ".scales"} <= parts.keys():
        return None
    codes, zeros, scales = (parts[end][1].shape for end in (".qweight", ".qzeros", ".scales"))
    if len(codes) != 2 or len(zeros) != 2 or len(scales) != 2 or parts[".qweight"][1].dtype != "I32" or not zeros[1]:
        return None
    outputs, groups = scales[1], scales[0]
    bits = 32 * zeros[1] // outputs
    if zeros[0] != groups or bits not in (4, 8) or zeros[1] * 32 != outputs * bits:
        return None
    codes_per_word = 32 // bits
    if codes[1] == outputs:
        inputs, kind = codes[0] * codes_per_word, "GPTQ"
    elif codes[1] * codes_per_word == outputs and bits == 4:
        inputs, kind = codes[0], "AWQ"
    else:
        return None
    if ".g_idx" in parts and parts[".g_idx"][1].elements not in (0, inputs):
        return None
    return PackedMatrix(outputs, inputs, f"{kind}{bits}", _row_reader(parts, kind, bits, inputs))


def _row_reader(parts: Mapping[str, StoredTensor], kind: str, bits: int, inputs: int) -> Callable[[Integers], Floats]:
    codes_per_word = 32 // bits
    zero_offset: list[float] = []

    def group_indices() -> Integers:
        if ".g_idx" in parts and parts[".g_idx"][1].elements:
            source, tensor = parts[".g_idx"]
            group = read_values(source, tensor, 0, inputs).astype(np.int64)
            if group.min() < 0 or group.max() >= parts[".scales"][1].shape[0]:
                raise WeightsError(source.name, f"names groups in {tensor.name!r} that have no scale")
            return group
        return np.arange(inputs) * parts[".scales"][1].shape[0] // inputs

    def read(wanted: Integers) -> Floats:
        field = np.array(AWQ_ORDER).argsort()[wanted % codes_per_word] if kind == "AWQ" else wanted % codes_per_word
        if kind == "AWQ":
            codes = _unpack_fields(_gather_columns(parts[".qweight"], wanted // codes_per_word), field, bits)
        else:
            words = _gather_columns(parts[".qweight"], wanted)
            codes = np.stack(
                [_unpack_fields(words, np.full(len(wanted), at), bits) for at in range(codes_per_word)], -1
            )
            codes = codes.reshape(len(wanted), inputs)
        zeros = _unpack_fields(_gather_columns(parts[".qzeros"], wanted // codes_per_word), field, bits)
        group = group_indices()
        centred = codes - zeros[:, group]
        if kind == "GPTQ":
            if not zero_offset:
                # GPTQ files of the first format store the zero point less 1. The mean of the weights is near 0, so the
                # mean of the codes shows which format it is.
                zero_offset.append(1.0 if abs(float(centred.mean()) - 1) < abs(float(centred.mean())) else 0.0)
            centred -= zero_offset[0]
        return np.asarray(centred * _gather_scales(parts[".scales"], wanted)[:, group], np.float32)

    return read


def _unpack_fields(words: PackedWords, field: Integers, bits: int) -> Floats:
    """Return one field of each word.

    Shapes:
        - **words:** (rows, words).
        - **field:** (rows,), index of the field in each row.
        - **output:** (rows, words).
    """
    return ((words >> (field * bits).astype(np.uint32)[:, None]) & np.uint32(2**bits - 1)).astype(np.float32)


def _gather_columns(stored: StoredTensor, columns: Integers) -> PackedWords:
    """Return columns of a matrix of words, shape (len(columns), rows)."""
    source, tensor = stored
    rows, width = tensor.shape
    if rows * width * _WORD_BYTES <= MAX_WHOLE_READ_BYTES:
        whole = np.frombuffer(source.read(tensor.start, tensor.start + rows * width * _WORD_BYTES), "<u4")
        return np.ascontiguousarray(whole.reshape(rows, width)[:, columns].T)
    unique, inverse = np.unique(columns, return_inverse=True)
    out = np.empty((len(unique), rows), np.uint32)
    for at, column in enumerate(unique.tolist()):
        first = tensor.start + column * _WORD_BYTES
        places = range(first, first + rows * width * _WORD_BYTES, width * _WORD_BYTES)
        out[at] = np.frombuffer(b"".join(source.read(place, place + _WORD_BYTES) for place in places), "<u4")
    return out[inverse]


def _gather_scales(stored: StoredTensor, columns: Integers) -> Floats:
    """Return columns of the scales, shape (len(columns), groups)."""
    source, tensor = stored
    groups, width = tensor.shape
    if tensor.elements * item_size(tensor.dtype) <= MAX_WHOLE_READ_BYTES:
        return read_values(source, tensor, 0, tensor.elements).reshape(groups, width)[:, columns].T
    out = np.empty((len(columns), groups), np.float32)
    for group in range(groups):
        for at, column in enumerate(columns.tolist()):
            out[at, group] = read_values(source, tensor, group * width + column, group * width + column + 1)[0]
    return out
