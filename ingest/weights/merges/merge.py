"""A merge, and the problem that merge search solves: a family's samples with what all fits share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from atlas_db.core.arrays import Doubles, Flags, Floats
from ingest.formats.matrix import RUN_LENGTH
from ingest.weights.pairwise.quantization_grid import storage_noise
from ingest.weights.parameters.merge_parameters import MERGE
from ingest.weights.parameters.pairwise_parameters import PAIRWISE
from ingest.weights.samples.aligned_samples import Vectors, count_flags, subsampled


class Merge(NamedTuple):
    """Models, weights and method that a merge was computed from.

    Attributes:
        parents: Rows of the merged models, the greatest weight first.
        weights: Weight of each parent. For SLERP, its mean over tensors; for methods with a base, that of its task
            vector.
        base: Row of the model that task vectors are taken from, or None.
        method: Name in mergekit; several with a bar between them where they cannot be distinguished.
        residual: Length of the residual over the distance to the nearest model, 0..1.
        explained: Share of elements explained, for TIES, DARE and quantized merges; 1 for the others.
        complexity: About how many numbers its recipe leaves free; many where it has weights of its own in each tensor.
    """

    parents: tuple[int, ...]
    weights: tuple[float, ...]
    base: int | None
    method: str
    residual: float
    explained: float
    complexity: float = 0.0

    @property
    def inputs(self) -> tuple[int, ...]:
        """Rows of all models that enter the merge: its parents, and its base where it has one."""
        return self.parents if self.base is None else (*self.parents, self.base)


class MergeProblem(NamedTuple):
    """One family as input of merge search, with units aligned or unpermuted.

    Attributes:
        vectors: Aligned samples of the n models.
        sq_distance: Squared distances, shape (n, n).
        gram: Inner products about the mean over the positions of the search, shape (n, n). All fits of the search
            follow from it. It is in double precision, as exact fits are to be separated from close ones.
        search_vectors: The samples at the positions of the search.
        quantization: Quantization grid of each model, empty where it has none.
        is_possible_base: Whether model i has enough values of model j for j to be its base, shape (n, n).
        fits: Merges that were searched before, by the model, whether units may be in different orders, and the models
            that were searched. Dates decide which models are searched, and nothing else of a fit.
        equal_shares: Share of each model's elements that a model has, shape (n,), by the model and the type of others'
            inputs.
    """

    vectors: Vectors
    sq_distance: Doubles
    gram: Doubles
    search_vectors: Vectors
    quantization: Sequence[str]
    is_possible_base: Flags
    fits: dict[tuple[int, bool, tuple[int, ...]], Merge | None]
    equal_shares: dict[tuple[int, str], Doubles]


def build_merge_problem(vectors: Vectors, sq_distance: Doubles, quantization: Sequence[str]) -> MergeProblem:
    """Compute what all merge fits of a family share.

    Args:
        vectors: Aligned samples of n models.
        sq_distance: Squared distances, shape (n, n).
        quantization: Quantization grid of each model, empty where it has none.
    """
    thin = subsampled(vectors, MERGE.search_positions)
    centred = thin.flat - thin.flat.mean(0, dtype=np.float64)
    gram = np.asarray(centred @ centred.T / centred.shape[1])
    # A pruned model has its nonzero values in common with all relatives of its original. So it counts as no base.
    is_dense = count_flags(thin.values == 0).mean(1) < PAIRWISE.min_pruned_share * RUN_LENGTH
    # Prefilter on every sixth position: a base shares some of its values with the merge exactly.
    stride = MERGE.base_prefilter_stride
    values = np.ascontiguousarray(thin.values[:, ::stride])
    shares_values = np.empty((len(values), len(values)), bool)
    for row, child in enumerate(values):
        tolerance = max_rounding_error(storage_noise(thin, row, quantization[row]))[::stride]
        equal = count_flags(np.abs(values - child) <= tolerance).mean(1)
        shares_values[row] = equal > MERGE.ties_dare.min_base_share * RUN_LENGTH
    return MergeProblem(vectors, sq_distance, gram, thin, quantization, shares_values & is_dense, {}, {})


def max_rounding_error(noise: Floats) -> Floats:
    """Return the largest error of a uniform distribution with some variance: a = √(3 σ²).

    Args:
        noise: Variance σ² that storage added to each element.

    Returns:
        Shape of `noise`.
    """
    return np.asarray(np.sqrt(3 * noise), np.float32)


def noise_precision(noise: Floats) -> Doubles:
    """Return one over the standard deviation of the storage noise, shape (elements,).

    Args:
        noise: Variance that storage added to each element, shape (p, 32).
    """
    return np.asarray(1 / np.sqrt(noise.reshape(-1).astype(np.float64) + 1e-18))
