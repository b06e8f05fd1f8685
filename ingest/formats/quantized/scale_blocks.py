"""Scales of blocks of a matrix: one for all of it, one a row, one a group of columns, or one a rectangle."""

from __future__ import annotations

from typing import Any

import numpy as np

from atlas_db.core.arrays import Floats, Integers
from atlas_db.core.errors import WeightsError
from atlas_db.core.safe_text import shown
from ingest.formats.quantized.stored_tensors import StoredTensor, UnreadableTensorError
from ingest.formats.safetensors import read_values

_USUAL_SIDE = 128
"""Side of blocks where a file does not state it (DeepSeek-V3, arXiv 2412.19437, section 3.3)."""


class ScaleBlocks:
    """Scales of a matrix, or its zero points."""

    def __init__(
        self,
        stored: StoredTensor,
        rows: int,
        columns: int,
        stated: tuple[int | None, int | None] = (None, None),
        order: StoredTensor | None = None,
    ) -> None:
        """Read the shape of the blocks.

        Args:
            stored: The tensor of scales.
            rows: Rows of the matrix.
            columns: Its columns.
            stated: Rows and columns of a block as the configuration states them; None where it does not.
            order: Block of each column, where columns are not in order (`g_idx`).

        Raises:
            UnreadableTensorError: The shapes do not fit, or the block cannot be told.
        """
        shape = stored[1].shape
        self._groups = shape[-1] if len(shape) > 1 else 1
        self._stored, self._rows, self._columns, self._order = stored, rows, columns, order
        self._row_side = _side(rows, stored[1].elements // max(self._groups, 1), stated[0])
        self._column_side = _side(columns, self._groups, stated[1]) if order is None else 0
        if order is not None and order[1].elements != columns:
            raise UnreadableTensorError(f"an order of {order[1].elements} columns for {columns}")

    @property
    def groups(self) -> int:
        """Blocks along a row."""
        return self._groups

    def require_whole(self, side: int) -> None:
        """Check that no block lies in two of several stacked matrices.

        Args:
            side: Rows of each matrix.

        Raises:
            UnreadableTensorError: A block does.
        """
        if self._row_side < self._rows and side < self._rows and side % self._row_side:
            raise UnreadableTensorError(f"stacked matrices of {side} rows in blocks of {self._row_side}")

    def read(self, wanted: Integers) -> Floats:
        """Return the scales of rows, shape (len(wanted), groups)."""
        at, inverse = np.unique(wanted // self._row_side, return_inverse=True)
        found = [read_values(*self._stored, row * self._groups, (row + 1) * self._groups) for row in at.tolist()]
        return np.stack(found)[inverse]

    def spread(self, values: Floats) -> Floats:
        """Return values of blocks as values of columns, shape (rows, columns), or (rows, 1) where there is one block.

        Args:
            values: Shape (rows, groups).

        Raises:
            WeightsError: The order of columns names a block that is not there.
        """
        if values.shape[1] == 1:
            return values
        if self._order is None:
            return np.repeat(values, self._column_side, 1)[:, : self._columns]
        source, tensor = self._order
        block = read_values(source, tensor).astype(np.int64)
        if block.min() < 0 or block.max() >= self._groups:
            raise WeightsError(source.name, f"names groups in {shown(tensor.name)} that have no scale")
        return np.asarray(values[:, block])


def _side(side: int, blocks: int, stated: int | None) -> int:
    """Return the side of a block, by the side of the matrix and the number of blocks along it."""
    if blocks == 1:
        return side
    for tried in (stated, side // blocks if blocks == side else None, _USUAL_SIDE):
        if tried and -(-side // tried) == blocks:
            return tried
    if blocks and side % blocks == 0:
        return side // blocks
    raise UnreadableTensorError(f"{blocks} scales along a side of {side}, in blocks that are not stated")


def block_of(stated: object) -> tuple[int | None, int | None]:
    """Return rows and columns of a block as a configuration states them: [128, 128]."""
    if isinstance(stated, list) and len(stated) == 2 and all(_is_side(each) for each in stated):
        return stated[0], stated[1]
    return None, None


def _is_side(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


def group_of(stated: object) -> int | None:
    """Return the columns of a group as a configuration states them; None where it does not, or all are one group."""
    return stated if _is_side(stated) else None  # type: ignore[return-value]
