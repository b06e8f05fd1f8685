"""A model as the possible base of an adapter: statistics of its matrices that an adapter's updates are held against.

All are of the first 128 outputs and inputs of a matrix, so their size does not depend on the model's.
"""

from __future__ import annotations

import re
from collections import defaultdict
from typing import NamedTuple

import numpy as np

from atlas_db.core.arrays import Floats
from ingest.formats.adapter_layout import ModuleIndex
from ingest.formats.matrix import Matrix
from ingest.formats.open_model import OpenModel
from ingest.weights.adapters.traces import Copy, CopyRole, Update
from ingest.weights.parameters.adapter_parameters import ADAPTER

_EXPERT = re.compile(r"(.*experts)\.(\d+)\.[^.]+\.weight")
_VALUE, _UP, _QUERY = "value", "up", "query"
_PARTNERS = (
    ("v_proj", "o_proj", _VALUE), ("v_proj", "out_proj", _VALUE), ("self.value", "output.dense", _VALUE),
    ("attention.value", "output.dense", _VALUE), ("v_lin", "out_lin", _VALUE), ("v", "o", _VALUE),
    ("to_v", "to_out.0", _VALUE),
    ("up_proj", "down_proj", _UP), ("gate_proj", "down_proj", _UP), ("fc1", "fc2", _UP), ("lin1", "lin2", _UP),
    ("intermediate.dense", "output.dense", _UP), ("wi", "wo", _UP), ("wi_0", "wo", _UP), ("wi_1", "wo", _UP),
    ("c_fc", "c_proj", _UP), ("w1", "w2", _UP), ("w3", "w2", _UP),
    ("q_proj", "k_proj", _QUERY), ("k_proj", "q_proj", _QUERY), ("query", "key", _QUERY), ("key", "query", _QUERY),
    ("q_lin", "k_lin", _QUERY), ("k_lin", "q_lin", _QUERY), ("q", "k", _QUERY), ("k", "q", _QUERY),
    ("to_q", "to_k", _QUERY), ("to_k", "to_q", _QUERY),
)  # fmt: skip
"""Ends of a module's path and of its partner's: gradients reach the module's outputs through the partner's matrix."""


class ModuleView(NamedTuple):
    """Statistics of one matrix of a model.

    Attributes:
        block: First outputs and inputs, shape (at most 128, at most 128).
        outputs: Gram matrix of the outputs over all inputs that were read, trace 1.
        inputs: Gram matrix of the inputs over the first outputs, trace 1.
        own: Eigenvalues, of mean 1, and eigenvectors of `outputs`.
        reached: Gram matrix of the partner's weights for these outputs, trace 1; None where there is none.
        partner: Its eigenvalues, of mean 1, and eigenvectors.
    """

    block: Floats
    outputs: Floats
    inputs: Floats
    own: tuple[Floats, Floats]
    reached: Floats | None
    partner: tuple[Floats, Floats] | None


