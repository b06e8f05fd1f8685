"""Tests of `ingest/weights/samples/clustering.py`."""

from __future__ import annotations

import random
from itertools import permutations
from pathlib import Path

import networkx as nx
import numpy as np
import pytest

from benchmarks.weights import synthetic
from ingest.weights.parameters.sample_parameters import SAMPLE
from ingest.weights.samples.aligned_samples import align, cosines
from ingest.weights.samples.clustering import connected_families
from tests.support.changes import permuted
from tests.support.families import HIDDEN, print_of, root, write


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_a_merge_of_two_families_is_of_both(tmp_path: Path, order: tuple[int, ...]) -> None:
    """Whichever comes first stands for its family; the units of one parent are in another order than its family's."""
    one, other = root(1), root(2)
    moved = permuted(other, 5)
    merged = {name: (0.7 * one[name] + 0.3 * moved[name]).astype(np.float32) for name in one}
    models = [one, other, moved, merged]
    prints = [print_of(write(tmp_path / str(at), models[at]), str(at)) for at in order]
    assert [len(part) for part in connected_families(prints)] == [4]


def test_relatives_are_the_components_of_all_pairs() -> None:
    prints = synthetic(330, seed=3)
    random.Random(1).shuffle(prints)
    vectors = align([item.sample for item in prints], [item.dtype for item in prints])
    whole = nx.Graph()
    whole.add_nodes_from(range(len(prints)))
    whole.add_edges_from(np.argwhere(cosines(vectors) > SAMPLE.min_related_cosine).tolist())
    expected = sorted(sorted(part) for part in nx.connected_components(whole))
    assert sorted(connected_families(prints)) == expected
    assert sorted(map(len, expected)) == [30, 100, 100, 100]


@pytest.mark.slow
def test_independent_models_whose_output_rows_share_a_direction_are_no_family(tmp_path: Path) -> None:
    """Every row of a trained output embedding moves the same way, another way in each model."""
    models = []
    for at in range(40):
        made, rng = root(at), np.random.default_rng(1000 + at)
        common = np.outer(rng.uniform(0.5, 1.5, len(made["lm_head.weight"])), rng.normal(size=HIDDEN))
        models.append({**made, "lm_head.weight": (made["lm_head.weight"] + common).astype(np.float32)})
    prints = [print_of(write(tmp_path / str(at), each), str(at)) for at, each in enumerate(models)]
    whole = np.array([item.sample.values.ravel() for item in prints], np.float64)
    unit = whole / np.linalg.norm(whole, axis=1, keepdims=True)
    assert np.triu(unit @ unit.T, 1).max() > SAMPLE.min_related_cosine, "over all elements some would be relatives"
    assert [len(part) for part in connected_families(prints)] == [1] * 40
