"""Adapters stored alone: which family they were trained in, and which member is the likeliest base.

A low-rank update is made of gradients, and gradients lie in the directions that the base's own matrices stretch most:
the columns of B hold more of a base's energy than of a stranger's (one for a random direction). That names the family.
Members differ by little, so the member is a guess: by the matrix that reads what a module puts out, through which its
gradients came, by dates and by how many models are made of it, with a confidence to match.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from atlas_db.core.arrays import Doubles, Floats
from atlas_db.core.hashing import name_hash
from ingest.weights.formats.open_model import Matrix, OpenModel

MODULES = 12
"""Modules looked at; of more, those whose names hash lowest."""
ROWS = 512
"""Rows of a module looked at: both sides of the update stay of low rank in any block."""
DOWNSTREAM = {
    "self_attn.v_proj": "self_attn.o_proj", "mlp.up_proj": "mlp.down_proj", "mlp.gate_proj": "mlp.down_proj",
    "mlp.fc1": "mlp.fc2",
}  # fmt: skip
"""Which matrix reads what a module puts out, unit by unit."""
FAMILY = 1.15
"""Energy of a base in the update's columns, over chance, that names a family. Strangers stay below in the mean."""


class LowRankUpdate(NamedTuple):
    """One module of an adapter.

    Attributes:
        columns: Orthonormal basis of B's columns in the rows looked at, shape (rows, r).
        sides: Rows and columns of the whole module.
    """

    basis: Floats
    shape: tuple[int, int]


def adapter_factors(adapter: OpenModel) -> dict[str, LowRankUpdate]:
    """Return what an adapter changes by the name of the matrix that it changes."""
    found: dict[str, LowRankUpdate] = {}
    names = [
        name for name in adapter.matrices if ".lora_A" in name and name.replace("lora_A", "lora_B") in adapter.matrices
    ]
    for name in sorted(names, key=name_hash)[:MODULES]:
        first, second = adapter.matrices[name], adapter.matrices[name.replace("lora_A", "lora_B")]
        up = second.read(np.arange(min(second.rows, ROWS)))
        if not (np.isfinite(up).all() and up.any()):
            continue
        target = name.split(".lora_A")[0] + ".weight"
        found[target] = LowRankUpdate(np.linalg.qr(up)[0], (second.rows, first.columns))
    return found


def energy_in_update(updates: Mapping[str, LowRankUpdate], base: OpenModel) -> Doubles | None:
    """Measure a model as the base of an adapter.

    Returns:
        Shape (2,): energy in the columns of B of the matrices that were changed, and of those that read them, one for
        chance and where none is known; means over modules. None where no module fits.
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
    """Return the energy of values, shape (n, rows), in orthonormal columns, shape (rows, r), one for chance."""
    energy = max(float(np.vdot(values, values)), 1e-30)
    return float(np.square(values @ columns).sum() / energy * columns.shape[0] / columns.shape[1])


def _downstream_rows(name: str, matrix: Matrix, base: OpenModel) -> Floats | None:
    """Return rows of the matrix that reads what a module puts out, shape (n, rows of the module)."""
    ends = next((pair for pair in DOWNSTREAM.items() if name.endswith(f"{pair[0]}.weight")), None)
    found = base.matrices.get(name.replace(*ends)) if ends else None
    if found is None or found.columns != matrix.rows:
        return None
    return np.nan_to_num(found.read(np.arange(min(found.rows, ROWS))))


def base_features(energies: Doubles, is_root: Doubles, children: Doubles, days: Doubles, later: Doubles) -> Doubles:
    """Return inputs of the choice among the members of a family, shape (n, 5).

    Args:
        energies: What `energy_in_update` returned, shape (n, 2).
        is_root: One for a root.
        children: How many models are made of each.
        days: Days from each to the adapter, zero where unknown.
        later: One where the model is dated after the adapter.
    """
    downstream = energies[:, 1]
    scaled = np.clip((downstream - downstream.max()) / max(float(downstream.std()), 1e-9), -5, 0)
    aged = -np.log1p(np.maximum(days, 0)) * (1 - later)
    return np.column_stack((scaled, is_root, np.log1p(children), later, aged))
