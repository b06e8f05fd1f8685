"""The analysis against plain second counts: forests by networkx, sub-trees by enumeration, likeness by definition."""

from __future__ import annotations

import math
from collections import Counter
from itertools import combinations
from types import SimpleNamespace
from typing import Any

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from atlas_db.analysis.compare import edit_script
from atlas_db.analysis.families import power_law, subtrees
from atlas_db.analysis.forest import build_forest
from atlas_db.analysis.groupings import MODALITY, TIGHTNESS, LicenseGroup, drift_direction, license_group
from atlas_db.analysis.regions import snake_lengths
from atlas_db.analysis.snapshot_diff import SnapshotEntry, compare_snapshots
from atlas_db.analysis.tables import ratio_interval
from atlas_db.analysis.text_similarity import levenshtein_similarity, row_cosines, tfidf_weights
from atlas_db.catalogue.loader import catalogue


@st.composite
def forests(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    size = draw(st.integers(1, 30))
    parent = np.array([draw(st.integers(-1, row - 1)) for row in range(size)], np.int64)
    shuffled = np.array(draw(st.permutations(range(size))), np.int64)
    out = np.full(size, -1, np.int64)
    out[shuffled] = np.where(parent < 0, -1, shuffled[parent])
    return out, np.array(draw(st.permutations(range(size))), np.int64)


@given(forests())
def test_a_forest_is_what_networkx_says(given_: tuple[np.ndarray, np.ndarray]) -> None:
    parent, rank = given_
    found = build_forest(parent, rank)
    graph = nx.DiGraph()
    graph.add_nodes_from(range(len(parent)))
    graph.add_edges_from((int(above), row) for row, above in enumerate(parent) if above >= 0)
    for row in graph:
        above = nx.ancestors(graph, row)
        below = nx.descendants(graph, row)
        assert found.depth[row] == len(above)
        assert found.size[row] == len(below) + 1
        assert found.root[row] == next((each for each in above if parent[each] < 0), row)
        at = found.position[row]
        assert set(found.order[at : at + found.size[row]]) == {row, *below}, "a sub-tree is one stretch of the order"
    for row in graph:
        children = sorted(graph.successors(row), key=lambda each: found.position[each])
        assert [rank[each] for each in children] == sorted(rank[each] for each in children)
    heads = [row for row in found.order if parent[row] < 0]
    assert [found.size[row] == 1 for row in heads] == sorted(found.size[row] == 1 for row in heads)
    assert sum(len(level) for level in found.levels()) == len(parent)


def test_a_ring_is_no_forest() -> None:
    with pytest.raises(ValueError, match="cycle"):
        build_forest(np.array([1, 0, -1]), np.arange(3))


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


def test_snakes() -> None:
    # 0-1-2-3 is one line; 4 has two children; 7 has two parents.
    child, parent = np.array([1, 2, 3, 5, 6, 7, 7]), np.array([0, 1, 2, 4, 4, 5, 6])
    assert snake_lengths(child, parent, 8).tolist() == [3]


def _plain_cosine(left: Counter[str], right: Counter[str], weight: dict[str, float]) -> float:
    def norm(terms: Counter[str]) -> float:
        return math.sqrt(sum((number * weight[term]) ** 2 for term, number in terms.items()))

    dot = sum(left[term] * right[term] * weight[term] ** 2 for term in left)
    return dot / (norm(left) * norm(right))


def test_likeness_by_definition() -> None:
    documents = ["a a b", "a c", "b b c d", "d"]
    bags = [Counter(text.split()) for text in documents]
    words = sorted({word for bag in bags for word in bag})
    matrix = sparse.csr_array(np.array([[bag[word] for word in words] for bag in bags], float))
    held = {word: sum(word in bag for bag in bags) for word in words}
    idf = {word: math.log((1 + len(bags)) / (1 + held[word])) + 1 for word in words}
    left, right = map(np.array, zip(*combinations(range(4), 2), strict=True))
    flat = dict.fromkeys(words, 1.0)
    for found, weight in (
        (row_cosines(matrix, left, right), flat),
        (row_cosines(tfidf_weights(matrix), left, right), idf),
    ):
        expected = [_plain_cosine(bags[a], bags[b], weight) for a, b in zip(left, right, strict=True)]
        assert found == pytest.approx(expected)
    assert math.isnan(row_cosines(sparse.csr_array((2, 3)), np.array([0]), np.array([1]))[0])


def _distance(left: str, right: str) -> int:
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(right, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


@given(st.text("abc", max_size=12), st.text("abc", max_size=12))
def test_levenshtein_by_definition_and_edit_scripts(left: str, right: str) -> None:
    (found,) = levenshtein_similarity([left], [right])
    if left and right:
        assert found == pytest.approx(1 - _distance(left, right) / max(len(left), len(right)))
    else:
        assert math.isnan(found)
    script = edit_script(left, right)
    assert "".join(span.left for span in script) == left
    assert "".join(span.right for span in script) == right
    changed = sum(max(len(span.left), len(span.right)) for span in script if span.tag != "equal")
    assert changed == _distance(left, right)


def test_intervals_draw_whole_clusters() -> None:
    hits, trials = np.array([1] * 50 + [0] * 50), np.ones(100, np.int64)
    share, low, high = ratio_interval(hits, trials, np.arange(100), seed=1)
    assert share == 0.5
    assert 0.36 < low < 0.44
    assert 0.56 < high < 0.64
    _, low, high = ratio_interval(hits, trials, np.repeat([0, 1], 50), seed=1)
    assert (low, high) == (0, 1), "two clusters say next to nothing"
    assert all(map(math.isnan, ratio_interval(hits[:0], trials[:0], hits[:0], seed=1)))


def test_every_licence_has_a_group_and_drift_has_a_direction() -> None:
    assert {license_group(licence.id) for licence in catalogue()} == set(LicenseGroup)
    assert set(TIGHTNESS) == set(LicenseGroup) - {LicenseGroup.UNCLEAR}
    assert license_group(None) is None
    assert license_group("no-such-licence") is LicenseGroup.UNCLEAR
    steps = {
        ("mit", "mit"): "same",
        ("mit", None): "dropped",
        (None, "mit"): "gained",
        ("mit", "apache-2.0"): "lateral",
        ("llama2", "apache-2.0"): "looser",
        ("apache-2.0", "cc-by-nc-4.0"): "tighter",
        ("mit", "gpl-3.0"): "tighter",
        ("mit", "no-such-licence"): "unclear",
    }
    assert {pair: drift_direction(*pair) for pair in steps} == steps
    assert MODALITY["text-generation"] == "text"


def test_differences_of_snapshots() -> None:
    before = {
        "a": SnapshotEntry("mit", ()),
        "b": SnapshotEntry("llama2", ("x",)),
        "c": SnapshotEntry(None, ("x",)),
        "gone": SnapshotEntry(None, ()),
    }
    after = {
        "a": SnapshotEntry("mit", ()),
        "b": SnapshotEntry("mit", ("x",)),
        "c": SnapshotEntry(None, ("y", "z")),
        "made": SnapshotEntry(None, ()),
    }
    found = compare_snapshots(before, after)
    assert (found.new, found.vanished) == (["made"], ["gone"])
    assert found.licenses == [{"model": "b", "before": "llama2", "after": "mit", "direction": "looser"}]
    assert found.moved == [{"model": "c", "before": ["x"], "after": ["y", "z"]}]
    assert found.counts() == {"models": [4, 4], "new": 1, "vanished": 1, "licenses": {"looser": 1}, "moved": 1}
    nothing: Any = compare_snapshots(after, after)
    assert nothing.counts() == {"models": [4, 4], "new": 0, "vanished": 0, "licenses": {}, "moved": 0}
