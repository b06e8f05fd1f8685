"""Adapters stored alone: which family they were trained in, and which member is the likeliest base.

A low-rank update is made of gradients, and gradients lie in the directions that the base's own matrices stretch most:
the columns of B and the rows of A hold more of a base's energy than of a stranger's (one for a random direction).
That names the family. Members differ by little, so the member is a guess by the same measures, by dates and by how
many models are made of it, with a confidence to match.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from ingest.weights.family import Doubles
from ingest.weights.model import OpenModel
from ingest.weights.safetensors import Floats
from ingest.weights.sampling import name_hash

MODULES = 12
"""Modules looked at; of more, those whose names hash lowest."""
ROWS = 512
"""Rows of a module looked at: both sides of the update stay of low rank in any block."""
FAMILY = 1.15
"""Energy of a base in the update's columns, over chance, that names a family. Strangers stay below in the mean."""


class Factors(NamedTuple):
    """One module of an adapter.

    Attributes:
        rows: Orthonormal basis of A's rows, shape (in, r).
        columns: Orthonormal basis of B's columns in the rows looked at, shape (rows, r).
        change: B A in the rows looked at, shape (rows, in).
        sides: Rows and columns of the whole module.
    """

    rows: Floats
    columns: Floats
    change: Floats
    sides: tuple[int, int]


def factors(adapter: OpenModel) -> dict[str, Factors]:
    """Return the low-rank factors of an adapter by the name of the matrix they change."""
    found: dict[str, Factors] = {}
    names = [
        name for name in adapter.matrices if ".lora_A" in name and name.replace("lora_A", "lora_B") in adapter.matrices
    ]
    for name in sorted(names, key=name_hash)[:MODULES]:
        first, second = adapter.matrices[name], adapter.matrices[name.replace("lora_A", "lora_B")]
        down = first.read(np.arange(first.rows))
        up = second.read(np.arange(min(second.rows, ROWS)))
        if not (np.isfinite(down).all() and np.isfinite(up).all() and up.any()):
            continue
        target = name.split(".lora_A")[0] + ".weight"
        found[target] = Factors(np.linalg.qr(down.T)[0], np.linalg.qr(up)[0], up @ down, (second.rows, first.columns))
    return found


def likeness(parts: Mapping[str, Factors], base: OpenModel) -> Doubles | None:
    """Measure a model as the base of an adapter.

    Returns:
        Shape (3,): energy of the model's matrices in the columns of B and in the rows of A, one for chance, and the
        size of the cosine between the update and the matrices; means over modules. None where no module fits.
    """
    measured = []
    for name, part in parts.items():
        matrix = base.matrices.get(name)
        if matrix is None or (matrix.rows, matrix.columns) != part.sides:
            continue
        values = np.nan_to_num(matrix.read(np.arange(len(part.change))))
        energy = float(np.vdot(values, values))
        if not 0 < energy < np.inf:
            continue
        held = float(np.square(part.columns.T @ values).sum()) / energy * len(values) / part.columns.shape[1]
        into = float(np.square(values @ part.rows).sum()) / energy * matrix.columns / part.rows.shape[1]
        size = float(np.sqrt(np.square(part.change).sum() * energy))
        measured.append((held, into, abs(float(np.vdot(part.change, values))) / max(size, 1e-30)))
    return np.mean(measured, 0) if measured else None


def member_features(measured: Doubles, is_root: Doubles, children: Doubles, days: Doubles, later: Doubles) -> Doubles:
    """Return inputs of the choice among the members of a family, shape (n, 7).

    Args:
        measured: What `likeness` returned, shape (n, 3).
        is_root: One for a root.
        children: How many models are made of each.
        days: Days from each to the adapter, zero where unknown.
        later: One where the model is dated after the adapter.
    """
    scaled = np.clip((measured - measured.max(0)) / np.maximum(measured.std(0), 1e-9), -5, 0)
    return np.column_stack((scaled, is_root, np.log1p(children), later, -np.log1p(np.maximum(days, 0)) * (1 - later)))
