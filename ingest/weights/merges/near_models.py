"""A model and the models near it, as a merging tool reads them: rounded to the type that the model is stored in.

mergekit 0.1.5 casts every input to the `dtype` of its configuration before it computes. So elements that a merge takes
from an input as they are equal the input's rounded values to the last bit, also in bfloat16.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from atlas_db.core.arrays import Doubles, Flags, Floats, Integers
from ingest.formats.matrix import RUN_LENGTH
from ingest.weights.merges.merge import MergeProblem
from ingest.weights.parameters.merge_parameters import MERGE
from ingest.weights.samples.aligned_samples import RELATIVE_ERROR, Vectors, count_flags, round_to_dtype

_HALF_ULP = {"BF16": 2.0**-9, "F16": 2.0**-11}
"""Largest relative error of rounding to nearest."""


class NearModels(NamedTuple):
    """One model, and the m models near it that may be its inputs.

    Attributes:
        rows: Rows of the near models in the family, the nearest first.
        values: Their elements, rounded to the type of the inputs, shape (m, e).
        target: Elements of the model, shape (e,).
        error: Largest rounding error of each element of the model, shape (e,).
        noise: Variance that storage added to an element, the mean of each tensor, shape (t,).
        starts: First element of each tensor, shape (t,).
        sizes: Elements of each tensor, shape (t,).
        dtype: Type that the inputs were rounded to: BF16, F16, or empty.
    """

    rows: list[int]
    values: Floats
    target: Floats
    error: Doubles
    noise: Doubles
    starts: Integers
    sizes: Integers
    dtype: str

    def tensor_sums(self, measured: Doubles | Flags) -> Doubles:
        """Return the sum over each tensor's elements, shape (…, e) to (…, t)."""
        return np.add.reduceat(np.asarray(measured, np.float64), self.starts, axis=-1)

    def spread(self, of_tensors: Doubles) -> Doubles:
        """Return each tensor's number at each of its elements, shape (…, t) to (…, e)."""
        return np.repeat(of_tensors, self.sizes, axis=-1)

    def thinned(self, elements: int) -> NearModels:
        """Return the same models at no more than about so many elements, whole positions of every tensor."""
        step = -(-len(self.target) // elements)
        if step <= 1:
            return self
        tensor = np.repeat(np.arange(len(self.sizes)), self.sizes // RUN_LENGTH)
        within = np.arange(len(tensor)) - (self.starts // RUN_LENGTH)[tensor]
        kept = np.repeat(within % step == 0, RUN_LENGTH)
        sizes = self.tensor_sums(kept).astype(np.int64)
        starts = np.concatenate(([0], np.cumsum(sizes)[:-1]))
        return self._replace(
            values=self.values[:, kept], target=self.target[kept], error=self.error[kept], starts=starts, sizes=sizes
        )


def build_neighbourhood(
    problem: MergeProblem, child: int, candidates: Sequence[int], input_dtype: str | None = None
) -> NearModels:
    """Return a model and the models nearest to it.

    Args:
        problem: The family.
        child: Row of the model.
        candidates: Rows of possible inputs.
        input_dtype: Type that the inputs are rounded to; the model's own where None.
    """
    vectors = problem.vectors
    nearest = sorted(candidates, key=lambda row: float(problem.sq_distance[child, row]))[: MERGE.max_near_models]
    dtype = vectors.main_dtype[child] if input_dtype is None else input_dtype
    dtype = dtype if dtype in _HALF_ULP else ""
    target = vectors.flat[child]
    values = np.stack([round_to_dtype(vectors.flat[row], dtype) for row in nearest])
    # The largest error of the type itself: the family's table doubles that of bfloat16, and has float32's at half.
    relative = _HALF_ULP.get(vectors.main_dtype[child], RELATIVE_ERROR.get(vectors.main_dtype[child], 2.0**-22))
    starts = vectors.starts.astype(np.int64) * RUN_LENGTH
    sizes = np.diff(np.append(starts, len(target)))
    magnitude = np.maximum(np.abs(target), np.abs(values[0])).astype(np.float64)
    error = np.maximum(relative * magnitude, 1e-12)
    noise = np.add.reduceat(np.square(error), starts) / 3 / sizes
    return NearModels(nearest, values, target, error, noise, starts, sizes, dtype)


def stored_input_dtype(vectors: Vectors, child: int) -> str:
    """Return the type that the inputs of a merge were rounded to before it was computed.

    It is the type that the merge is stored in. But arcee_fusion of mergekit 0.1.5 computes in bfloat16 and stores
    float32: then most elements are values of bfloat16.

    Args:
        vectors: The family.
        child: Row of the merge.
    """
    dtype = vectors.main_dtype[child]
    values = vectors.values[child]
    if dtype == "F32" and (round_to_dtype(values, "BF16") == values).mean() > MERGE.elements.min_rounded_share:
        return "BF16"
    return dtype


def is_rounded_again(vectors: Vectors, child: int, other: int) -> bool:
    """Whether a model of 16 bits is another, but for values that were rounded twice: off by one step in few places.

    Two casts of one model, which may not be here, are like this. Of the elements of a float16 copy, one in sixteen is
    rounded to bfloat16 another way than the model itself.

    Args:
        vectors: The family.
        child: Row of the model.
        other: Row of the other.
    """
    half = _HALF_ULP.get(vectors.main_dtype[child])
    if half is None:
        return False
    target = vectors.flat[child]
    off = np.abs(round_to_dtype(vectors.flat[other], vectors.main_dtype[child]) - target)
    is_near = off <= 4 * half * np.abs(target) + 1e-12  # a step is at most four of the least halves
    return bool(is_near.mean() > MERGE.elements.min_near_share and (off > 0).mean() < MERGE.elements.max_rounded_again)


def shares_elements(problem: MergeProblem, child: int, candidates: Sequence[int], input_dtype: str) -> bool:
    """Whether a model has more elements of one other than of most, so that it may be a mixture of elements.

    Args:
        problem: The family.
        child: Row of the model.
        candidates: Rows of possible inputs.
        input_dtype: Type that the inputs are rounded to.
    """
    key = child, input_dtype
    if key not in problem.equal_shares:
        vectors = problem.search_vectors
        target = vectors.values[child]
        error = _HALF_ULP.get(vectors.main_dtype[child], 2.0**-22) * np.abs(target) + 1e-12
        near = np.abs(round_to_dtype(vectors.values, input_dtype) - target) <= error
        problem.equal_shares[key] = np.asarray(count_flags(near).sum(1, dtype=np.int64) / target.size)
    equal = problem.equal_shares[key][list(candidates)]
    return is_shared(equal, float(equal.max()))


def is_shared(equal: Doubles, share: float) -> bool:
    """Whether a share of equal elements is more than what a model has in common with most others anyway.

    A base and three parents may all share elements with it. So what the fifth shares is usual.

    Args:
        equal: Share of elements that a model has in common with each other, shape (m,).
        share: One of them.
    """
    usual = float(np.sort(equal)[::-1][min(MERGE.elements.max_inputs, len(equal) - 1)])
    return share > 2 * usual + MERGE.elements.min_equal_share
