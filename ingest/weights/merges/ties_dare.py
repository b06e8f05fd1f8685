"""TIES and DARE: merges that leave some elements exactly at the base's value, and add up sparse task vectors elsewhere.

Where only one parent's task vector is left, the child's own is a fixed multiple of it: ratios of the two pile up at the
scale, which names parents and scale; then every element that changed has to be the base plus a sum (DARE) or a mean
(TIES) of some of the parents' task vectors, up to the rounding of the stored type, or half a step of a grid.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from atlas_db.core.arrays import Doubles, Floats
from ingest.weights.formats.open_model import RUN
from ingest.weights.merges.merge import LEAST_KEPT, Merge, MergeProblem, max_rounding_error
from ingest.weights.pairwise.quantization_grid import step_noise
from ingest.weights.samples.aligned_samples import Vectors, counted

EXPLAINED = 0.95
"""Share of the telling elements that has to be explained: of true merges .98 and more are, of others up to .88."""
LEAST = 0.9
"""Share of all changed elements that has to be; where a grid is coarse, luck explains what tells."""
BASES, LIKELY, MOST_PARENTS = 4, 5, 4
"""Bases that are tried, models that the first parents are looked for among, and parents at most."""
SEARCHED = 8192
"""Changed elements that the search looks at; what it finds is asked of all."""
SPIKE, SPIKES = 0.02, 3
"""Least share of the elements with a ratio that a spike stands out by, and spikes of a parent that may be the scale."""
RATIOS, HEAP = 50, 12
"""Elements with a ratio that there have to be, and of them in a spike, beyond its surroundings."""
MORE, LEFT, WORTH = 0.02, 0.25, 0.002
"""A parent more explains so much more, or leaves so much of what was left, and so much less of all elements."""
MIXED = 0.03
"""Share of elements that mix several parents: at scale 1 a parent's own values explain a common ancestor, too."""


def find_ties_dare(view: MergeProblem, child: int, others: Sequence[int], noise: Floats) -> Merge | None:
    """Return the best explanation of a model as TIES or DARE, or None.

    Args:
        view: The family.
        child: Row of the model.
        others: Rows of possible parents.
        noise: Variance that storing the child added to each element, shape (p, 32).
    """
    best: Merge | None = None
    slack = max_rounding_error(noise).reshape(-1).astype(np.float64)
    for base in _candidate_bases(view, child, others):
        found = _explain_from_base(view.vectors, child, others, base, slack)
        if found is not None and (best is None or found.explained > best.explained):
            best = found
    return best if best is not None and best.explained > EXPLAINED and best.residual < 1 - LEAST else None


def _candidate_bases(view: MergeProblem, child: int, others: Sequence[int]) -> list[int]:
    """Return models whose values the child keeps in part of nearly every tensor, the most kept first.

    At scale one it keeps parents' values as well as the base's.
    """
    others = [row for row in others if view.is_possible_base[child, row]]
    if not others:
        return []
    some, slack = (
        view.search_vectors,
        max_rounding_error(step_noise(view.search_vectors, child, view.quantization[child])),
    )
    kept = counted(np.abs(some.values[child] - some.values[others]) <= slack)
    shares, _ = some.by_tensor(kept / RUN)
    in_part = ((shares > LEAST_KEPT) & (shares < 0.97)).mean(1) > 0.7
    found = [(float(shares[at].mean()), others[int(at)]) for at in np.flatnonzero(in_part)]
    return [row for _, row in sorted(found, reverse=True)[:BASES]]


