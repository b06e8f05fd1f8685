"""Which model an adapter's copied values started from, by the steps of the family's tree that they contain.

The values v of an adapter that was trained from model m are m's values and a drift. Let s_e be the step from a model's
parent to it, for each edge e of the tree. Of the joint regression

    v - root = Σ_e γ_e s_e + rest

the coefficients γ_e are 1 on the path from the root to m, and 0 elsewhere. Two things move them. One is noise of the
rest, with the covariance of least squares. The other is drift along the steps, as trainings on like data drift alike.
It moves a coefficient by the drift's length over that of the step. So a short step tells little.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from atlas_db.core.arrays import Doubles, Floats
from ingest.weights.parameters.adapter_parameters import ADAPTER

Line = Sequence[tuple[int, int]]
"""Steps from the root down to a model, as pairs of parent and child."""


class CopiedValues:
    """Inner products of an adapter's copied values with those of n models, summed over tensors."""

    def __init__(self, models: int) -> None:
        self.gram = np.zeros((models + 1, models + 1))
        self.elements = 0

    def add(self, values: Floats, originals: Sequence[Floats]) -> None:
        """Add a tensor, in units of the distance to the nearest model; one with values that are not finite is left out.

        Args:
            values: The adapter's values, shape (elements,).
            originals: The values of each model, shape (elements,) each.
        """
        rows = np.stack([values, *originals]).astype(np.float64)
        if not np.isfinite(rows).all():
            return
        rows -= rows[1]
        nearest = np.square(rows[0] - rows[1:]).mean(1).min()
        unit = np.sqrt(max(nearest, ADAPTER.min_copy_distance * np.square(rows).mean()))
        if unit > 0:
            self.gram += rows @ rows.T / unit**2
            self.elements += rows.shape[1]


def step_log_likelihoods(copied: CopiedValues, parents: Sequence[int | None]) -> Doubles:
    """Return the log-likelihood of each model to be where copied values started, the greatest 0.

    Args:
        copied: Inner products of the values.
        parents: Place of each model's parent among them, None for a root. Roots count as children of the first.

    Returns:
        Shape (n,); zeros where there is nothing to compare.
    """
    count = len(parents)
    root = parents.index(None) if None in parents else 0
    steps = [place for place in range(count) if place != root]
    if not steps or not copied.elements:
        return np.zeros(count)
    joined = [root if parent is None else parent for parent in parents]
    paths = [{child for _, child in line_to(joined, place, root)} for place in range(count)]
    on_path = np.array([[float(step in path) for step in steps] for path in paths])
    made = np.zeros((len(steps), count))
    made[np.arange(len(steps)), steps] = 1
    made[np.arange(len(steps)), [joined[step] for step in steps]] -= 1
    gram = copied.gram
    of_steps = made @ gram[1:, 1:] @ made.T
    with_values = made @ (gram[1:, 0] - gram[1:, 1 + root])
    square = gram[0, 0] - 2 * gram[0, 1 + root] + gram[1 + root, 1 + root]
    return _likelihoods(of_steps, with_values, float(square), on_path, copied.elements)


def line_to(parents: Sequence[int | None], place: int, root: int | None = None) -> list[tuple[int, int]]:
    """Return the steps from the oldest ancestor of a model down to it, as pairs of parent and child; a ring ends.

    Args:
        parents: Place of each model's parent, None for a root.
        place: The model.
        root: Where a line ends in any case.
    """
    steps: list[tuple[int, int]] = []
    parent = parents[place]
    while parent is not None and place != root and len(steps) < len(parents):
        steps.append((parent, place))
        place, parent = parent, parents[parent]
    return steps


def _likelihoods(of_steps: Doubles, with_values: Doubles, square: float, on_path: Doubles, elements: int) -> Doubles:
    """Return log-likelihoods of models by the coefficients of a joint regression, the greatest 0.

    Args:
        of_steps: Inner products of the steps, shape (e, e).
        with_values: Inner products of the steps with the values, shape (e,).
        square: Squared length of the values.
        on_path: Whether each step is on the path to each model, shape (n, e).
        elements: Number of the values.
    """
    # Copies of a model and parts that training left alone are no steps.
    moved = np.diag(of_steps) > ADAPTER.step_ridge * np.diag(of_steps).max()
    if not moved.any():
        return np.zeros(len(on_path))
    of_steps, with_values, on_path = of_steps[np.ix_(moved, moved)], with_values[moved], on_path[:, moved]
    sizes = np.diag(of_steps)
    inverse = np.linalg.inv(of_steps + ADAPTER.step_ridge * sizes.mean() * np.eye(len(sizes)))
    found = inverse @ with_values
    rest = max(float(square - 2 * found @ with_values + found @ of_steps @ found), ADAPTER.step_ridge * square, 1e-300)
    noise = inverse * rest / elements
    made = np.empty(len(on_path))
    for place, path in enumerate(on_path):
        drift = max(float(square - 2 * path @ with_values + path @ of_steps @ path), ADAPTER.step_ridge * rest)
        spread = noise + np.diag(ADAPTER.step_scatter**2 + ADAPTER.drift_along_steps**2 * drift / sizes)
        off = found - path
        made[place] = -0.5 * (off @ np.linalg.solve(spread, off) + np.linalg.slogdet(spread)[1])
    return np.asarray(made - made.max())
