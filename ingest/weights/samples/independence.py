"""The cosine of two models' weights, and its spread among models from independent starts.

The cosine is the mean of those of the tensors, each weighted by its number of elements, as in `clustering`. Elements of
a trained tensor are not independent: rows of an output embedding share directions (anisotropy, Gao et al. 2019, arXiv
1907.12009). So 1/√n is too small an error.

Nothing singles out a basis of the inputs in a random start. So turning the columns of one model by a random rotation Q
gives a pair under the null. Let X and Y be samples of one tensor, of shape (p, d). Then ⟨X, YQ⟩ has the mean 0 and the
variance ‖XᵀY‖² / d (Frobenius norm), by the second moments of the orthogonal group (Weingarten 1978).
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from atlas_db.core.arrays import Doubles, Integers


class CosineTest(NamedTuple):
    """A cosine, tested against independent models.

    Attributes:
        cosine: Of the two models, -1 to 1.
        standard_error: Of the cosine of independent models with such tensors, 0..1.
    """

    cosine: float
    standard_error: float

    @property
    def false_alarm_rate(self) -> float:
        """Probability that independent models have such a cosine or a greater one (normal approximation)."""
        return 0.5 * math.erfc(self.cosine / (self.standard_error * math.sqrt(2))) if self.standard_error else 1.0


def cosine_of(ours: Doubles, theirs: Doubles, tensor: Integers) -> CosineTest | None:
    """Return the cosine of two models at the positions that both have; None where a tensor is left in neither.

    Args:
        ours: Shape (p, 32).
        theirs: Shape (p, 32).
        tensor: Tensor of each position, shape (p,), those of one tensor in a row.
    """
    bounds = [*np.flatnonzero(np.diff(tensor, prepend=-1)).tolist(), len(tensor)]
    cosine, variance = 0.0, 0.0
    for start, stop in pairwise(bounds):
        mine, its = ours[start:stop], theirs[start:stop]
        length = math.sqrt(float(np.square(mine).sum()) * float(np.square(its).sum()))
        if length:
            share = (stop - start) / len(tensor)
            cosine += share * float((mine * its).sum()) / length
            variance += (share / length) ** 2 * float(np.square(mine.T @ its).sum()) / mine.shape[1]
    return CosineTest(cosine, math.sqrt(variance)) if variance else None
