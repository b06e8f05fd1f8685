"""Joint regression: how much of every step of a tree a model contains, all steps fitted at once.

Testing one residual at a time misleads where models were trained on similar data: the shared drift of a sibling looks
like a contained residual. So the model's difference from the root is written as a sum of steps, one from each parent
to its child. With instruments z_i (the residuals of `residual_containment`), steps s_j and amounts a_j:

    Σ_j ⟨z_i, s_j⟩ / ‖z_i‖² · a_j = ⟨z_i, model - root⟩ / ‖z_i‖²

This is the estimator of instrumental variables (Wright 1928). A ridge of c + e_i² is added to the diagonal, where e_i
is the standard error of the single share. So residuals that are short compared with the model's distance count less. A
model contains the whole step of its parent (amount 1), and at most a part of a sibling's step.
"""

from __future__ import annotations

import numpy as np

from atlas_db.core.arrays import Doubles, Integers
from ingest.weights.pairwise.residual_containment import UNWEIGHTED_LOG_ERROR, UNWEIGHTED_SHARE
from ingest.weights.parameters.pairwise_parameters import PAIRWISE


def joint_containment(
    containment: Doubles, bases: Integers, steps: Integers, row: int, root: int
) -> tuple[Doubles, Doubles]:
    """Return how much of each step a model contains, and the reliability of each amount.

    Where there are more than `PAIRWISE.max_regression_steps` steps, those with the greatest single shares are used.

    Args:
        containment: How much each model contains of each step by itself, shape (n, n, MEASUREMENTS), steps first.
        bases: Model that each step starts from, shape (n,).
        steps: Models whose steps count, shape (k,).
        row: The model.
        root: Model that it is seen from.

    Returns:
        Amount of the step to each model, 0 for none and 1 for the whole, shape (n,). Reliability of each amount,
        1 / (1 + (e / e½)²), 0..1, and 0 for models without a step, shape (n,).
    """
    amounts, reliability = np.zeros((2, len(containment)))
    share = containment[..., UNWEIGHTED_SHARE]
    right_side = share[steps, row] - share[steps, root]
    limit = PAIRWISE.max_regression_steps
    if len(steps) > limit:
        kept = np.argpartition(-np.abs(np.clip(right_side, -2, 2)), limit)[:limit]
        steps, right_side = steps[kept], right_side[kept]
    errors = np.exp(containment[steps, row, UNWEIGHTED_LOG_ERROR])
    matrix = share[np.ix_(steps, steps)] - share[np.ix_(steps, bases[steps])]
    matrix[np.diag_indices(len(steps))] += PAIRWISE.regression_ridge + np.square(np.minimum(errors, 3))
    amounts[steps] = np.clip(np.linalg.solve(matrix, right_side), -2, 3)
    reliability[steps] = 1 / (1 + np.square(errors / PAIRWISE.half_reliability_error))
    return amounts, reliability
