"""Matrices as optimum-quanto saves them: `X.weight._data` with `X.weight._scale` and, below 8 bits, `X.weight._shift`.

- `qint8`, `qfloat8`: w = code · scale, one scale an output.
- `qint4`, `qint2`: w = code · scale - shift, one pair a group of the flattened matrix. Groups are packed several to a
  row of bytes, `X.weight._data._data`: those of the first part in the lowest bits, then those of the next part.
  Shifts that are integers are codes themselves: w = (code - shift) · scale.

Files lack the sides of packed matrices: quanto takes them from the class of the model. Here biases and norms tell.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

import numpy as np

from atlas_db.core.arrays import Floats, Integers
from atlas_db.core.safe_text import shown
from ingest.formats.matrix import Matrix, matrix_shape
from ingest.formats.quantized.scale_blocks import ScaleBlocks
from ingest.formats.quantized.stored_tensors import (
    QuantizedFormat,
    StoredTensor,
    StoredTensors,
    UnreadableTensorError,
    read_row_bytes,
)
from ingest.formats.safetensors import decode_floats, read_values

_DATA, _SCALE, _SHIFT = "._data", "._scale", "._shift"
_PACKED = f"{_DATA}._data"
_WHOLE_BYTES = {"I8": "INT8", "F8_E4M3": "F8_E4M3", "F8_E4M3FNUZ": "F8_E4M3FNUZ", "F8_E5M2": "F8_E5M2"}
"""Types of codes of a byte each, and what they are called."""
_BITS = (4, 2)
_USUAL_GROUP, _LEAST_GROUP = 128, 32
_TO_HIDDEN = re.compile(
    r"(?:^|\.)(?:o_proj|out_proj|down_proj|fc2|lin2|out_lin|c_proj|wo|w2|dense_4h_to_h|output\.dense|attention\.dense)$"
)
"""Names of layers whose outputs, not inputs, are as many as a norm has elements."""


def _matrix(name: str, stored: StoredTensors) -> Matrix | None:
    base = next((name.removesuffix(end) for end in (_PACKED, _DATA) if name.endswith(end)), name)
    scale = stored.tensors.get(base + _SCALE)
    if base == name or scale is None:
        return None
    return _grouped(name, base, scale, stored) if name.endswith(_PACKED) else _rows(name, base, scale, stored)


def _rows(name: str, base: str, scale: StoredTensor, stored: StoredTensors) -> Matrix:
    """Return a matrix of codes of a byte each."""
    codes = stored.tensors[name]
    dtype, shape = codes[1].dtype, codes[1].shape
    if dtype not in _WHOLE_BYTES or len(shape) < 2:
        raise UnreadableTensorError(f"codes of quanto of the type {dtype} and the shape {shown(list(shape))}")
    rows, columns = matrix_shape(shape)
    scales = ScaleBlocks(scale, rows, columns, (rows // shape[0], None))
    if scales.groups != 1:
        raise UnreadableTensorError(f"codes of quanto with {scales.groups} scales along the inputs")

    def read(wanted: Integers) -> Floats:
        values = decode_floats(read_row_bytes(codes, wanted, columns).tobytes(), dtype).reshape(len(wanted), columns)
        return np.asarray(values * scales.read(wanted), np.float32)

    return Matrix(base, rows, columns, _WHOLE_BYTES[dtype], False, read, shape=shape if len(shape) > 2 else ())


def _grouped(name: str, base: str, scale: StoredTensor, stored: StoredTensors) -> Matrix:
    """Return a matrix of codes of 2 or 4 bits."""
    codes, shift, groups = stored.tensors[name], stored.tensors.get(base + _SHIFT), scale[1].elements
    if shift is None or shift[1].elements != groups or codes[1].dtype != "U8" or len(codes[1].shape) != 2:
        raise UnreadableTensorError("packed codes of quanto with parts that do not fit")
    packed, length = codes[1].shape
    bits = next((each for each in _BITS if packed == -(-groups * each // 8)), 0)
    if not bits:
        raise UnreadableTensorError(f"packed codes of quanto, {groups} groups in {packed} rows")
    rows, columns = _sides(base, groups * length, length, stored)
    along = columns // length

    def read(wanted: Integers) -> Floats:
        place = (wanted[:, None] * along + np.arange(along)).reshape(-1)
        field, row = np.divmod(place, packed)
        fields = read_row_bytes(codes, row, length) >> (field * bits)[:, None] & (2**bits - 1)
        factor, offset = (_of_groups(part, wanted, along) for part in (scale, shift))
        exact = shift[1].dtype.startswith(("I", "U"))
        values = (fields - offset) * factor if exact else fields * factor - offset
        return np.asarray(values.reshape(len(wanted), columns), np.float32)

    return Matrix(base, rows, columns, f"QINT{bits}", False, read)


def _of_groups(part: StoredTensor, rows: Integers, along: int) -> Floats:
    """Return scales or shifts of rows, shape (len(rows) · along, 1)."""
    return np.concatenate([read_values(*part, row * along, (row + 1) * along) for row in rows.tolist()])[:, None]


def _sides(base: str, elements: int, length: int, stored: StoredTensors) -> tuple[int, int]:
    """Return rows and columns of a packed matrix.

    A bias has an element a row. Without one, a side is as long as the norms. quanto chooses the size of the groups by
    the columns, so that size decides which side it is. Where both fit, the name of the layer decides.

    Args:
        base: Name of the matrix.
        elements: Elements of the matrix.
        length: Elements of a group.
        stored: All tensors of the model.
    """
    bias = stored.tensors.get(f"{base.removesuffix('.weight')}.bias")
    hidden = _hidden_size(stored)
    named = elements // hidden if hidden and _TO_HIDDEN.search(base.removesuffix(".weight")) else hidden
    tried = [elements // bias[1].elements] if bias else [named, elements // hidden if hidden else 0, hidden]
    for columns in tried:
        if columns and elements % columns == 0 and _group_length(columns) == length:
            return elements // columns, columns
    raise UnreadableTensorError("packed codes of quanto, whose sides neither a bias nor norms tell")


def _group_length(columns: int) -> int:
    """Return the elements of a group that quanto chooses for so many columns (`QModuleMixin`)."""
    length = _USUAL_GROUP
    while columns > _USUAL_GROUP and columns % length and length > _LEAST_GROUP:
        length -= _LEAST_GROUP
    return columns if columns <= _USUAL_GROUP or columns % length else length


def _hidden_size(stored: StoredTensors) -> int:
    """Return the width of the model: as its configuration states it, else the length of most vectors; 0 for none."""
    nested = stored.config.get("text_config")
    for config in (stored.config, nested if isinstance(nested, Mapping) else {}):
        stated = config.get("hidden_size")
        if type(stated) is int and stated > 0:
            return stated
    lengths = Counter(each.shape[0] for _, each in stored.tensors.values() if len(each.shape) == 1)
    return max(lengths, key=lambda length: (lengths[length], length), default=0)


FORMAT = QuantizedFormat(
    name="quanto",
    tool="optimum-quanto 0.2.7, transformers 5.23.0",
    read="qint8, qfloat8 of all kinds, qint4 and qint2 in groups or not",
    unknown="sides of qint4 and qint2 without a bias: norms, groups and the layer's name tell, else refused",
    error=0.0,
    bytes_read="2.2 MiB of 1.0 GiB (qint4)",
    places="disk, Hub",
    matrix=_matrix,
    served={end: (_DATA, _PACKED) for end in (_SCALE, _SHIFT)}
    | {end: (f".weight{_DATA}", f".weight{_PACKED}") for end in (".input_scale", ".output_scale")},
)
