"""All steps of a tree at once: how much of each a model carries when every other one is heard, too.

One trace at a time misleads where models were trained alike: a sibling's drift looks like a trace that is carried. So a
model, seen from its root, is written as a sum of the steps from parents to children that the tree is made of, each
traced in its own noise: one system of linear equations (instrumental variables, Wright 1928; the traces are the
instruments), with a ridge for traces that are short beside the model's distance. Of its parent's step a model carries
the whole, of any child's of its parent a part at most.
"""

from __future__ import annotations

import numpy as np

from atlas_db.core.arrays import Doubles, Integers
from ingest.weights.pairwise.residual_containment import UNWEIGHTED_LOG_ERROR, UNWEIGHTED_SHARE

MOST = 48
"""Steps in one system: those carried most, each by itself."""
RIDGE = 0.02
UNSURE = 0.2
"""Standard error at which a step counts half."""


def joint_containment(
    containment: Doubles, bases: Integers, steps: Integers, row: int, root: int
) -> tuple[Doubles, Doubles]:
    """Solve for how much of each step a model carries.

    Args:
        containment: How much each model contains of each step by itself, shape (n, n, MEASUREMENTS), steps first.
        bases: Model that each step starts from, shape (n,).
        steps: Models whose steps count, shape (k,).
        row: The model.
        root: Model that it is seen from.

    Returns:
        How much of the step of each model it carries, 0 for none and 1 for the whole; and how well that can be told,
        0..1, 0 where the step does not count. Both of shape (n,).
    """
    amounts, reliability = np.zeros((2, len(containment)))
    share = containment[..., UNWEIGHTED_SHARE]
    right_side = share[steps, row] - share[steps, root]
    if len(steps) > MOST:
        kept = np.argpartition(-np.abs(np.clip(right_side, -2, 2)), MOST)[:MOST]
        steps, right_side = steps[kept], right_side[kept]
    errors = np.exp(containment[steps, row, UNWEIGHTED_LOG_ERROR])
    matrix = share[np.ix_(steps, steps)] - share[np.ix_(steps, bases[steps])]
    matrix[np.diag_indices(len(steps))] += RIDGE + np.square(np.minimum(errors, 3))
    amounts[steps] = np.clip(np.linalg.solve(matrix, right_side), -2, 3)
    reliability[steps] = 1 / (1 + np.square(errors / UNSURE))
    return amounts, reliability
