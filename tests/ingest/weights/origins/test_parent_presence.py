"""Tests of `ingest/weights/origins/parent_presence.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from ingest.weights.family_chart import build_tree
from ingest.weights.fingerprints.fingerprint import Fingerprint
from ingest.weights.origins.parent_presence import (
    FEATURES,
    load_presence_scorer,
    parent_presences,
    presence_features,
)
from ingest.weights.parameters.origin_parameters import ORIGIN
from ingest.weights.samples.resample import Resampler
from ingest.weights.tree.exact_relations import build_family_state
from ingest.weights.tree.family_state import FamilyState, load_samples, run_pair_tests
from tests.support.families import print_of, root, trained, write


def state(prints: list[Fingerprint]) -> FamilyState:
    samples = load_samples(prints, Resampler(), use_dates=True)
    return build_family_state(samples, run_pair_tests(samples))


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> FamilyState:
    folder, start = tmp_path_factory.mktemp("family"), root(3)
    models = {"root": start} | {f"child{n}": trained(start, n, 0.1) for n in range(1, 6)}
    return state([print_of(write(folder / name, each), name, "2024-01-01") for name, each in models.items()])


def test_paths_from_a_parent_to_its_children_have_nothing_in_common(family: FamilyState) -> None:
    """Steps in independent directions: cosines are 0 seen from the parent, and 1/2 seen from a sibling."""
    tree = build_tree(family)
    ids = [family.model_id(row) for row in range(6)]
    for row, choice in tree.choices.items():
        assert ids[choice.parent] == "root" or ids[row] == "root"
        found = dict(zip(FEATURES, presence_features(family, tree, row, choice), strict=True))
        expected = 0.0 if ids[choice.parent] == "root" else 0.5
        assert found["least_path_cosine"] == pytest.approx(expected, abs=0.05)
        assert found["sibling_path_cosine"] == pytest.approx(expected, abs=0.05)
        assert found["grandparent_path_cosine"] == ORIGIN.unknown_cosine


@pytest.mark.slow
def test_elements_that_two_children_share_against_a_model_speak_against_it(tmp_path: Path) -> None:
    """Training leaves half of the rows alone; a sibling that changed them cannot be the parent."""
    start = root(4)

    def half(seed: int) -> dict[str, np.ndarray]:
        moved, rng = trained(start, seed), np.random.default_rng(seed)
        return {
            name: np.where(rng.random(len(value))[:, None] < 0.5, value, start[name]).astype(np.float32)
            if value.ndim > 1
            else value
            for name, value in moved.items()
        }

    dates = {"a": "2024-01-01", "b": "2024-01-02", "c": "2024-01-03", "d": "2024-01-04"}
    known = [print_of(write(tmp_path / name, half(at)), name, dates[name]) for at, name in enumerate(dates, 1)]
    with_root = [print_of(write(tmp_path / "root", start), "root", "2023-01-01"), *known]
    for prints, least in ((known, 0.05), (with_root, 0.0)):
        family = state(prints)
        tree = build_tree(family)
        against = [
            dict(zip(FEATURES, presence_features(family, tree, row, choice), strict=True))["equal_against"]
            for row, choice in tree.choices.items()
        ]
        assert (min(against) > least) if least else (max(against) == 0)


def test_probabilities_hold_together_and_the_false_alarm_rate_falls(family: FamilyState) -> None:
    for presence in parent_presences(family, build_tree(family)).values():
        assert 0 <= presence.is_parent <= presence.is_ancestor <= 1
        assert 0 < presence.false_alarm_rate <= 1
    scorer = load_presence_scorer(large=True)
    assert (np.diff(scorer.null) >= 0).all()


def test_the_packaged_scorer_names_its_features_and_families() -> None:
    for large in (True, False):
        assert load_presence_scorer(large).ancestor.leaf_values.shape[1] > 1
