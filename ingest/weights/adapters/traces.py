"""What an adapter keeps of its base: directions of its updates, and tensors that were copied from the base.

Updates are made of gradients, which lie where the base's own matrices stretch most. Kinds that multiply the base's
weights (IA3, BOFT, VeRA's vectors) hold no such directions. Copies are trained from the base's values: norms (LN
tuning), rows of tokens, whole modules (`modules_to_save`), magnitudes (DoRA: the norm of each output's weights).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from atlas_db.core.arrays import Floats
from atlas_db.core.hashing import name_hash
from ingest.formats.adapter_layout import adapter_kind, adapter_tensor
from ingest.formats.matrix import Matrix
from ingest.formats.open_model import OpenModel
from ingest.weights.fingerprints.sampling import hashed_row_order
from ingest.weights.parameters.adapter_parameters import ADAPTER


class Update(NamedTuple):
    """The update of one module: ΔW = left · rightᵀ, cut to the first outputs.

    Attributes:
        module: Path of the module, as the adapter has it.
        left: Directions in the module's outputs, shape (at most 128 outputs, k); no rows where the kind has none.
        right: Directions in its inputs, shape (inputs, k); no rows where the kind has none.
        shape: Outputs and inputs of the whole module; 0 where the adapter does not show the number.
        expert: Index of the expert, where the module has several.
    """

    module: str
    left: Floats
    right: Floats
    shape: tuple[int, int]
    expert: int | None = None

    @classmethod
    def of_shape(cls, module: str, shape: tuple[int, int]) -> Update:
        """Return an update without directions."""
        return cls(module, np.zeros((0, 0), np.float32), np.zeros((0, 0), np.float32), shape)


class CopyRole(StrEnum):
    """What a copied tensor is.

    Attributes:
        BASE: The weight of a module, as the base has it.
        TRAINED: The weight of a module, trained from the base's.
        BIAS: The bias of a module, trained from the base's.
        MAGNITUDE: Norms of the weights of each output, trained from the base's.
        ROWS: Rows of some tokens, trained from the base's.
    """

    BASE = "base"
    TRAINED = "trained"
    BIAS = "bias"
    MAGNITUDE = "magnitude"
    ROWS = "rows"


class Copy(NamedTuple):
    """A tensor with the base's values, trained or not.

    Attributes:
        module: Path of the module, as the adapter has it.
        role: What it is.
        values: Its values in some rows, shape (rows, columns).
        rows: The rows of the base's matrix that these are.
        rows_of_all: Rows of the whole tensor.
        dtype: Type that it is stored in.
    """

    module: str
    role: CopyRole
    values: Floats
    rows: tuple[int, ...]
    rows_of_all: int
    dtype: str


@dataclass(slots=True)
class AdapterTraces:
    """What an adapter keeps of its base.

    Attributes:
        kind: Name of the adapter's kind, empty where it is not known.
        updates: Updates of modules.
        copies: Tensors with the base's values.
    """

    kind: str
    updates: list[Update] = field(default_factory=list)
    copies: list[Copy] = field(default_factory=list)


def read_traces(adapter: OpenModel) -> AdapterTraces:
    """Return what an adapter keeps of its base.

    Of more than `ADAPTER.max_modules` modules, those whose names hash lowest are taken.

    Args:
        adapter: Its weights.

    Raises:
        WeightsError: A file ends before what its header promised.
    """
    modules: dict[str, dict[str, Matrix]] = defaultdict(dict)
    for name, matrix in adapter.matrices.items():
        module, role = adapter_tensor(name)
        modules[module][role] = matrix
    shared = {role: matrix for roles in modules.values() for role, matrix in roles.items() if role in _SHARED}
    traces = AdapterTraces(adapter_kind({role for roles in modules.values() for role in roles}))
    rank, tokens = (adapter.adapter.r, adapter.adapter.token_indices) if adapter.adapter else (0, ())
    for module in sorted(modules, key=lambda module: (name_hash(module), module)):
        roles = modules[module] | shared
        if len(traces.updates) < ADAPTER.max_modules and (found := _update(module, roles)) is not None:
            traces.updates += _experts(found, rank)
        if len(traces.copies) < ADAPTER.max_copies:
            traces.copies += _copies(module, modules[module], tokens)
    return traces


_SHARED = ("vera_A", "vera_B")
"""Tables that all modules of an adapter share."""


def _update(module: str, roles: Mapping[str, Matrix]) -> Update | None:
    """Return the update of a module by the kind that its tensors show; None where there is none, or it is all zeros."""
    made: Update | None = None
    if "lora_down" in roles and "lora_up" in roles:
        made = _low_rank(module, roles)
    elif "embedding_down" in roles and "embedding_up" in roles:
        down, up = roles["embedding_down"], roles["embedding_up"]
        made = Update(
            module, _read(down, down.rows)[:, : ADAPTER.max_block].T, _read(up, up.rows), (down.columns, up.rows)
        )
    elif "hada_w1_a" in roles:
        made = _hadamard(module, roles)
    elif "lokr_w1" in roles or "lokr_w1_a" in roles:
        made = _kronecker(module, roles)
    elif "oft_R" in roles:
        made = _rotation(module, roles["oft_R"])
    elif "miss_block" in roles or "bone_block" in roles:
        made = _block(module, roles.get("miss_block") or roles["bone_block"])
    elif "difference" in roles and not roles["difference"].vector:
        matrix = roles["difference"]
        made = _dense(module, _read(matrix)[:, : ADAPTER.max_block], (matrix.rows, matrix.columns))
    if made is None or not (np.isfinite(made.left).all() and np.isfinite(made.right).all()):
        return None
    return made if made.left.any() or (not made.left.size and made.right.any()) else None


def _read(matrix: Matrix, rows: int = ADAPTER.max_block) -> Floats:
    """Return the first rows of a matrix, shape (min(rows, its rows), columns)."""
    return matrix.read(np.arange(min(matrix.rows, rows)))


def _low_rank(module: str, roles: Mapping[str, Matrix]) -> Update | None:
    down, up = roles["lora_down"], roles["lora_up"]
    left, right = _read(up), _read(down, down.rows).T
    if left.shape[1] != right.shape[1] or "lora_mid" in roles:
        return None
    if "lora_scale" in roles:
        scale = roles["lora_scale"]
        left = left * _read(scale, scale.rows).reshape(-1)[: left.shape[1]]
    return Update(module, left, right, (up.rows, down.columns))


def _experts(update: Update, rank: int) -> list[Update]:
    """Return the updates of the experts of a module, whose factors are as many times as wide as the rank (peft).

    The first factor has the experts one after the other, the second has them interleaved.

    Args:
        update: Of the whole module.
        rank: Rank of the adapter.
    """
    path, width = update.module.removesuffix(".base_layer"), update.left.shape[1]
    if not path.endswith(".experts") or not rank or width % rank:
        return [update]
    count = width // rank
    return [
        Update(path, update.left[:, at::count], update.right[:, at * rank : (at + 1) * rank], update.shape, at)
        for at in range(min(count, ADAPTER.max_experts))
    ]


def _dense(module: str, values: Floats, shape: tuple[int, int]) -> Update:
    """Return an update that is no product: its left and right singular vectors, scaled."""
    values = np.nan_to_num(values[:, : ADAPTER.max_block])
    left, sizes, right = np.linalg.svd(values, full_matrices=False)
    root = np.sqrt(sizes[: ADAPTER.max_rank])
    return Update(module, left[:, : ADAPTER.max_rank] * root, right[: ADAPTER.max_rank].T * root, shape)


def _product(roles: Mapping[str, Matrix], name: str, rows: int, columns: int) -> Floats | None:
    """Return the first rows and columns of a factor, which is stored whole or as a product of two."""
    whole, first, second = roles.get(name), roles.get(f"{name}_a"), roles.get(f"{name}_b")
    if whole is not None:
        return _read(whole, rows)[:, :columns]
    if first is None or second is None or first.columns != second.rows:
        return None
    return _read(first, rows) @ _read(second, second.rows)[:, :columns]


def _hadamard(module: str, roles: Mapping[str, Matrix]) -> Update | None:
    """Return the element-wise product of two low-rank matrices (LoHa, FedPara, arXiv 2108.06098)."""
    first = _product(roles, "hada_w1", ADAPTER.max_block, ADAPTER.max_block)
    second = _product(roles, "hada_w2", ADAPTER.max_block, ADAPTER.max_block)
    if first is None or second is None or first.shape != second.shape or "hada_t1" in roles:
        return None
    last = roles.get("hada_w1_b")
    return _dense(module, first * second, (roles["hada_w1_a"].rows, last.columns if last else 0))


def _kronecker(module: str, roles: Mapping[str, Matrix]) -> Update | None:
    """Return the Kronecker product of two matrices (LoKr, arXiv 2212.10650)."""
    first, second = _sides(roles, "lokr_w1"), _sides(roles, "lokr_w2")
    if not all((*first, *second)) or "lokr_t2" in roles:
        return None
    inner = _product(roles, "lokr_w2", ADAPTER.max_block, ADAPTER.max_block)
    outer = _product(roles, "lokr_w1", -(-ADAPTER.max_block // second[0]), -(-ADAPTER.max_block // second[1]))
    if inner is None or outer is None:
        return None
    return _dense(module, np.kron(outer, inner)[: ADAPTER.max_block], (first[0] * second[0], first[1] * second[1]))


def _sides(roles: Mapping[str, Matrix], name: str) -> tuple[int, int]:
    whole, first, second = roles.get(name), roles.get(f"{name}_a"), roles.get(f"{name}_b")
    if whole is not None:
        return whole.rows, whole.columns
    return (first.rows, second.columns) if first and second else (0, 0)


def _rotation(module: str, matrix: Matrix) -> Update | None:
    """Return the generators of rotations of a module's inputs, block by block (OFT, arXiv 2306.07280).

    A row holds the upper triangle of a skew-symmetric matrix.
    """
    side = int((1 + np.sqrt(1 + 8 * matrix.columns)) / 2)
    if side * (side - 1) // 2 != matrix.columns or side > ADAPTER.max_block:
        return None
    rows = _read(matrix, max(1, ADAPTER.max_block // side))
    made = np.zeros((len(rows) * side, len(rows) * side), np.float32)
    upper = np.triu_indices(side, 1)
    for place, row in enumerate(rows):
        block = np.zeros((side, side), np.float32)
        block[upper] = row
        made[place * side : (place + 1) * side, place * side : (place + 1) * side] = block - block.T
    return Update(module, np.zeros((0, 0), np.float32), made, (0, matrix.rows * side))


def _block(module: str, matrix: Matrix) -> Update:
    """Return the update whose rows repeat those of one block (MiSS, arXiv 2409.15371)."""
    left = _read(matrix, matrix.rows)[:, : ADAPTER.max_block].T
    return Update(module, np.ascontiguousarray(left), np.zeros((0, left.shape[1]), np.float32), (matrix.columns, 0))


_COPIED = {
    "base": CopyRole.BASE, "copy": CopyRole.TRAINED, "ln_tuning_layers": CopyRole.TRAINED, "bias": CopyRole.BIAS,
    "magnitude": CopyRole.MAGNITUDE, "trainable_tokens_delta": CopyRole.ROWS,
}  # fmt: skip


def _copies(module: str, roles: Mapping[str, Matrix], tokens: Sequence[int]) -> list[Copy]:
    """Return the tensors of a module that have the base's values.

    Args:
        module: Path of the module.
        roles: Its tensors by role.
        tokens: Tokens whose rows alone were trained.
    """
    found = []
    for name, role in _COPIED.items():
        matrix = roles.get(name)
        if matrix is None:
            continue
        if role == CopyRole.MAGNITUDE:
            values = _read(matrix, matrix.rows).reshape(-1)
            found.append(Copy(module, role, values[: ADAPTER.max_block, None], (), len(values), matrix.dtype))
            continue
        rows = np.sort(hashed_row_order(module, matrix.rows, min(matrix.rows, ADAPTER.max_block)))
        values, chosen = matrix.read(rows)[:, : max(1, ADAPTER.max_elements // len(rows))], rows
        if role == CopyRole.ROWS:
            if len(tokens) != matrix.rows:
                continue
            chosen = np.array(tokens)[rows]
        found.append(Copy(module, role, values, tuple(chosen.tolist()), matrix.rows, matrix.dtype))
    return found
