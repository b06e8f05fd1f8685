"""Log-odds that a model was trained from a precision cast of another model, not from that model itself.

A cast moves every weight by a known step, q = cast - original. A child of the cast contains the whole step, a child of
the original none of it. The step is small compared with what training moves, but every element has it.

With m = child - (original + cast) / 2, training is modelled as Gaussian noise. Its variance is estimated at each
position p as v_p = mean((child - cast)²). The log-likelihood ratio of the two origins is then Σ_p (m_p · q_p) / v_p.
"""

from __future__ import annotations

import numpy as np

from ingest.weights.parameters.pairwise_parameters import PAIRWISE
from ingest.weights.samples.aligned_samples import RELATIVE_ERROR, Vectors


def cast_log_odds(vectors: Vectors, child: int, original: int, cast: int) -> float:
    """Return the log-odds that a model was trained from a cast, not from the model that was cast.

    Positions that training moved by less than `PAIRWISE.min_cast_distance` steps of the child's own grid are left out.
    Rounding takes them to the cast's values in both cases.

    Args:
        vectors: The family.
        child: Row of the model.
        original: Row of the model that was cast.
        cast: Row of the cast.
    """
    step = vectors.values[cast] - vectors.values[original]
    moved = vectors.values[child] - vectors.values[cast]
    middle = moved + step / 2
    spread = np.square(moved).mean(1)
    grid = 2 * RELATIVE_ERROR.get(vectors.main_dtype[child], 0.0) * np.abs(vectors.values[original]).max(1)
    used = spread > np.square(PAIRWISE.min_cast_distance * grid)
    along = (middle * step).sum(1)
    return float((along[used] / np.maximum(spread[used], 1e-30)).sum())
