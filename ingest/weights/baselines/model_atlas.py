"""Charting of Model Atlas (Horwitz et al., arXiv 2503.10633), as a baseline: greedy, in the order of upload dates.

Its priors:

- equal models collapse;
- quantized models are leaves;
- parents are uploaded before children;
- among near-equal neighbours, distance grows with time along checkpoints of one run (snake), and does not in a sweep of
  settings (fan);
- a model is a merge where a mix of two others is much nearer than any single model.

The paper gives the priors and no code. Constants that it leaves open are chosen here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from atlas_db.core.arrays import Doubles
from ingest.weights.parameters.baseline_parameters import BASELINE


def recover_graph(values: Doubles, dates: Sequence[str], quantized: Sequence[bool]) -> list[tuple[int, ...]]:
    """Recover the parents of the models of one component.

    Args:
        values: Sampled weights, shape (n, d).
        dates: Upload dates; models are taken in their order.
        quantized: Whether a model is quantized, and so a leaf.

    Returns:
        Parents of each model: none, one, or two for a merge.
    """
    order = sorted(range(len(values)), key=lambda row: (dates[row], row))
    gram = values @ values.T
    norms = np.diag(gram)
    squared = np.maximum(norms[:, None] + norms[None] - 2 * gram, 0)
    parents: list[tuple[int, ...]] = [()] * len(values)
    for place, row in enumerate(order):
        earlier = [other for other in order[:place] if not quantized[other]]
        if not earlier:
            continue
        nearest = min(earlier, key=lambda other: squared[row, other])
        if squared[row, nearest] == 0 or quantized[row]:
            parents[row] = (nearest,)
            continue
        pair = _merge_parents(values, row, earlier, squared)
        parents[row] = pair or (_fan_or_snake(row, nearest, earlier, squared, parents),)
    return parents


def _fan_or_snake(
    row: int, nearest: int, earlier: Sequence[int], squared: Doubles, parents: Sequence[tuple[int, ...]]
) -> int:
    """Return the parent: the nearest model in a snake, the common parent of the neighbours in a fan."""
    limit = BASELINE.neighbourhood_ratio**2 * squared[row, nearest]
    neighbours = [other for other in earlier if squared[row, other] <= limit]
    if len(neighbours) < BASELINE.min_neighbours:
        return nearest
    times = np.arange(len(neighbours), dtype=float)
    lengths = np.sqrt(squared[row, neighbours])
    if lengths.std() > 0 and float(np.corrcoef(times, -lengths)[0, 1]) > BASELINE.min_snake_correlation:
        return nearest
    hubs = [parents[other][0] for other in neighbours if parents[other]]
    return max(set(hubs), key=lambda hub: (hubs.count(hub), -squared[row, hub])) if hubs else nearest


def _merge_parents(values: Doubles, row: int, earlier: Sequence[int], squared: Doubles) -> tuple[int, ...]:
    neighbours = sorted(earlier, key=lambda other: squared[row, other])[: BASELINE.max_merge_parents]
    best = BASELINE.max_merge_residual
    found: tuple[int, ...] = ()
    for place, first in enumerate(neighbours):
        for second in neighbours[place + 1 :]:
            axis = values[second] - values[first]
            length = float(axis @ axis)
            if length == 0:
                continue
            fraction = float((values[row] - values[first]) @ axis) / length
            if not BASELINE.min_merge_weight < fraction < 1 - BASELINE.min_merge_weight:
                continue
            remainder = values[row] - values[first] - fraction * axis
            residual = float(np.sqrt((remainder @ remainder) / squared[row, neighbours[0]]))
            if residual < best:
                best, found = residual, (first, second)
    return found
