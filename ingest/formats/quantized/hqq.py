"""Matrices as HQQ saves them (Badri and Shaji, 2023): `X.W_q` with `X.scale`, `X.zero`, and settings as tensors.

An element is w = (code - zero) · scale. The flattened matrix lies in a grid of groups: along its rows (axis 1), or
along its columns (axis 0). Codes of 1, 2, 3, 4 or 8 bits are packed several to a word, each from another part of the
grid: the first part in the highest bits. Texts, such as the name of the packing, are tensors of one character an
element.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from atlas_db.core.arrays import Floats, Integers
from atlas_db.core.safe_text import shown
from ingest.formats.matrix import Matrix
from ingest.formats.quantized.stored_tensors import (
    QuantizedFormat,
    StoredTensor,
    StoredTensors,
    UnreadableTensorError,
)
from ingest.formats.safetensors import item_size, read_values

_CODES = ".W_q"
_MAX_TEXT = 32


class _Packing(NamedTuple):
    """How codes are packed.

    Attributes:
        bits: Bits of a code.
        codes: Codes a word.
        word: NumPy's type of a word.
    """

    bits: int
    codes: int
    word: str


_PACKINGS = {
    "8bit_u8": _Packing(8, 1, "u1"),
    "4bit_u8": _Packing(4, 2, "u1"),
    "3bit_32": _Packing(3, 10, "<u4"),
    "2bit_u8": _Packing(2, 4, "u1"),
    "1bit_u8": _Packing(1, 8, "u1"),
}


class _Grid(NamedTuple):
    """Codes of a matrix in their grid of groups.

    Attributes:
        codes: The words.
        packing: How codes are packed in them.
        words: Number of words: elements of each part of the grid.
        width: Columns of the grid.
        across: Whether a group is a column of the grid.
    """

    codes: StoredTensor
    packing: _Packing
    words: int
    width: int
    across: bool

    def fields(self, first: int, last: int) -> Integers:
        """Return the codes of elements of the flattened matrix, shape (last - first,)."""
        source, tensor = self.codes
        bits, codes, word = self.packing
        size, found = np.dtype(word).itemsize, []
        while first < last:
            part, at = divmod(first, self.words)
            length = min(last - first, self.words - at)
            raw = np.frombuffer(source.read(tensor.start + at * size, tensor.start + (at + length) * size), word)
            found.append(raw.astype(np.int64) >> bits * (codes - 1 - part) & (2**bits - 1))
            first += length
        return np.concatenate(found)

    def groups(self, first: int, last: int) -> Integers:
        """Return the group of elements of the flattened matrix, shape (last - first,)."""
        places = np.arange(first, last)
        return np.asarray(places % self.width if self.across else places // self.width)


def _matrix(name: str, stored: StoredTensors) -> Matrix | None:
    if not name.endswith(_CODES):
        return None
    base = name.removesuffix(_CODES)
    scale, zero = (stored.tensors.get(f"{base}.{part}") for part in ("scale", "zero"))
    rows, columns = _numbers(stored.tensors.get(f"{base}.shape"), 2)
    (axis,), packing = _numbers(stored.tensors.get(f"{base}.axis"), 1), _packing(stored.tensors.get(f"{base}.packing"))
    if scale is None or zero is None or min(rows, columns) < 1 or axis not in (0, 1):
        raise UnreadableTensorError("codes of HQQ with parts that do not fit, or quantized scales")
    grid = _grid(stored.tensors[name], packing, rows * columns, across=axis == 0)
    groups = grid.width if grid.across else rows * columns // grid.width
    if not {scale[1].elements, zero[1].elements} <= {1, groups}:
        raise UnreadableTensorError(f"codes of HQQ with {scale[1].elements} scales for {groups} groups")

    def read(wanted: Integers) -> Floats:
        out = np.empty((len(wanted), columns), np.float32)
        for at, row in enumerate(wanted.tolist()):
            bounds = row * columns, (row + 1) * columns
            group = grid.groups(*bounds)
            out[at] = (grid.fields(*bounds) - _of_groups(zero, group)) * _of_groups(scale, group)
        return out

    return Matrix(f"{base}.weight", rows, columns, f"HQQ{packing.bits}", False, read)


def _grid(codes: StoredTensor, packing: _Packing, elements: int, *, across: bool) -> _Grid:
    """Return the grid of a matrix. Words may be kept as floats, so bytes are counted.

    Raises:
        UnreadableTensorError: It has too few codes, or too many.
    """
    tensor, size = codes[1], np.dtype(packing.word).itemsize
    if len(tensor.shape) == 2 and tensor.elements:
        words = (tensor.stop - tensor.start) // size
        width = tensor.shape[1] * item_size(tensor.dtype) // size
        # The last word of 3 bits may have codes that no element is.
        if width and elements % width == 0 and words % width == 0:
            height, parts = elements // width, words // width
            if -(-height // packing.codes) == parts:
                return _Grid(codes, packing, words, width, across)
    raise UnreadableTensorError(f"codes of HQQ, {shown(list(tensor.shape))} words for {elements} elements")


def _of_groups(part: StoredTensor, group: Integers) -> Floats:
    """Return scales or zero points of groups, shape (len(group),)."""
    if part[1].elements == 1:
        return read_values(*part)
    first, last = int(group.min()), int(group.max()) + 1
    return np.asarray(read_values(*part, first, last)[group - first])


def _numbers(stored: StoredTensor | None, count: int) -> tuple[int, ...]:
    """Return the whole numbers of a setting, or so many of -1 where it is not there."""
    if stored is None or stored[1].elements != count or not stored[1].dtype.startswith("I"):
        return (-1,) * count
    return tuple(int(each) for each in read_values(*stored))


def _packing(stored: StoredTensor | None) -> _Packing:
    """Return the packing that a file states.

    Raises:
        UnreadableTensorError: It states none that is known.
    """
    if stored is not None and stored[1].dtype == "U8" and stored[1].elements <= _MAX_TEXT:
        text = bytes(read_values(*stored).astype(np.uint8)).decode("latin-1")
        if text in _PACKINGS:
            return _PACKINGS[text]
    raise UnreadableTensorError("codes of HQQ in a packing that is not known")


_SETTINGS = (
    "scale", "zero", "shape", "axis", "packing", "nbits", "group_size", "unpack_view_dtype", "view_as_float",
    "compute_dtype", "channel_wise", "optimize", "round_zero", "offload_meta", "encoded_state_dict",
    "stores_quant_config", "quant_scale", "quant_zero",
)  # fmt: skip

FORMAT = QuantizedFormat(
    name="HQQ",
    tool="hqq 0.2.8.post1, transformers 4.57.6",
    read="1, 2, 3, 4 and 8 bits along both axes, also kept as floats",
    unknown="quantized scales are refused; hqq's own `qmodel.pt` is a pickle",
    error=0.0,
    bytes_read="2.3 MiB of 1.0 GiB (4 bits)",
    places="disk, Hub",
    matrix=_matrix,
    served={f".{setting}": (_CODES,) for setting in _SETTINGS},
)
