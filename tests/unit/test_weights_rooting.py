"""Which model of a tree is its root, counted a second way, and made the root where it was not; and who is in between."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest

from ingest.weights.samples.resample import Rereader
from ingest.weights.tree.exact_relations import find_copies, find_merges
from ingest.weights.tree.family_state import FamilyState, assemble
from ingest.weights.tree.incremental_tree import IncrementalTree
from ingest.weights.tree.insertion import best_parent
from ingest.weights.tree.rooting import infer_root, root_candidates, subtree_sizes
from ingest.weights.tree.subtree_moves import swap_parent_child
from tests.support.changes import matrices, quantized
from tests.support.families import Weights, print_of, root, trained, write


def grown(folder: Path, models: list[Weights], bases: Mapping[int, int | None]) -> tuple[FamilyState, IncrementalTree]:
    """Return a family and the tree that is asked for, the models placed where that tree has them."""
    prints = [print_of(write(folder / f"m{at}", weights), f"m{at}") for at, weights in enumerate(models)]
    family = assemble(prints, Rereader(), use_dates=False)
    find_copies(family)
    find_merges(family)
    tree = IncrementalTree(family.vectors, family.sq_distance, family.precedence_log_odds, family.scorer, family.merges)
    for row, base in bases.items():
        tree.add(row, base)
    for row, base in bases.items():
        if base is not None:
            choice = best_parent(family, tree, row) or pytest.fail("no place")
            tree.choices[row] = replace(choice, parent=base)
    return family, tree


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
    family.precedence_log_odds[:] = family.precedence_by_weights[:] = 0
    counted = orders({frozenset((row, above)) for row, above in bases.items() if above is not None}, len(models))
    told = {each.row: each.log_odds for each in root_candidates(family, tree, 0)}
    assert told == {row: pytest.approx(np.log(counted[row] / counted[0])) for row in range(1, 6)}
    assert max(told, key=lambda row: told[row]) == 1, "the likeliest first, though below the root"


def test_copies_and_quantized_ones_lie_behind_a_model(tmp_path: Path) -> None:
    base = root(1)
    child = trained(base, 2, 0.3)
    models = [base, child, trained(base, 3, 0.3), child, matrices(child, lambda v: quantized(v, 8, 0))]
    family, tree = grown(tmp_path, models, {0: None, 1: 0, 2: 0})
    assert family.duplicate_of[3] == 1 and family.copies[4][0] == 1
    assert {row: subtree_sizes(family, tree)[row] for row in range(3)} == {0: 5, 1: 3, 2: 1}


@pytest.mark.parametrize(
    ("by_weights", "older", "expected"),
    [(0.7, 0.7, 0), (0.7, 20.0, 1), (4.0, 0.7, 1)],
    ids=["little", "dates", "weights"],
)
def test_a_leaf_that_seems_a_little_older_than_a_hub_is_not_its_parent(
    tmp_path: Path, by_weights: float, older: float, expected: int
) -> None:
    """A leaf at the root's place: one step's direction says little beside where all others lie, unless it is clear."""
    base = root(1)
    models = [base, *(trained(base, seed, 0.3) for seed in range(2, 8))]
    family, tree = grown(tmp_path, models, {1: None, 0: 1} | dict.fromkeys(range(2, 7), 0))
    for told, odds in ((family.precedence_by_weights, by_weights), (family.precedence_log_odds, older)):
        told[1, 0], told[0, 1] = odds, -odds
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
        assert family.merges[3].parents == (1, 2) or family.merges[3].parents == (2, 1)
        tree.add(3, 1)
    family.precedence_by_weights[4, 0], family.precedence_by_weights[0, 4] = 4.5, -4.5
    family.precedence_log_odds[4, 0], family.precedence_log_odds[0, 4] = 1.0, -1.0
    family.precedence_log_odds[3, 4], family.precedence_log_odds[4, 3] = 4.0, -4.0
    infer_root(family, tree)
    assert [row for row in tree.rows if tree.residual_base[row] < 0] == [0 if merge else 4]
    assert int(tree.residual_base[4]) == (3 if merge else -1)


@pytest.mark.parametrize("known", [0.0, 2.0, 5.0])
def test_of_three_in_a_line_the_last_two_are_swapped_where_that_is_likelier(tmp_path: Path, known: float) -> None:
    base = root(1)
    first = trained(base, 2, 0.3)
    models, found = [base, first, trained(first, 3, 0.3), trained(base, 4, 0.3)], []
    for number, (upper, lower) in enumerate(((1, 2), (2, 1))):
        family, tree = grown(tmp_path / str(number), models, {0: None, upper: 0, lower: upper, 3: 0})
        family.precedence_log_odds[1, 2], family.precedence_log_odds[2, 1] = known, -known
        before = tree.snapshot()
        found.append(swap_parent_child(family, tree))
        assert tree.residual_base.tolist() == [-1, 0, 1, 0], "whichever way it was"
        if number == 0:
            assert (tree.containment == before.containment).all(), "all are where they were"
    told = [each.get(1) for each in found]
    assert told[0] is None if known == 5.0 else told[0] == told[1], "what is clear is not asked again"
    assert told[1] is not None and told[1][0] == 2 and 0 < told[1][1] < 0.3, "the other way round is possible, no more"
