"""Families (Laufer 2025, section 4 and figure 1): tree sizes, sub-trees, depth, width, degree laws, merges."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
from scipy import sparse

from atlas_db.analysis.frames import AtlasFrames
from atlas_db.analysis.tables import AnalysisTable
from atlas_db.core.arrays import Integers
from atlas_db.core.terms import Relation

SIZE_BUCKETS = (1, 2, 3, 4, 5, 10, 100, 1000, 10_000)
MIN_TAIL_VALUES = 50
"""Values in the tail of a power law, at least; with fewer none is fitted."""


def families(atlas: AtlasFrames, *, top: int = 50) -> list[AnalysisTable]:
    """Return tables of families: the largest, sizes, sub-trees, generations, power laws, merges."""
    largest = largest_families(atlas, top)
    return [
        AnalysisTable(
            "families",
            "Largest families",
            "Laufer 2025, figure 1: a root and all its descendants; each model under its most probable parent. "
            "Depth: generations below the root. Width: models in the broadest generation",
            largest,
        ),
        AnalysisTable("family_sizes", "Families by size", "Laufer 2025, section 4: models a tree", _sizes(atlas)),
        AnalysisTable(
            "subtrees",
            "Sub-trees of 2, 3 and 4 models",
            "Laufer 2025, figure 5 (B, C, D): counted in closed form from degrees, over all declared or inferred edges",
            subtrees(atlas),
        ),
        AnalysisTable(
            "generations", "Models by generation", "Steps to the root, by the most probable parent", _generations(atlas)
        ),
        AnalysisTable(
            "laws",
            "Laws of size and degree",
            "Discrete power law by maximum likelihood, its start by the smallest Kolmogorov-Smirnov distance "
            "(Clauset, Shalizi & Newman 2009, equations 3.7 and 3.9)",
            _laws(atlas),
        ),
        AnalysisTable(
            "merges", "Merges, in and out", "Edges of relation merge: parents a child, merges a parent", merges(atlas)
        ),
    ]


def largest_families(atlas: AtlasFrames, top: int) -> pd.DataFrame:
    """Return the largest families: models, depth, width, leaves, and edges by relation."""
    forest, graph = atlas.forest, atlas.graph
    heads = forest.largest(top)
    deepest = np.zeros(len(graph), np.int64)
    np.maximum.at(deepest, forest.root, forest.depth)
    broadest = _widths(atlas)
    leaf = np.bincount(forest.parent[forest.parent >= 0], minlength=len(graph)) == 0
    leaves = np.bincount(forest.root, leaf, minlength=len(graph)).astype(int)
    kinds = atlas.edges[atlas.edges["active"]]
    relation = pd.crosstab(forest.root[kinds["child"].to_numpy()], kinds["relation"].to_numpy())
    frame = pd.DataFrame(
        {
            "root": [graph.ids[row] for row in heads],
            "models": forest.size[heads],
            "depth": deepest[heads],
            "width": broadest[heads],
            "leaves": leaves[heads],
        }
    )
    for kind in Relation:
        column = relation[kind.value] if kind.value in relation else pd.Series(dtype=int)
        frame[kind.value] = column.reindex(heads, fill_value=0).to_numpy()
    return frame


def _widths(atlas: AtlasFrames) -> Integers:
    """Return the models in the largest generation of each root's family, shape (n,)."""
    forest = atlas.forest
    span = int(forest.depth.max()) + 1
    keys, numbers = np.unique(forest.root * span + forest.depth, return_counts=True)
    out = np.zeros(len(forest.root), np.int64)
    np.maximum.at(out, keys // span, numbers)
    return out


def _sizes(atlas: AtlasFrames) -> pd.DataFrame:
    forest = atlas.forest
    sizes = forest.size[forest.parent < 0]
    edges = [*SIZE_BUCKETS, int(max(sizes.max(), SIZE_BUCKETS[-1])) + 1]
    rows = []
    for low, high in pairwise(edges):
        inside = sizes[(sizes >= low) & (sizes < high)]
        rows.append((low, high - 1, len(inside), int(inside.sum())))
    frame = pd.DataFrame(rows, columns=["from", "to", "families", "models"])
    frame["share_of_models"] = frame["models"] / frame["models"].sum()
    return frame


def _generations(atlas: AtlasFrames) -> pd.DataFrame:
    forest = atlas.forest
    linked = forest.linked
    return pd.DataFrame(
        {
            "generation": np.arange(forest.depth.max() + 1),
            "models": np.bincount(forest.depth[linked], minlength=forest.depth.max() + 1),
        }
    )


def subtrees(atlas: AtlasFrames) -> pd.DataFrame:
    """Return the number of sub-trees of two, three and four models, by shape."""
    edges = atlas.edges[atlas.edges["active"]]
    child, parent = edges["child"].to_numpy(), edges["parent"].to_numpy()
    out = np.bincount(parent, minlength=len(atlas.graph)).astype(object)
    below = np.zeros(len(atlas.graph), object)
    np.add.at(below, parent, out[child])
    steps = sparse.csr_array((np.ones(len(edges), np.int64), (parent, child)), shape=(len(out), len(out)))
    # A grandchild that is also a child would be counted as two models.
    triangles = int((steps @ steps).multiply(steps).sum())
    shapes = [
        (2, "parent and child", len(edges)),
        (3, "three generations", int(out[child].sum())),
        (3, "parent and two children", int((out * (out - 1) // 2).sum())),
        (4, "four generations", int(below[child].sum())),
        (4, "parent and three children", int((out * (out - 1) * (out - 2) // 6).sum())),
        (4, "parent, two children, one grandchild", int((out[child] * (out[parent] - 1)).sum()) - triangles),
        (4, "parent, child, two grandchildren", int((out[child] * (out[child] - 1) // 2).sum())),
    ]
    return pd.DataFrame(shapes, columns=["models", "shape", "subtrees"])


def _laws(atlas: AtlasFrames) -> pd.DataFrame:
    forest = atlas.forest
    active = atlas.edges[atlas.edges["active"]]
    children = np.bincount(active["parent"], minlength=len(atlas.graph))
    parents = np.bincount(active["child"], minlength=len(atlas.graph))
    owned = atlas.graph.author[atlas.recorded & (atlas.graph.author >= 0)]
    rows = []
    for name, values in (
        ("models a family", forest.size[forest.parent < 0]),
        ("children a model", children),
        ("parents a model", parents),
        ("models an author", np.bincount(owned)),
    ):
        exponent, start, distance, tail = power_law(values)
        rows.append((name, exponent, start, tail, distance, int(values.max(initial=0))))
    return pd.DataFrame(rows, columns=["what", "exponent", "from", "values", "ks_distance", "greatest"])


def power_law(values: Integers) -> tuple[float, int, float, int]:
    """Fit a discrete power law by maximum likelihood (Clauset, Shalizi & Newman 2009, equations 3.7 and 3.9).

    The exponent is 1 + n / sum(ln(x / (x_min - 1/2))). `x_min` is the one with the smallest distance.

    Args:
        values: Counts, shape (n,); those below one are ignored.

    Returns:
        Exponent, `x_min`, Kolmogorov-Smirnov distance, number of values at or above `x_min`. Exponent and distance
        are NaN where there are too few values.
    """
    kept = np.sort(values[values >= 1]).astype(np.float64)
    if len(kept) < MIN_TAIL_VALUES:
        return (np.nan, 0, np.nan, len(kept))
    best = (np.nan, 0, np.inf, 0)
    for start in np.unique(kept)[:100]:
        tail = kept[np.searchsorted(kept, start) :]
        if len(tail) < MIN_TAIL_VALUES or tail[-1] == start:
            break
        exponent = 1 + len(tail) / np.log(tail / (start - 0.5)).sum()
        seen = np.unique(tail)
        above = 1 - np.searchsorted(tail, seen) / len(tail)
        law = ((seen - 0.5) / (start - 0.5)) ** (1 - exponent)
        distance = float(np.abs(above - law).max())
        if distance < best[2]:
            best = (float(exponent), int(start), distance, len(tail))
    return best


def merges(atlas: AtlasFrames) -> pd.DataFrame:
    """Return the distribution of parents per merge, and of merges per parent."""
    merged = atlas.edges[atlas.edges["active"] & (atlas.edges["relation"] == Relation.MERGE)]
    rows: list[tuple[str, int, int]] = []
    for name, end in (("parents of a merge", "child"), ("merges of a parent", "parent")):
        rows += [(name, int(number), int(models)) for number, models in _spread(merged[end].to_numpy())]
    return pd.DataFrame(rows, columns=["what", "number", "models"])


def _spread(rows: Integers) -> Integers:
    _, numbers = np.unique(rows, return_counts=True)
    return np.stack(np.unique(numbers, return_counts=True), axis=1)
