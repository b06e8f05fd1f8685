"""Tests of `atlas_db/analysis/families.py`."""

from __future__ import annotations

import math
from collections import Counter
from itertools import combinations
from types import SimpleNamespace

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_db.analysis.families import power_law, subtrees


@pytest.mark.slow
@given(st.integers(0, 2**32 - 1))
def test_subtrees_are_counted_as_enumeration_does(seed: int) -> None:
    rng = np.random.default_rng(seed)
    models = 8
    pairs = [(child, parent) for parent in range(models) for child in range(parent + 1, models) if rng.random() < 0.3]
    edges = pd.DataFrame(pairs, columns=["child", "parent"], dtype=np.int64).assign(active=True)
    table = subtrees(SimpleNamespace(edges=edges, graph=range(models)))  # type: ignore[arg-type]
    counted: Counter[str] = Counter()
    names = {
        (1,): "parent and child",
        (1, 1): "three generations",
        (2,): "parent and two children",
        (1, 1, 1): "four generations",
        (3,): "parent and three children",
        (1, 2): "parent, child, two grandchildren",
        (2, 1): "parent, two children, one grandchild",
    }
    for size in (1, 2, 3):
        for chosen in combinations(pairs, size):
            graph = nx.DiGraph((parent, child) for child, parent in chosen)
            if nx.is_arborescence(graph):
                (root,) = (node for node in graph if graph.in_degree(node) == 0)
                depths = Counter(nx.single_source_shortest_path_length(graph, root).values())
                counted[names[tuple(depths[level] for level in range(1, max(depths) + 1))]] += 1
    assert dict(zip(table["shape"], table["subtrees"], strict=True)) == {name: counted[name] for name in table["shape"]}


def test_a_power_law_is_found_again() -> None:
    exponent, start, distance, tail = power_law(np.random.default_rng(1).zipf(2.3, 20_000))
    assert exponent == pytest.approx(2.3, abs=0.1)
    assert distance < 0.03
    assert tail > 500
    assert start < 20
    assert math.isnan(power_law(np.ones(3, np.int64))[0])
