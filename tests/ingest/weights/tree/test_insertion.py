"""How a tree grows: each model below its likeliest parent, and no model below what comes from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.weights.samples.resample import Resampler
from ingest.weights.tree.exact_relations import build_family_state
from ingest.weights.tree.family_state import load_samples, run_pair_tests
from ingest.weights.tree.incremental_tree import IncrementalTree
from ingest.weights.tree.insertion import best_parent, insert_all, parent_probabilities, reinsert
from tests.support.families import print_of, root, trained, write
from tests.support.trees import grown


def test_a_family_grows_below_its_root(tmp_path: Path) -> None:
    base = root(1)
    child = trained(base, 2)
    models = [base, child, trained(base, 3), trained(child, 4)]
    prints = [
        print_of(write(tmp_path / f"m{at}", weights), f"m{at}", f"2024-01-0{at + 1}")
        for at, weights in enumerate(models)
    ]
    samples = load_samples(prints, Resampler(), use_dates=True)
    family = build_family_state(samples, run_pair_tests(samples))
    merges = family.relations.merges
    tree = IncrementalTree(samples.vectors, samples.sq_distance, family.precedence_log_odds, family.scorer, merges)
    insert_all(family, tree)
    assert sorted(tree.rows) == [0, 1, 2, 3]
    assert {row: choice.parent for row, choice in tree.choices.items()} == {1: 0, 2: 0, 3: 1}
    assert [tree.descendants(row) for row in range(4)] == [{1, 2, 3}, {3}, set(), set()]


def test_what_comes_from_a_model_is_no_parent_of_it(tmp_path: Path) -> None:
    base = root(1)
    child = trained(base, 2)
    family, tree = grown(tmp_path, [base, child, trained(child, 3)], {0: None, 1: 0, 2: 1})
    able, probabilities = parent_probabilities(family, tree, 1)
    assert able == [0], "its own child is none"
    assert len(probabilities) == 1 and 0 < probabilities[0] <= 1
    assert parent_probabilities(family, tree, 0)[0] == []
    assert best_parent(family, tree, 0) is None
    assert reinsert(family, tree, 0) is False


def test_a_model_in_a_wrong_place_is_moved(tmp_path: Path) -> None:
    base = root(1)
    child = trained(base, 2)
    family, tree = grown(tmp_path, [base, child, trained(child, 3)], {0: None, 1: 0, 2: 0})
    assert reinsert(family, tree, 2) is True
    assert tree.choices[2].parent == 1
    assert reinsert(family, tree, 2) is False
    able, probabilities = parent_probabilities(family, tree, 2)
    assert sorted(able) == [0, 1]
    assert sum(probabilities) == pytest.approx(1, abs=0.2)