class BaseMatrices:
    """Matrices of a model, found by the paths that an adapter uses."""

    def __init__(self, model: OpenModel) -> None:
        """Index a model.

        Args:
            model: The open model.
        """
        self._matrices = model.matrices
        self._heads = model.heads
        self._index = ModuleIndex(model.matrices, model.config)
        self._views: dict[tuple[str, tuple[int, int], int | None], ModuleView | None] = {}
        self._experts: dict[tuple[str, int], list[Matrix]] = defaultdict(list)
        for name, matrix in sorted(model.matrices.items()):
            if (found := _EXPERT.fullmatch(name)) is not None:
                self._experts[found[1], int(found[2])].append(matrix)
        self._stems = ModuleIndex({stem for stem, _ in self._experts}, {})

    def fits(self, update: Update) -> bool:
        """Return whether the model has a matrix of an update's module and shape."""
        return bool(self._parts(update))

    def view(self, update: Update) -> ModuleView | None:
        """Return the statistics of a module's matrix, kept for the next adapter; None where none has its shape."""
        key = (update.module, update.shape, update.expert)
        if key not in self._views:
            self._views[key] = self._make_view(update)
        return self._views[key]

    def _make_view(self, update: Update) -> ModuleView | None:
        values = self.read(update)
        if values is None or not values.any():
            return None
        block = values[:, : ADAPTER.max_block]
        outputs, partner = _gram(values), self._partner(update)
        reached = None if partner is None else _spectrum(partner)
        return ModuleView(block, outputs, _gram(block.T), _spectrum(outputs), partner, reached)

    def read(self, update: Update) -> Floats | None:
        """Return the first outputs of the matrix of a module; None where there is none of its shape.

        Args:
            update: The update of the module.

        Returns:
            Shape (at most 128 outputs, inputs). Of matrices stored in × out, at most the first 4,096 inputs.
        """
        parts = self._parts(update)
        if not parts:
            return None
        return _finite(
            np.concatenate([_outputs(matrix, transposed) for matrix, transposed in parts])[: ADAPTER.max_block]
        )

    def _parts(self, update: Update) -> list[tuple[Matrix, bool]]:
        """Return the matrices whose outputs, one after the other, are those of a module, and which are transposed."""
        if update.expert is not None:
            stem = self._stems.find(update.module)
            projections = self._experts.get((stem or "", update.expert), [])
            single = [each for part in projections if (each := self._oriented(part, update.shape)) is not None]
            return single[:1] or _stacked(projections, update.shape)
        matrix = self._matrices.get(self._index.find(update.module) or "")
        oriented = None if matrix is None else self._oriented(matrix, update.shape)
        return [] if oriented is None else [oriented]

    def _oriented(self, matrix: Matrix, shape: tuple[int, int]) -> tuple[Matrix, bool] | None:
        """Return a matrix and whether it is stored in × out; None where it has another shape than wanted."""
        for transposed in (matrix.transposed, not matrix.transposed):
            sides = (matrix.columns, matrix.rows) if transposed else (matrix.rows, matrix.columns)
            if not matrix.vector and all(
                not wanted or wanted == side for wanted, side in zip(shape, sides, strict=True)
            ):
                return matrix, transposed
        return None

    def _partner(self, update: Update) -> Floats | None:
        """Return the Gram matrix, for a module's first outputs, of the weights through which gradients reach them."""
        parts = self._parts(update)
        if len(parts) != 1:
            return None
        matrix, transposed = parts[0]
        path, outputs = matrix.name.removesuffix(".weight"), matrix.columns if transposed else matrix.rows
        for own, other, role in _PARTNERS:
            stem = path.removesuffix(f".{own}")
            found = self._matrices.get(f"{stem}.{other}.weight") if stem != path else None
            if found is None or found.vector:
                continue
            if role == _QUERY:
                return self._from_query(found, outputs)
            columns = found.rows if transposed else found.columns
            rows = _finite(_inputs_of(found, transposed))
            return self._from_value(rows, columns, outputs)
        return None

    def _from_value(self, rows: Floats, columns: int, outputs: int) -> Floats | None:
        """Return the Gram matrix of a matrix that reads a module's outputs, each perhaps several times.

        With grouped queries (arXiv 2305.13245), several heads read the values of one.

        Args:
            rows: Its rows, shape (n, columns).
            columns: Its inputs.
            outputs: Outputs of the module.
        """
        if columns != outputs:
            side = columns // self._heads if self._heads else 0
            if not side or columns % outputs or outputs % side:
                return None
            times = columns // outputs
            rows = rows.reshape(len(rows), outputs // side, times, side).transpose(0, 2, 1, 3).reshape(-1, outputs)
        return _gram(np.ascontiguousarray(rows[:, : ADAPTER.max_block].T))

    def _from_query(self, matrix: Matrix, outputs: int) -> Floats | None:
        """Return the Gram matrix of keys for the outputs of queries, or the reverse, head by head."""
        side = max(matrix.rows, outputs) // self._heads if self._heads else 0
        if matrix.transposed or not side or matrix.rows % side or outputs % side:
            return None
        heads, others = outputs // side, matrix.rows // side
        made = np.zeros((outputs, outputs), np.float32)
        for head in range(-(-min(outputs, ADAPTER.max_block) // side)):
            sharing = range(head * others // heads, max((head + 1) * others // heads, head * others // heads + 1))
            for other in sharing:
                read = _finite(matrix.read(np.arange(other * side, (other + 1) * side)))
                made[head * side : (head + 1) * side, head * side : (head + 1) * side] += read @ read.T
        made = made[: ADAPTER.max_block, : ADAPTER.max_block]
        return made / max(float(np.trace(made)), 1e-30)

    def has_copy(self, copy: Copy) -> bool:
        """Return whether the model has a tensor of the shape of one that an adapter copied."""
        return self._original(copy) is not None

    def _original(self, copy: Copy) -> Matrix | None:
        name = self._index.find(f"{copy.module}.bias" if copy.role == CopyRole.BIAS else copy.module)
        matrix = self._matrices.get(name or "")
        if matrix is None or matrix.columns < copy.values.shape[1] or matrix.rows <= max(copy.rows, default=0):
            return None
        return matrix if copy.role == CopyRole.ROWS or matrix.rows == copy.rows_of_all else None

    def read_copy(self, copy: Copy) -> Floats | None:
        """Return the model's values of a tensor that an adapter copied; None where it has none of that shape.

        Args:
            copy: The copied tensor.

        Returns:
            Shape as `copy.values`.
        """
        if copy.role == CopyRole.MAGNITUDE:
            values = self.read(Update.of_shape(copy.module, (copy.rows_of_all, 0)))
            return None if values is None else np.linalg.norm(values, axis=1, keepdims=True).astype(np.float32)
        matrix = self._original(copy)
        return None if matrix is None else _finite(matrix.read(np.array(copy.rows))[:, : copy.values.shape[1]])


def _outputs(matrix: Matrix, transposed: bool) -> Floats:
    if transposed:
        return matrix.read(np.arange(min(matrix.rows, ADAPTER.max_inputs)))[:, : ADAPTER.max_block].T
    return matrix.read(np.arange(min(matrix.rows, ADAPTER.max_block)))


def _inputs_of(matrix: Matrix, transposed: bool) -> Floats:
    """Return all inputs of the first outputs of a matrix, shape (n, inputs)."""
    if transposed:
        return matrix.read(np.arange(min(matrix.rows, ADAPTER.max_inputs)))[:, : ADAPTER.max_partner_rows].T
    return matrix.read(np.arange(min(matrix.rows, ADAPTER.max_partner_rows)))


def _stacked(projections: list[Matrix], shape: tuple[int, int]) -> list[tuple[Matrix, bool]]:
    """Return two projections of an expert that memory holds in one tensor, gate before up; none of other shapes."""
    fitting = [matrix for matrix in projections if matrix.columns == shape[1] and 2 * matrix.rows == shape[0]]
    return [(matrix, False) for matrix in fitting] if len(fitting) == 2 else []


def _gram(values: Floats) -> Floats:
    made = values @ values.T
    return np.asarray(made / max(float(np.trace(made)), 1e-30))


def _spectrum(gram: Floats) -> tuple[Floats, Floats]:
    values, vectors = np.linalg.eigh(gram)
    return np.maximum(values, 0) * len(gram), vectors


def _finite(values: Floats) -> Floats:
    return np.nan_to_num(values, posinf=0.0, neginf=0.0)
