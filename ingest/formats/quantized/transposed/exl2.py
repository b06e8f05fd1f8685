"""Matrices as exllamav2 quantizes them (EXL2): inputs in groups of several widths, sorted by an order of their own.

- `X.q_weight` holds codes in 32-bit words, neighbouring inputs in a word, the lowest bits first. Each group of inputs
  begins with a word of its own.
- `X.q_groups` states bits and first word of each group; `X.q_invperm` the place of each input among the sorted ones.
- `X.q_scale` has 4 bits an output and group, `X.q_scale_max` a factor a group.

An element is w = (code - 2^(bits-1)) · (scale + 1)² · factor / 256 (`reconstruct_kernel` of exllamav2).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from atlas_db.core.arrays import Floats, Integers
from atlas_db.core.errors import WeightsError
from atlas_db.core.safe_text import shown
from ingest.formats.matrix import Matrix
from ingest.formats.quantized.stored_tensors import (
    QuantizedFormat,
    StoredTensor,
    StoredTensors,
    UnreadableTensorError,
    bit_fields,
)
from ingest.formats.quantized.transposed.packed_words import WORD_BITS, StoredColumns, fields_at, require_columns
from ingest.formats.safetensors import read_values

_CODES = ".q_weight"
_BITS = (2, 3, 4, 5, 6, 8)
_SCALE_BITS = 4
_SCALES_A_WORD = WORD_BITS // _SCALE_BITS
_MAX_GROUPS = 2**15
"""Groups of a matrix, at most: their words are counted with 16 bits."""


class _Group(NamedTuple):
    """A group of inputs.

    Attributes:
        bits: Bits of a code.
        first: Its first word.
        last: The word after its last.
        inputs: Number of inputs.
    """

    bits: int
    first: int
    last: int
    inputs: int


def _matrix(name: str, stored: StoredTensors) -> Matrix | None:
    if not name.endswith(_CODES):
        return None
    base = name.removesuffix(_CODES)
    parts = [stored.tensors.get(f"{base}.{part}") for part in ("q_scale", "q_scale_max", "q_groups", "q_invperm")]
    codes, (scale, factor, groups, order) = stored.tensors[name], parts
    if scale is None or factor is None or groups is None or order is None or len(codes[1].shape) != 2:
        raise UnreadableTensorError("codes of EXL2 without all their parts")
    require_columns(codes)
    words, outputs = codes[1].shape
    inputs, count = order[1].elements, factor[1].elements
    fits = codes[1].dtype == scale[1].dtype == "I32" and scale[1].shape == (count, outputs // _SCALES_A_WORD)
    if not fits or groups[1].elements != 2 * count or not 0 < count <= _MAX_GROUPS or not inputs or not outputs:
        raise UnreadableTensorError("codes of EXL2 with parts that do not fit")
    plan = _groups(groups, words, inputs)

    def read(wanted: Integers) -> Floats:
        packed = StoredColumns(codes).words(wanted)
        scales = fields_at(
            StoredColumns(scale).words(wanted // _SCALES_A_WORD), wanted % _SCALES_A_WORD * _SCALE_BITS, 4
        )
        # As in the kernel, scales are halves, most of them below the normal ones.
        halves = (read_values(*factor) / 256).astype(np.float16).astype(np.float32)
        factors = (np.square(scales + 1) * halves).astype(np.float16)
        values = np.empty((len(wanted), inputs), np.float32)
        done = 0
        for at, group in enumerate(plan):
            raw = np.ascontiguousarray(packed[:, group.first : group.last]).view(np.uint8)
            fields = bit_fields(raw, group.bits)[:, : group.inputs] - 2 ** (group.bits - 1)
            values[:, done : done + group.inputs] = fields * factors[:, at : at + 1]
            done += group.inputs
        return np.asarray(values[:, _places(order, inputs)])

    return Matrix(f"{base}.weight", outputs, inputs, f"EXL2_{_most_bits(plan)}", False, read)


def _groups(stored: StoredTensor, words: int, inputs: int) -> list[_Group]:
    """Return the groups of a matrix.

    Args:
        stored: Bits and first word of each, one after the other.
        words: Words of an output.
        inputs: Inputs of the matrix.

    Raises:
        UnreadableTensorError: They do not hold the inputs.
    """
    pairs = read_values(*stored).astype(np.int64).reshape(-1, 2) % 2**16
    found, left = [], inputs
    for at, (bits, first) in enumerate(pairs.tolist()):
        last = int(pairs[at + 1, 1]) if at + 1 < len(pairs) else words
        if bits not in _BITS or not first < last <= words or (at == 0 and first):
            raise UnreadableTensorError("codes of EXL2 in groups that do not fit")
        count = min((last - first) * WORD_BITS // bits, left)
        found.append(_Group(bits, first, last, count))
        left -= count
    if left or any(not group.inputs for group in found):
        raise UnreadableTensorError(f"codes of EXL2 in groups that do not hold {inputs} inputs")
    return found


def _most_bits(groups: list[_Group]) -> int:
    """Return the bits of most inputs."""
    inputs = {bits: sum(group.inputs for group in groups if group.bits == bits) for bits in _BITS}
    return max(_BITS, key=lambda bits: (inputs[bits], bits))


def _places(order: StoredTensor, inputs: int) -> Integers:
    """Return the place of each input among the sorted ones, shape (inputs,).

    Raises:
        WeightsError: One is not there.
    """
    places = read_values(*order).astype(np.int64)
    if places.min() < 0 or places.max() >= inputs:
        raise WeightsError(order[0].name, f"names inputs in {shown(order[1].name)} that are not there")
    return places


FORMAT = QuantizedFormat(
    name="EXL2",
    tool="exllamav2 0.3.2, its kernels compiled for the CPU",
    read="groups of 2, 3, 4, 5, 6 and 8 bits, in their order of inputs",
    unknown="outputs that were added to fill words of scales count as rows",
    error=5e-4,
    bytes_read="298 MiB of .9 GiB (4 bits)",
    places="disk, Hub up to 4 MiB a matrix",
    matrix=_matrix,
    served={end: (_CODES,) for end in (".q_scale", ".q_scale_max", ".q_groups", ".q_invperm", ".q_perm")},
)
