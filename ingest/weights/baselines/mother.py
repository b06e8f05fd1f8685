"""MoTHer (arXiv 2405.18432), equation by equation, as a baseline of the chart.

It recovers trees of models of one architecture. It needs full weights, the training stage of each model, and the number
of trees. Weights are dictionaries of matrices by layer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from atlas_db.core.arrays import Doubles, Flags, Floats, Integers
from ingest.weights.fingerprints.fingerprint import kurtosis
from ingest.weights.parameters.baseline_parameters import BASELINE

Layers = Mapping[str, Floats]
Stage = Literal["generalise", "specialise"]


def weight_distance(first: Layers, second: Layers) -> float:
    """Return the mean over layers of the Euclidean distance of two models' weights (equation 1)."""
    return float(np.mean([np.linalg.norm(first[name] - second[name]) for name in first]))


def min_max_normalised(models: Sequence[Layers]) -> list[dict[str, Floats]]:
    """Return weights scaled to 0..1, layer by layer, by minimum and maximum over all models (section 6)."""
    lowest = {name: min(float(model[name].min()) for model in models) for name in models[0]}
    span = {name: max(float(model[name].max()) for model in models) - lowest[name] for name in models[0]}
    return [{name: (model[name] - lowest[name]) / max(span[name], 1e-30) for name in model} for model in models]


def lora_distance(first: Layers, second: Layers, threshold: float = BASELINE.rank_threshold) -> float:
    """Return the mean over layers of the rank of the difference of two models' weights (equation 2).

    Args:
        first: Matrices of one model.
        second: Matrices of the other.
        threshold: Singular values below this part of the largest are counted as zero.
    """
    ranks = []
    for name in first:
        values = np.linalg.svd(first[name] - second[name], compute_uv=False)
        ranks.append(int((values > threshold * max(float(values[0]), 1e-30)).sum()) if values[0] > 0 else 0)
    return float(np.mean(ranks))


def directional_score(layers: Layers) -> float:
    """Return the sum over layers of the kurtosis of the weights (equation 3)."""
    return sum(kurtosis(values.astype(np.float64)) for values in layers.values())


def direction_matrix(scores: Sequence[float]) -> Flags:
    """Return where a model's score exceeds another's, shape (n, n), parents first (equation 4)."""
    column = np.array(scores)
    return np.asarray(column[:, None] > column[None])


def stage_matrix(stages: Sequence[Stage]) -> Flags:
    """Return where the child is of the stage generalise, which reverses the order, shape (n, n) (equation 5)."""
    generalised = np.array([stage == "generalise" for stage in stages])
    return np.asarray(np.broadcast_to(generalised[None], (len(stages), len(stages))))


def cost_matrix(
    distance: Doubles, direction: Flags, stage: Flags, penalty: float = BASELINE.direction_penalty
) -> Doubles:
    """Return the cost matrix C = D + λ · ¬(K ⊕ T), λ = c · mean(D), shape (n, n) (equation 6).

    Entry (i, j) is the cost of the edge from parent i to child j. There is no penalty where i has the higher
    score and j is of the stage specialise. Nor is there where i has the lower score and j is of the stage generalise.

    Args:
        distance: D, shape (n, n).
        direction: K, shape (n, n).
        stage: T, shape (n, n).
        penalty: c.
    """
    agrees = np.logical_xor(direction, stage)
    return np.asarray(distance + penalty * float(distance.mean()) * ~agrees)


def clusters(distance: Doubles, count: int) -> Integers:
    """Return labels of single-linkage clustering with `count` clusters, shape (n,) (the paper's clustering step)."""
    labels = np.arange(len(distance))
    first, second = np.triu_indices(len(distance), 1)
    for place in np.argsort(distance[first, second], kind="stable"):
        if len(set(labels.tolist())) <= count:
            break
        labels[labels == labels[second[place]]] = labels[first[place]]
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)


