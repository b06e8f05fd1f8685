"""Energy of a base model's matrices in the column space of a LoRA update, and features of the choice of the base.

A low-rank update B·A (LoRA, Hu et al., arXiv 2106.09685) is made of gradients. Gradients lie in the directions that
the base's own matrices stretch most. So the columns of B contain more energy of the base than of an unrelated model.
With an orthonormal basis Q of B's columns, shape (rows, r), and a matrix W of the base, shape (rows, columns):

    energy over chance = (‖Qᵀ W‖² / ‖W‖²) · (rows / r)

It is 1 for a random subspace, and identifies the family. Members of a family differ by little, so the member is only
estimated. The estimate uses the same energy of the matrix downstream of the module, dates, and the number of children.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from atlas_db.core.arrays import Doubles, Floats
from atlas_db.core.hashing import name_hash
from ingest.formats.open_model import Matrix, OpenModel
from ingest.weights.parameters.pairwise_parameters import PAIRWISE

DOWNSTREAM = {
    "self_attn.v_proj": "self_attn.o_proj", "mlp.up_proj": "mlp.down_proj", "mlp.gate_proj": "mlp.down_proj",
    "mlp.fc1": "mlp.fc2",
}  # fmt: skip
"""Module to the module whose input columns are its output units: gradients reach it through that matrix."""


class LowRankUpdate(NamedTuple):
    """The update of one module.

    Attributes:
        basis: Orthonormal basis of B's columns in the rows that were read, shape (rows, r).
        shape: Rows and columns of the whole module.
    """

    basis: Floats
    shape: tuple[int, int]


def adapter_factors(adapter: OpenModel) -> dict[str, LowRankUpdate]:
    """Return the updates of an adapter, by name of the matrix that each changes.

    Of more than `PAIRWISE.max_adapter_modules` modules, those whose names hash lowest are taken. The first rows of each
    suffice: any block of rows of a low-rank update is of low rank.

    Args:
        adapter: Its weights: pairs of `lora_A`, shape (r, columns), and `lora_B`, shape (rows, r).
    """
    found: dict[str, LowRankUpdate] = {}
    names = [
        name for name in adapter.matrices if ".lora_A" in name and name.replace("lora_A", "lora_B") in adapter.matrices
    ]
    for name in sorted(names, key=name_hash)[: PAIRWISE.max_adapter_modules]:
        first, second = adapter.matrices[name], adapter.matrices[name.replace("lora_A", "lora_B")]
        up = second.read(np.arange(min(second.rows, PAIRWISE.max_adapter_rows)))
        if not (np.isfinite(up).all() and up.any()):
            continue
        target = name.split(".lora_A")[0] + ".weight"
        found[target] = LowRankUpdate(np.linalg.qr(up)[0], (second.rows, first.columns))
    return found


def energy_in_update(updates: Mapping[str, LowRankUpdate], base: OpenModel) -> Doubles | None:
    """Return the energy over chance of a model's matrices in the column space of an adapter's update.

    Args:
        updates: Updates of the adapter, by name of the matrix.
        base: The model.

    Returns:
        Shape (2,), means over modules: energy of the updated matrices, and of the matrices downstream of them (1 where
        there is none). None where no module has the same name and shape.
    """
    own, downstream = list[float](), list[float]()
    for name, part in updates.items():
        matrix = base.matrices.get(name)
        if matrix is None or (matrix.rows, matrix.columns) != part.shape:
            continue
        values = np.nan_to_num(matrix.read(np.arange(len(part.basis))))
        if not 0 < float(np.vdot(values, values)) < np.inf:
            continue
        own.append(_energy_over_chance(values.T, part.basis))
        consumer = _downstream_rows(name, matrix, base)
        if consumer is not None:
            downstream.append(_energy_over_chance(consumer[:, : len(part.basis)], part.basis))
    return np.array([np.mean(own), np.mean(downstream or [1.0])]) if own else None


def _energy_over_chance(values: Floats, columns: Floats) -> float:
    """Return the share of the energy that lies in a subspace, over the share that a random subspace has.

    Args:
        values: Shape (n, rows).
        columns: Orthonormal basis of the subspace, shape (rows, r).
    """
    energy = max(float(np.vdot(values, values)), 1e-30)
    return float(np.square(values @ columns).sum() / energy * columns.shape[0] / columns.shape[1])


def _downstream_rows(name: str, matrix: Matrix, base: OpenModel) -> Floats | None:
    """Return rows of the matrix downstream of a module, shape (n, rows of the module); None where there is none."""
    ends = next((pair for pair in DOWNSTREAM.items() if name.endswith(f"{pair[0]}.weight")), None)
    found = base.matrices.get(name.replace(*ends)) if ends else None
    if found is None or found.columns != matrix.rows:
        return None
    return np.nan_to_num(found.read(np.arange(min(found.rows, PAIRWISE.max_adapter_rows))))


def base_features(energies: Doubles, is_root: Doubles, children: Doubles, days: Doubles, later: Doubles) -> Doubles:
    """Return features of the choice among the members of a family, shape (n, 5).

    Args:
        energies: Rows of `energy_in_update`, shape (n, 2).
        is_root: 1 for a root, else 0, shape (n,).
        children: Number of children of each member, shape (n,).
        days: Days from each member to the adapter, 0 where unknown, shape (n,).
        later: 1 where the member is dated after the adapter, else 0, shape (n,).

    Returns:
        Columns `scorer.ADAPTER_FEATURES`.
    """
    downstream = energies[:, 1]
    scaled = np.clip((downstream - downstream.max()) / max(float(downstream.std()), 1e-9), -5, 0)
    aged = -np.log1p(np.maximum(days, 0)) * (1 - later)
    return np.column_stack((scaled, is_root, np.log1p(children), later, aged))
