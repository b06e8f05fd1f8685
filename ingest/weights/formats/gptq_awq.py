"""Integers packed across rows, as GPTQ and AWQ store them: `qweight`, `qzeros`, `scales` and, for GPTQ, `g_idx`.

Both keep the transpose, [inputs, outputs]. GPTQ packs neighbouring inputs into a word (AutoGPTQ, qlinear_cuda), AWQ
neighbouring outputs in an order of its own (AutoAWQ, WQLinear_GEMM). An element is (code - zero) · scale; a row of the
model's matrix is a column here, which is gathered word by word.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from atlas_db.core.arrays import Floats, Integers
from atlas_db.core.errors import WeightsError
from ingest.weights.formats.byte_source import Source
from ingest.weights.formats.safetensors import Tensor, item_size, read_values

Words = npt.NDArray[np.uint32]
PARTS = (".qzeros", ".scales", ".g_idx", ".qweight")
AWQ_ORDER = (0, 2, 4, 6, 1, 3, 5, 7)
"""Output that each 4-bit field of a word belongs to, the lowest field first."""
WHOLE = 2**22
"""Bytes up to which a tensor is read in one go."""
_WORD = 4
Stored = tuple[Source, Tensor]


class Packed(NamedTuple):
    """A packed matrix.

    Attributes:
        rows: Outputs.
        columns: Inputs.
        dtype: GPTQ4, GPTQ8 or AWQ4.
        read: Rows by index → float32 of shape (len(rows), columns).
    """

    rows: int
    columns: int
    dtype: str
    read: Callable[[Integers], Floats]


def unpack(base: str, tensors: Mapping[str, Stored]) -> Packed | None:
    """Return the matrix that a set of packed tensors holds.

    Args:
        base: What their names begin with.
        tensors: All tensors of the model.

    Returns:
        None where a part is missing, or the sides fit neither of the two formats.
    """
    parts = {end: tensors[base + end] for end in PARTS if base + end in tensors}
    if not {".qweight", ".qzeros", ".scales"} <= parts.keys():
        return None
    codes, zeros, scales = (parts[end][1].shape for end in (".qweight", ".qzeros", ".scales"))
    if len(codes) != 2 or len(zeros) != 2 or len(scales) != 2 or parts[".qweight"][1].dtype != "I32" or not zeros[1]:
        return None
    outputs, groups = scales[1], scales[0]
    bits = 32 * zeros[1] // outputs
    if zeros[0] != groups or bits not in (4, 8) or zeros[1] * 32 != outputs * bits:
        return None
    field = 32 // bits
    if codes[1] == outputs:
        inputs, kind = codes[0] * field, "GPTQ"
    elif codes[1] * field == outputs and bits == 4:
        inputs, kind = codes[0], "AWQ"
    else:
        return None
    if ".g_idx" in parts and parts[".g_idx"][1].elements not in (0, inputs):
        return None
    return Packed(outputs, inputs, f"{kind}{bits}", _reader(parts, kind, bits, inputs))


def _reader(parts: Mapping[str, Stored], kind: str, bits: int, inputs: int) -> Callable[[Integers], Floats]:
    field = 32 // bits
    offset: list[float] = []

    def group_of() -> Integers:
        if ".g_idx" in parts and parts[".g_idx"][1].elements:
            source, tensor = parts[".g_idx"]
            group = read_values(source, tensor, 0, inputs).astype(np.int64)
            if group.min() < 0 or group.max() >= parts[".scales"][1].shape[0]:
                raise WeightsError(source.name, f"names groups in {tensor.name!r} that have no scale")
            return group
        return np.arange(inputs) * parts[".scales"][1].shape[0] // inputs

    def read(wanted: Integers) -> Floats:
        place = np.array(AWQ_ORDER).argsort()[wanted % field] if kind == "AWQ" else wanted % field
        if kind == "AWQ":
            codes = _fields(_gather(parts[".qweight"], wanted // field), place, bits)
        else:
            words = _gather(parts[".qweight"], wanted)
            codes = np.stack([_fields(words, np.full(len(wanted), at), bits) for at in range(field)], -1)
            codes = codes.reshape(len(wanted), inputs)
        zeros = _fields(_gather(parts[".qzeros"], wanted // field), place, bits)
        group = group_of()
        apart = codes - zeros[:, group]
        if kind == "GPTQ":
            if not offset:
                # Files of the first format store the zero less one; weights crowd around zero, so their middle tells.
                offset.append(1.0 if abs(float(apart.mean()) - 1) < abs(float(apart.mean())) else 0.0)
            apart -= offset[0]
        return np.asarray(apart * _scales(parts[".scales"], wanted)[:, group], np.float32)

    return read


def _fields(words: Words, place: Integers, bits: int) -> Floats:
    """Return one field of each word, shape of words; `place` has a field a row."""
    return ((words >> (place * bits).astype(np.uint32)[:, None]) & np.uint32(2**bits - 1)).astype(np.float32)


def _gather(stored: Stored, columns: Integers) -> Words:
    """Return columns of a matrix of words, shape (len(columns), rows)."""
    source, tensor = stored
    rows, width = tensor.shape
    if rows * width * _WORD <= WHOLE:
        whole = np.frombuffer(source.read(tensor.start, tensor.start + rows * width * _WORD), "<u4")
        return np.ascontiguousarray(whole.reshape(rows, width)[:, columns].T)
    kept, back = np.unique(columns, return_inverse=True)
    out = np.empty((len(kept), rows), np.uint32)
    for at, column in enumerate(kept.tolist()):
        first = tensor.start + column * _WORD
        places = range(first, first + rows * width * _WORD, width * _WORD)
        out[at] = np.frombuffer(b"".join(source.read(place, place + _WORD) for place in places), "<u4")
    return out[back]


def _scales(stored: Stored, columns: Integers) -> Floats:
    """Return columns of the scales, shape (len(columns), groups)."""
    source, tensor = stored
    groups, width = tensor.shape
    if tensor.elements * item_size(tensor.dtype) <= WHOLE:
        return read_values(source, tensor, 0, tensor.elements).reshape(groups, width)[:, columns].T
    out = np.empty((len(columns), groups), np.float32)
    for group in range(groups):
        for at, column in enumerate(columns.tolist()):
            out[at, group] = read_values(source, tensor, group * width + column, group * width + column + 1)[0]
    return out
