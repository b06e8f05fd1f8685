"""Was a model trained from another, or from that one's cast to a narrower type?

A cast moves every weight by a known step, and what comes from the cast has made that step, too. The step is small
beside what training moves, but it is made in every element: seen from the original, a child of the cast has the whole
of it, a child of the original none. Elements are weighed by how far the model is from both, position by position.
"""

from __future__ import annotations

import numpy as np

from ingest.weights.samples.aligned_samples import RELATIVE_ERROR, Vectors

MOVED = 0.5
"""Training has to move a position by so many steps of the grid that the model itself is stored on: less than that, and
rounding takes it to the cast's own values, whichever it comes from."""


def cast_log_odds(vectors: Vectors, child: int, original: int, cast: int) -> float:
    """Return the log-odds that a model comes from a cast, not from what was cast."""
    step = vectors.values[cast] - vectors.values[original]
    moved = vectors.values[child] - vectors.values[cast]
    middle = moved + step / 2
    spread = np.square(moved).mean(1)
    grid = 2 * RELATIVE_ERROR.get(vectors.main_dtype[child], 0.0) * np.abs(vectors.values[original]).max(1)
    used = spread > np.square(MOVED * grid)
    along = (middle * step).sum(1)
    return float((along[used] / np.maximum(spread[used], 1e-30)).sum())
