"""A family side by side: dates weigh in, copies lead nowhere, and few models are near enough to compare ranks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ingest.weights.fingerprints.fingerprint import Fingerprint
from ingest.weights.parameters.tree_parameters import TREE
from ingest.weights.samples.resample import Resampler
from ingest.weights.tree.exact_relations import build_family_state
from ingest.weights.tree.family_state import (
    FamilyState,
    duplicate_sort_key,
    exact_duplicates,
    known_parents,
    load_samples,
    permutations_of,
    precedence_log_odds,
    run_pair_tests,
)
from tests.support.changes import matrices, permuted, quantized
from tests.support.families import print_of, root, trained, with_fewer_neurons, write


@pytest.fixture(scope="module")
def prints(tmp_path_factory: pytest.TempPathFactory) -> list[Fingerprint]:
    """Return a base, a child, a copy of the child, and the child in eight bits; the copy alone has no date."""
    folder = tmp_path_factory.mktemp("family")
    base = root(1)
    child = trained(base, 2)
    models = [base, child, child, matrices(child, lambda value: quantized(value, 8, 0))]
    dates = ["2024-01-01T00:00:00.000Z", "2024-01-02T00:00:00.000Z", "", "2024-01-04T00:00:00.000Z"]
    return [
        print_of(write(folder / f"m{at}", weights), f"m{at}", date)
        for at, (weights, date) in enumerate(zip(models, dates, strict=True))
    ]


@pytest.fixture(scope="module")
def family(prints: list[Fingerprint]) -> FamilyState:
    samples = load_samples(prints, Resampler(), use_dates=True)
    return build_family_state(samples, run_pair_tests(samples))


def test_copies_and_quantized_models_are_no_parents(family: FamilyState) -> None:
    relations = family.relations
    original = relations.duplicate_of[1]
    assert exact_duplicates(relations.duplicate_of, 1) == exact_duplicates(relations.duplicate_of, 2) == [1, 2]
    assert relations.candidate_parents() == [0, original]
    assert [relations.is_quantized(row) for row in range(4)] == [False, False, False, True]
    assert known_parents(family, 3) == [original] and known_parents(family, 0) == []
    assert [family.model_id(row) for row in range(4)] == ["m0", "m1", "m2", "m3"]


def test_the_first_of_duplicates_is_the_one_without_a_date(family: FamilyState) -> None:
    """The Hub has a stand-in for unknown dates, and it stands for its oldest models."""
    assert sorted([1, 2], key=lambda row: duplicate_sort_key(family.samples, row)) == [2, 1]


def test_a_later_date_weighs_against_a_parent(family: FamilyState) -> None:
    change = precedence_log_odds(family.samples, family.tests, [0, 1, 2, 3]) - family.tests.precedence_by_weights
    assert change[0, 1] == pytest.approx(TREE.date_penalty)
    assert change[1, 0] == pytest.approx(-TREE.date_penalty)
    assert not change[2].any() and not change[:, 2].any(), "no date says nothing"


def test_of_models_with_the_same_tensors_the_one_with_more_neurons_came_first(tmp_path: Path) -> None:
    wide = root(1)
    narrow = with_fewer_neurons(wide, 96, 7)
    padded = {**wide, "model.embed_tokens.weight": root(1, 300)["model.embed_tokens.weight"]}
    models = {"narrow": narrow, "wide": wide, "moved": trained(wide, 2), "padded": padded}
    prints = [print_of(write(tmp_path / name, weights), name) for name, weights in models.items()]
    shared = [name for name in prints[0].sample.names if ".mlp." not in name and "layers" in name]
    samples = load_samples(prints, Resampler(), use_dates=True, tensors=shared)
    assert samples.width_order.tolist() == [[0, -1, -1, -1], [1, 0, 0, 0], [1, 0, 0, 0], [1, 0, 0, 0]]
    tests = run_pair_tests(samples)
    change = precedence_log_odds(samples, tests, range(4)) - tests.precedence_by_weights
    np.testing.assert_allclose(change, TREE.width_log_odds * samples.width_order)
    family = build_family_state(samples, tests)
    assert family.relations.duplicate_of[0] == 1, "what has fewer neurons does not stand for others"


def test_a_duplicate_without_a_date_existed_by_that_of_the_other(family: FamilyState) -> None:
    together = precedence_log_odds(family.samples, family.tests, [0, 2, 2, 3]) - family.tests.precedence_by_weights
    assert together[2, 3] == pytest.approx(TREE.date_penalty) == pytest.approx(-together[3, 2])
    assert together[2, 0] == 0, "it may be older than its dated duplicate"


def test_without_dates_the_weights_alone_count(prints: list[Fingerprint]) -> None:
    samples = load_samples(prints, Resampler(), use_dates=False)
    tests = run_pair_tests(samples)
    assert list(samples.dates) == [""] * 4 and samples.is_resampled
    found = precedence_log_odds(samples, tests, [0, 1, 2, 3])
    np.testing.assert_array_equal(found, tests.precedence_by_weights)
    assert found[0, 1] == pytest.approx(-found[1, 0])


def test_without_the_weights_the_fingerprints_samples_are_used(prints: list[Fingerprint]) -> None:
    small = load_samples(prints, None, use_dates=False)
    assert not small.is_resampled
    assert len(small.vectors.tensor) == len(prints[0].sample.values)


def test_the_rank_of_a_difference_is_the_same_both_ways(family: FamilyState) -> None:
    assert family.tests.is_near.all(), "of four models all are near"
    ranks = family.tests.difference_ranks
    np.testing.assert_equal(ranks.rank(1, 0), ranks.rank(0, 1))


def test_units_of_a_permuted_model_are_put_in_order(tmp_path: Path) -> None:
    base = root(1)
    models = [base, trained(base, 2), permuted(base, 5)]
    prints = [print_of(write(tmp_path / f"m{at}", weights), f"m{at}") for at, weights in enumerate(models)]
    samples = load_samples(prints, Resampler(), use_dates=False)
    assert samples.unpermuted is not None
    assert sum(bool(name) for name in samples.permutation_id) in (1, 2)
    np.testing.assert_array_equal(samples.vectors.values[0], samples.vectors.values[2])
    assert (samples.unpermuted.values[0] != samples.unpermuted.values[2]).any()
    family = build_family_state(samples, run_pair_tests(samples))
    assert permutations_of(family, 0) == {samples.permutation_id[0], samples.permutation_id[2]}
