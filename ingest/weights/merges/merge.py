"""A family as merges are looked for in it, and what a merge is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from atlas_db.core.arrays import Doubles, Flags, Floats
from ingest.weights.formats.open_model import RUN
from ingest.weights.pairwise.quantization_grid import LEAST_CUT, step_noise
from ingest.weights.samples.aligned_samples import Vectors, counted, thinned

SEARCH = 256
"""Positions that the search looks at."""
GLANCE = 6
"""One of them of so many tells that a model keeps next to nothing of another, which is then no base of it."""
LEAST_KEPT = 0.005
"""Share of elements that TIES or DARE leaves exactly at the base's value, at least: three task vectors that each keep
two thirds leave a thirtieth."""


class Merge(NamedTuple):
    """What a model is combined of.

    Attributes:
        parents: Integers, the heaviest first.
        weights: Of each parent; of a mean over tensors for SLERP; of its task vector for the others.
        base: Row of the model that task vectors start from, or None.
        method: linear, slerp, task_arithmetic, ties or dare.
        residual: Length of what is left over the distance to the nearest model, 0..1.
        explained: Share of elements explained, for TIES and DARE and what was rounded afterwards; otherwise 1.
    """

    parents: tuple[int, ...]
    weights: tuple[float, ...]
    base: int | None
    method: str
    residual: float
    explained: float

    @property
    def inputs(self) -> tuple[int, ...]:
        """Rows that it is made of: its parents, and the base where there is one."""
        return self.parents if self.base is None else (*self.parents, self.base)


class MergeProblem(NamedTuple):
    """A family as merges are looked for in it: units in one order, or as they are stored.

    Attributes:
        vectors: Samples side by side.
        squared: Squared distances, shape (n, n).
        inner: Inner products about the mean, over the positions that the search looks at, shape (n, n). All fits of
            the search follow from them; in double precision, as fits that leave nothing are told from near ones.
        some: Samples at those positions.
        grids: Grid that each model's values lie on, or nothing.
        kept: Whether each model keeps some of the values of each other, which may be its base then, shape (n, n).
    """

    vectors: Vectors
    sq_distance: Doubles
    gram: Doubles
    search_vectors: Vectors
    quantization: Sequence[str]
    is_possible_base: Flags


def build_merge_problem(vectors: Vectors, squared: Doubles, grids: Sequence[str]) -> MergeProblem:
    """Look at a family for merges.

    Args:
        vectors: Samples side by side.
        squared: Squared distances, shape (n, n).
        grids: Grid that each model's values lie on, or nothing.
    """
    some = thinned(vectors, SEARCH)
    centred = some.flat - some.flat.mean(0, dtype=np.float64)
    inner = np.asarray(centred @ centred.T / centred.shape[1])
    # Of a pruned model all kin of its original seem to have kept the other values: it is no base.
    dense = counted(some.values == 0).mean(1) < LEAST_CUT * RUN
    few = np.ascontiguousarray(some.values[:, ::GLANCE])
    kept = np.empty((len(few), len(few)), bool)
    for row, ours in enumerate(few):
        slack = max_rounding_error(step_noise(some, row, grids[row]))[::GLANCE]
        kept[row] = counted(np.abs(few - ours) <= slack).mean(1) > LEAST_KEPT * RUN
    return MergeProblem(vectors, squared, inner, some, grids, kept & dense)


def max_rounding_error(noise: Floats) -> Floats:
    """Return how far storing moved each element at most, by the variance that it added: errors are uniform."""
    return np.asarray(np.sqrt(3 * noise), np.float32)