def _explain_from_base(vectors: Vectors, child: int, others: Sequence[int], base: int, slack: Doubles) -> Merge | None:
    """Return the best explanation of what a model changed since a base: the likeliest parents, then any one more."""
    origin = vectors.flat[base].astype(np.float64)
    moved = vectors.flat[child] - origin
    changed = np.flatnonzero(np.abs(moved) > slack)
    some = changed[:: max(1, len(changed) // SEARCHED)]
    ours, room = moved[some], slack[some]
    spikes, deltas = dict[int, list[tuple[float, float]]](), dict[int, Doubles]()
    for row in others:
        if row != base:
            delta = vectors.flat[row] - origin
            spikes[row], deltas[row] = _ratio_peaks(moved[changed], delta[changed], slack[changed]), delta[some]
    likely = sorted((row for row in spikes if spikes[row]), key=lambda row: -spikes[row][0][1])[:LIKELY]
    tried = [
        Merge(rows, (scale,) * len(rows), base, method, 1.0, 0.0)
        for size in (2, 3)
        for rows in combinations(likely, size)
        for scale in sorted({round(ratio, 3) for row in rows for ratio, _ in spikes[row]})
        for method in ("ties", "dare")
    ]
    best = _best_explanation(tried, None, deltas, ours, room)
    while best is not None and len(best.parents) < MOST_PARENTS:
        scale, rows = best.weights[0], best.parents
        wider = [
            best._replace(parents=(*rows, row), weights=(scale,) * (len(rows) + 1)) for row in deltas if row not in rows
        ]
        more = _best_explanation(wider, best, deltas, ours, room)
        if more is best:
            break
        best = more
    if best is None:
        return None
    whole = [vectors.flat[row][changed] - origin[changed] for row in best.parents]
    share, every = _explained_shares(moved[changed], whole, best.weights[0], best.method, slack[changed])
    return best._replace(residual=1 - every, explained=share)


def _best_explanation(
    tried: Sequence[Merge], best: Merge | None, deltas: Mapping[int, Doubles], moved: Doubles, slack: Doubles
) -> Merge | None:
    """Return what explains most, with the share that it does and what it leaves; where that is little, the best fit."""
    for merge in tried:
        share, every = _explained_shares(
            moved, [deltas[row] for row in merge.parents], merge.weights[0], merge.method, slack
        )
        known, left = (best.explained, best.residual) if best is not None else (0.0, 1.0)
        wider = best is not None and len(merge.parents) > len(best.parents)
        most = min(LEFT * left, left - WORTH) if wider else left
        if share > known + MORE or (share > known - MORE and 1 - every < most):
            best = merge._replace(explained=share, residual=1 - every)
    return best


def _ratio_peaks(moved: Doubles, delta: Doubles, slack: Doubles) -> list[tuple[float, float]]:
    """Return the ratios that most elements share, and how far the share of each exceeds that of its surroundings.

    The first need not be the scale: where parents are made of each other, most elements mix them.
    """
    usable = (np.abs(delta) > 12 * slack) & (moved * delta > 0)
    if usable.sum() < RATIOS:
        return []
    logs = np.log(moved[usable] / delta[usable])
    logs = logs[np.abs(logs) < 2]
    error = float(np.median(slack[usable] / np.abs(delta[usable])))
    width = max(0.004, 2 * error)
    counts, edges = np.histogram(logs, bins=max(8, int(4 / width)), range=(-2, 2))
    pairs = counts[:-1] + counts[1:]
    found = []
    for _ in range(SPIKES):
        top = int(np.argmax(pairs))
        beyond = float(pairs[top] - np.median(pairs[max(0, top - 12) : top + 13]))
        if beyond <= max(SPIKE * len(logs), HEAP):
            break
        inside = logs[(logs >= edges[top]) & (logs <= edges[top + 2])]
        found.append((float(np.exp(np.median(inside))), beyond / len(logs)))
        pairs[max(0, top - 1) : top + 2] = 0
    return found


def _explained_shares(
    moved: Doubles, deltas: Sequence[Doubles], scale: float, method: str, slack: Doubles
) -> tuple[float, float]:
    """Share of elements that equal a sum (DARE) or mean (TIES) of some task vectors, scaled.

    Returns:
        Of those that hardly any of these would equal by luck, 0 where hardly any needs several parents; and of all.
    """
    hit, mixed = np.zeros((2, len(moved)), bool)
    chance = np.zeros(len(moved))
    for size in range(1, len(deltas) + 1):
        for part in combinations(deltas, size):
            total = np.sum(part, 0) * scale / (size if method == "ties" else 1)
            width = 1.5 * slack + 0.004 * np.abs(total)
            here = np.abs(moved - total) <= width
            mixed |= here & ~hit
            hit |= here
            if size == 1:
                mixed[:] = False
            chance += width
    real = chance < 0.3 * (np.abs(moved) + 1e-12)
    if real.sum() <= RATIOS or float(mixed[real].mean()) < MIXED:
        return 0.0, 0.0
    return float(hit[real].mean()), float(hit.mean())
