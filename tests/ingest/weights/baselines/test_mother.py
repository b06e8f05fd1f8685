"""Tests of `ingest/weights/baselines/mother.py`."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.weights.baselines import mother
from ingest.weights.fingerprints.fingerprint import kurtosis


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 9), st.integers(0, 10_000))
def test_arborescences_are_as_cheap_as_networkx_finds(count: int, seed: int) -> None:
    cost = np.random.default_rng(seed).integers(1, 60, (count, count)).astype(float)
    parents = mother.minimum_arborescence(cost)
    assert parents.count(-1) == 1
    graph = nx.DiGraph()
    graph.add_weighted_edges_from((i, j, cost[i, j]) for i in range(count) for j in range(count) if i != j)
    best = nx.minimum_spanning_arborescence(graph).size("weight")
    assert sum(cost[parent, child] for child, parent in enumerate(parents) if parent >= 0) == best
    tree = nx.DiGraph((parent, child) for child, parent in enumerate(parents) if parent >= 0)
    assert nx.is_arborescence(tree)


def test_paper_002s_parts() -> None:
    rng = np.random.default_rng(3)
    layers = {"a": rng.normal(size=(40, 40)).astype(np.float32), "b": rng.normal(size=(40, 40)).astype(np.float32)}
    moved = {name: value + 3 for name, value in layers.items()}
    assert mother.weight_distance(layers, moved) == pytest.approx(3 * 40, rel=1e-5)
    low = {n: v + np.outer(rng.normal(size=40), rng.normal(size=40)).astype(np.float32) for n, v in layers.items()}
    assert mother.lora_distance(layers, low) == 1
    assert kurtosis(rng.normal(size=200_000)) == pytest.approx(3, abs=0.1)
    assert kurtosis(rng.uniform(size=200_000)) == pytest.approx(1.8, abs=0.05)
    higher = mother.direction_matrix([5.0, 1.0])
    assert higher.tolist() == [[False, True], [False, False]]
    cost = mother.cost_matrix(np.array([[0.0, 1.0], [1.0, 0.0]]), higher, mother.stage_matrix(["specialise"] * 2))
    assert cost[0, 1] < cost[1, 0]
    turned = mother.cost_matrix(np.array([[0.0, 1.0], [1.0, 0.0]]), higher, mother.stage_matrix(["generalise"] * 2))
    assert turned[0, 1] > turned[1, 0]


def test_paper_002_recovers_two_trees_given_their_stages() -> None:
    """Specialization makes weights less tailed: uniform noise lowers the kurtosis of heavy-tailed roots."""
    rng = np.random.default_rng(8)
    models: list[dict[str, np.ndarray]] = []
    truth: list[int] = []
    for _ in range(2):
        top = len(models)
        models.append({"w": rng.standard_t(5, (60, 60)).astype(np.float32)})
        truth.append(-1)
        for parent in (top, top, top + 1):
            models.append({"w": models[parent]["w"] + rng.uniform(-0.4, 0.4, (60, 60)).astype(np.float32)})
            truth.append(parent)
    assert mother.recover_forest(models, ["specialise"] * len(models), 2) == truth
