"""Tests of `ingest/weights/tree/rooting.py`."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from ingest.weights.tree.rooting import infer_root, root_candidates, subtree_sizes
from tests.support.changes import matrices, quantized
from tests.support.families import root, trained
from tests.support.trees import grown

pytestmark = pytest.mark.slow


def orders(edges: set[frozenset[int]], count: int) -> list[int]:
    """Count the orders in which a tree can have grown from each of its models, one by one."""
    found = [0] * count
    for order in permutations(range(count)):
        found[order[0]] += all(any({order[at], b} in edges for b in order[:at]) for at in range(1, count))
    return found


def test_the_odds_of_a_root_are_the_orders_that_start_there(tmp_path: Path) -> None:
    base = root(1)
    near = trained(base, 2, 0.3)
    models = [base, near, trained(near, 3, 0.3), trained(near, 4, 0.3), trained(base, 5, 0.3), trained(base, 6, 0.3)]
    bases = {0: None, 1: 0, 2: 1, 3: 1, 4: 0, 5: 0}
    family, tree = grown(tmp_path, models, bases)
    family.precedence_log_odds[:] = family.tests.precedence_by_weights[:] = 0
    counted = orders({frozenset((row, above)) for row, above in bases.items() if above is not None}, len(models))
    listed = {each.row: each.log_odds for each in root_candidates(family, tree, 0)}
    assert listed == {row: pytest.approx(np.log(counted[row] / counted[0])) for row in range(1, 6)}
    assert max(listed, key=lambda row: listed[row]) == 1, "the likeliest first, though below the root"


def test_copies_and_quantized_models_count_as_descendants(tmp_path: Path) -> None:
    base = root(1)
    child = trained(base, 2, 0.3)
    models = [base, child, trained(base, 3, 0.3), child, matrices(child, lambda v: quantized(v, 8, 0))]
    family, tree = grown(tmp_path, models, {0: None, 1: 0, 2: 0})
    assert family.relations.duplicate_of[3] == 1 and family.relations.copies[4][0] == 1
    assert {row: subtree_sizes(family, tree)[row] for row in range(3)} == {0: 5, 1: 3, 2: 1}


@pytest.mark.parametrize(
    ("by_weights", "older", "expected"),
    [(0.7, 0.7, 0), (0.7, 20.0, 1), (4.0, 0.7, 1)],
    ids=["little", "dates", "weights"],
)
def test_a_leaf_that_seems_a_little_older_than_a_hub_is_not_its_parent(
    tmp_path: Path, by_weights: float, older: float, expected: int
) -> None:
    """A leaf at the root's place: the direction of one step weighs little against where all others lie, unless it is clear."""
    base = root(1)
    models = [base, *(trained(base, seed, 0.3) for seed in range(2, 8))]
    family, tree = grown(tmp_path, models, {1: None, 0: 1} | dict.fromkeys(range(2, 7), 0))
    for listed, odds in ((family.tests.precedence_by_weights, by_weights), (family.precedence_log_odds, older)):
        listed[1, 0], listed[0, 1] = odds, -odds
    infer_root(family, tree)
    assert [row for row in tree.rows if tree.residual_base[row] < 0] == [expected]
    assert [int(base) for base in tree.residual_base[2:]] == [0] * 5
    assert sorted(tree.choices) == [row for row in range(7) if row != expected]


@pytest.mark.parametrize("merge", [True, False])
def test_what_comes_of_a_merge_is_not_the_root_however_old_it_seems(tmp_path: Path, merge: bool) -> None:
    base = root(1)
    first, second, other = (trained(base, seed, 0.3) for seed in (2, 3, 9))
    mean = {name: (value + second[name]) / 2 for name, value in first.items()}
    models = [base, first, second, mean, trained(mean if merge else base, 4, 0.1), other]
    if not merge:
        models[3] = trained(base, 10, 0.3)
    family, tree = grown(tmp_path, models, {4: None, 0: 4, 1: 0, 2: 0, 5: 0} | ({} if merge else {3: 0}))
    if merge:
        assert family.relations.merges[3].parents == (1, 2) or family.relations.merges[3].parents == (2, 1)
        tree.add(3, 1)
    family.tests.precedence_by_weights[4, 0], family.tests.precedence_by_weights[0, 4] = 4.5, -4.5
    family.precedence_log_odds[4, 0], family.precedence_log_odds[0, 4] = 1.0, -1.0
    family.precedence_log_odds[3, 4], family.precedence_log_odds[4, 3] = 4.0, -4.0
    infer_root(family, tree)
    assert [row for row in tree.rows if tree.residual_base[row] < 0] == [0 if merge else 4]
    assert int(tree.residual_base[4]) == (3 if merge else -1)
