"""A tensor as a matrix whose rows are read on demand, and parts of fused tensors as matrices of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from atlas_db.core.arrays import Floats, Integers

RUN_LENGTH = 32
"""Columns of one sampled position. Shorter last sides are joined with those before them."""
MAX_SIDES, MAX_SIDE = 64, 2**63 - 1
"""Sides of a tensor, and elements along one, at most: those of NumPy and torch."""


class Matrix(NamedTuple):
    """A tensor as a matrix.

    Attributes:
        name: Canonical name.
        rows: Rows.
        columns: Elements a row.
        dtype: As stored: F32, BF16, I8, U4, Q4_K …
        vector: Whether the tensor has one dimension.
        read: Function of row indices to float32 of shape (len(rows), columns).
        transposed: Whether the tensor is stored in × out, as GPT-2's are: a row an input, a column an output.
        shape: Sides as stored, where the tensor has three or more; else empty.
        read_columns: Function of a first row, a number of rows, and column indices. It returns float32 of shape
            (len(columns), number of rows). None where a column takes as long as all of them.
    """

    name: str
    rows: int
    columns: int
    dtype: str
    vector: bool
    read: Callable[[Integers], Floats]
    transposed: bool = False
    shape: tuple[int, ...] = ()
    read_columns: Callable[[int, int, Integers], Floats] | None = None

    @property
    def outputs_and_inputs(self) -> tuple[int, int]:
        """Number of outputs and of inputs of the layer, whatever the order in which the tensor is stored."""
        return (self.columns, self.rows) if self.transposed else (self.rows, self.columns)


def is_shape(sides: Sequence[int]) -> bool:
    """Return whether a tensor can have these sides. Without these bounds, their product takes time and memory."""
    return len(sides) <= MAX_SIDES and min(sides, default=0) >= 0 and max(sides, default=0) <= MAX_SIDE


def matrix_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return (rows, columns) of a shape: columns are the last side, joined with those before it while it is short."""
    if len(shape) < 2:
        return 1, max(1, *shape, 1)
    columns, leading = shape[-1], len(shape) - 1
    while columns < RUN_LENGTH and leading > 1:
        leading -= 1
        columns *= shape[leading]
    rows = 1
    for side in shape[:leading]:
        rows *= side
    return rows, columns


def equal_parts(matrix: Matrix, count: int) -> list[Matrix]:
    """Return consecutive parts of equal length along the first side, read on demand; none where they are not equal."""
    side = matrix.columns if matrix.vector else matrix.rows
    if side % count:
        return []
    length = side // count
    return [_part(matrix, place * length, length) for place in range(count)]


def _part(matrix: Matrix, first: int, length: int) -> Matrix:
    matrix = matrix._replace(shape=(), read_columns=None)
    if matrix.vector:
        return matrix._replace(columns=length, read=lambda wanted: matrix.read(wanted)[:, first : first + length])
    return matrix._replace(rows=length, read=lambda wanted: matrix.read(wanted + first))