def minimum_arborescence(cost: Doubles) -> list[int]:
    """Return each node's parent in the cheapest tree over all roots, -1 for the root (Chu and Liu 1965, Edmonds 1967).

    Args:
        cost: Entry (i, j) is the cost of the edge from i to j; the diagonal is ignored.
    """
    count = len(cost)
    high = float(np.abs(cost[~np.eye(count, dtype=bool)]).sum()) + 1.0 if count > 1 else 1.0
    with_root = np.full((count + 1, count + 1), np.inf)
    with_root[:count, :count] = cost
    np.fill_diagonal(with_root, np.inf)
    with_root[count, :count] = high
    parents = _edmonds(with_root, count)
    return [-1 if parent == count else parent for parent in parents[:count]]


def _edmonds(cost: Doubles, root: int) -> list[int]:
    """Return each node's parent in the minimum arborescence from a root, by contraction of cycles, O(n³)."""
    count = len(cost)
    best = [root if node == root else int(np.argmin(cost[:, node])) for node in range(count)]
    cycle = _find_cycle(best, root)
    if not cycle:
        return best
    in_cycle = set(cycle)
    outside = [node for node in range(count) if node not in in_cycle]
    place = {node: index for index, node in enumerate(outside)}
    size = len(outside) + 1
    shrunk = np.full((size, size), np.inf)
    shrunk[:-1, :-1] = cost[np.ix_(outside, outside)]
    loop = cost[[best[node] for node in cycle], cycle]
    incoming = cost[np.ix_(outside, cycle)] - loop[None]
    entered = np.argmin(incoming, axis=1)
    shrunk[:-1, -1] = incoming[np.arange(len(outside)), entered]
    outgoing = cost[np.ix_(cycle, outside)]
    left = np.argmin(outgoing, axis=0)
    shrunk[-1, :-1] = outgoing[left, np.arange(len(outside))]
    solved = _edmonds(shrunk, place[root])
    parents = list(best)
    for index, node in enumerate(outside):
        parents[node] = cycle[left[index]] if solved[index] == size - 1 else outside[solved[index]]
    source = solved[-1]
    parents[cycle[entered[source]]] = outside[source]
    return parents


def _find_cycle(parents: Sequence[int], root: int) -> list[int]:
    seen = {root: root}
    for start in range(len(parents)):
        node, path = start, []
        while node not in seen:
            seen[node] = start
            path.append(node)
            node = parents[node]
        if node != root and seen[node] == start and node in path:
            return path[path.index(node) :]
    return []


def recover_forest(
    models: Sequence[Layers], stages: Sequence[Stage], trees: int, *, lora: bool = False,
    penalty: float = BASELINE.direction_penalty, distance_weights: Sequence[Layers] | None = None,
) -> list[int]:  # fmt: skip
    """Return the parents of models, -1 for roots, by the whole method.

    Args:
        models: Matrices of each, all of one architecture.
        stages: Training stage of each: the method needs it as an input.
        trees: Number of trees: the method needs it as an input.
        lora: Whether the distance is the rank (equation 2) instead of the length (equation 1).
        penalty: c of λ = c · mean(D).
        distance_weights: Weights that distances are computed from, where others (`min_max_normalised`).
    """
    seen = models if distance_weights is None else distance_weights
    measure = lora_distance if lora else weight_distance
    count = len(models)
    distance = np.zeros((count, count))
    for first in range(count):
        for second in range(first + 1, count):
            distance[first, second] = distance[second, first] = measure(seen[first], seen[second])
    scores = [directional_score(model) for model in models]
    labels, parents = clusters(distance, trees), [-1] * count
    for label in range(int(labels.max()) + 1):
        rows = np.flatnonzero(labels == label)
        part = np.ix_(rows, rows)
        direction = direction_matrix([scores[int(row)] for row in rows])
        cost = cost_matrix(distance[part], direction, stage_matrix([stages[int(row)] for row in rows]), penalty)
        for row, parent in zip(rows, minimum_arborescence(cost), strict=True):
            parents[row] = -1 if parent < 0 else int(rows[parent])
    return parents
