"""Tests of `ingest/weights/tree/parent_features.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ingest.formats.tensor_names import PART_PATTERNS
from ingest.weights.tree.exact_relations import build_family_state
from ingest.weights.tree.family_state import load_samples, run_pair_tests
from ingest.weights.tree.parent_features import parent_features
from tests.support.families import print_of, root, trained, write


def test_features_other_than_containment_are_given_of_each_model(tmp_path: Path) -> None:
    base = root(1)
    near, larger = trained(base, 2, 0.02), root(1, vocabulary=320)
    grown = {
        name: value if value.shape == base[name].shape else larger[name] for name, value in trained(base, 3).items()
    }
    grown |= {name: np.concatenate([base[name], larger[name][256:]]) for name in ("model.embed_tokens.weight",)}
    made = (base, near, grown, trained(near, 4, 0.02))
    prints = [print_of(write(tmp_path / str(at), model)) for at, model in enumerate(made)]
    samples = load_samples(prints, None, use_dates=False)
    family = build_family_state(samples, run_pair_tests(samples))
    listed = parent_features(family, 3, [0, 1, 2])
    assert listed.penalties.shape == (3, 5) and listed.values.shape == (3, 5 + len(PART_PATTERNS))
    assert (listed.penalties[:, 0] > 0).tolist() == [False, False, True], "another number of elements"
    assert (listed.values[1, 5:] == 0).all(), "the nearest in every part"
    assert (listed.values[0, 5:] > 0).all()
