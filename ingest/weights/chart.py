"""From fingerprints to a chart: for every model its parents, the relation, how sure, and on what evidence."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import as_completed
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from atlas_db.terms import Progress, Relation
from ingest.weights.attach import attach
from ingest.weights.behaviour import behaving
from ingest.weights.casts import from_cast
from ingest.weights.cluster import LINKED, groups, relatives
from ingest.weights.copies import Copy
from ingest.weights.edges import Edge
from ingest.weights.family import Doubles
from ingest.weights.fingerprint import Fingerprint
from ingest.weights.kin import (
    Family,
    age,
    assemble,
    exact_copies,
    find_copies,
    find_merges,
    fixed_parents,
    frames_of,
    is_leaf,
    nodes,
)
from ingest.weights.merges import Merge
from ingest.weights.originals import Originals, originals
from ingest.weights.probes import Probe
from ingest.weights.reread import Rereader
from ingest.weights.tree import Choice, Tree
from ingest.weights.workers import workers

SWEEPS = 3
MANY = 500
"""Models from which families are charted side by side, in processes."""
SURE, EITHER = 0.99, 0.5
"""Confidence of a duplicate whose dates say which came first, and of one where nothing does."""
COPIED, MERGED = 0.98, 0.97
"""Confidence of a copy and of a merge that were found (reliability: README, "Numbers")."""
RESIZED_PENALTY = 4.0
"""Log-odds against a parent with another number of elements: only a resized vocabulary explains it."""
RANK_PENALTY, MOST_RANKS = 1.0, 6
"""Log-odds against a parent for each rank that another one is nearer, and ranks that count (seeds 301 to 404)."""
YOUNGER = 2.0
"""Log-odds of being younger than its own child from which on a parent is tried below it (seeds 407 to 417)."""
CAST_PENALTY = 6.0
"""Most log-odds for a model or its cast, whichever the step between the two speaks against."""
KEPT_PENALTY = 6.0
"""Log-odds against a parent that lacks tensors which another model and the child have alike (seeds 407 to 409)."""


def chart(
    prints: Sequence[Fingerprint], read: Rereader | None = None, *, time: bool = True, declared: bool = False,
    probes: Sequence[Probe] = (), progress: Progress = lambda stage, done, total: None,
) -> list[Edge]:  # fmt: skip
    """Chart models.

    Args:
        prints: Fingerprints; the chart does not depend on their order.
        read: Looks at the weights again; without it the fingerprints alone speak.
        time: Whether dates count as evidence.
        declared: Whether the base that an adapter names is believed.
        probes: What some of the models answered, as further evidence.
        progress: Told of stage, models done and total.

    Returns:
        Edges by child and parent.
    """
    prints = sorted(prints, key=lambda item: item.id)
    edges: list[Edge] = []
    parts = [
        [group[place] for place in part] for group in groups(prints) for part in relatives([prints[at] for at in group])
    ]
    families = sorted((part for part in parts if len(part) > 1), key=len, reverse=True)
    done = len(prints) - sum(map(len, families))
    # Families are many small computations: threads of numerical libraries cost more there than they bring.
    with threadpool_limits(1), workers(many=len(prints) >= MANY and len(families) > 1) as pool:
        work = {
            pool.submit(chart_family, [prints[place] for place in part], read, time=time): len(part)
            for part in families
        }
        for future in as_completed(work):
            edges += future.result()
            done += work[future]
            progress("Charting", done, len(prints))
    if read is not None:
        edges += attach(prints, edges, time=time, declared=declared)
    if probes:
        edges += behaving(prints, edges, probes, time=time)
    progress("Charting", len(prints), len(prints))
    return sorted(edges, key=lambda edge: (edge.child, edge.parent))


def chart_family(prints: Sequence[Fingerprint], read: Rereader | None = None, *, time: bool = True) -> list[Edge]:
    """Chart the models of one component."""
    family = assemble(prints, read, time=time)
    find_copies(family)
    find_merges(family)
    tree = Tree(family.vectors, family.squared, family.older, family.odds, family.merges)
    grow(family, tree)
    return _edges(family, tree)


def grow(family: Family, tree: Tree) -> None:
    """Grow the trees of all that can be parents, the oldest first; then look again at each place."""
    able = nodes(family) or [row for row in range(len(family.prints)) if family.original[row] == row]
    rank = np.tanh(family.older[np.ix_(able, able)] / 2).sum(1)
    waiting = [able[place] for place in np.argsort(-rank, kind="stable")]
    while waiting:
        ready = next((row for row in waiting if all(p in tree.rows for p in fixed_parents(family, row))), waiting[0])
        waiting.remove(ready)
        fixed = [parent for parent in fixed_parents(family, ready) if parent in tree.rows]
        choice = None if fixed else _place(family, tree, ready)
        if choice is not None:
            tree.choices[ready] = choice
        tree.add(ready, fixed[0] if fixed else choice.parent if choice else None)
    for _ in range(SWEEPS):
        moved = [_again(family, tree, row) for row in list(tree.choices)]
        turned = [_turn(family, tree, row) for row in list(tree.choices) if row in tree.choices]
        if not any(moved) and not any(turned):
            break


def _again(family: Family, tree: Tree, row: int) -> bool:
    """Place a model anew among all that do not come from it; return whether it moved."""
    choice = _place(family, tree, row)
    if choice is None:
        return False
    moved = choice.parent != int(tree.bases[row])
    tree.settle(row, choice.parent, choice)
    return moved


def _turn(family: Family, tree: Tree, row: int) -> bool:
    """Try a model above its parent, where that one seems to be the younger; return whether they are likelier so.

    One at a time neither could move: a model is never put below what comes from it.
    """
    parent = tree.choices[row].parent
    if family.older[parent, row] >= -YOUNGER or fixed_parents(family, parent):
        return False
    above = int(tree.bases[parent])
    before = {each: tree.choices[each] for each in (row, parent) if each in tree.choices}
    tree.settle(row, above, None)
    for each in (parent, row) if above >= 0 else (parent,):
        choice = _place(family, tree, each)
        if choice is not None:
            tree.settle(each, choice.parent, choice)
    after = [tree.choices[each] for each in (row, parent) if each in tree.choices]
    # Below a root nothing else was to be had for the model: how likely it seemed there says little.
    asked = _likelihood(before.values()) * (1.0 if above >= 0 else np.exp(-YOUNGER))
    if len(after) == len(before) and _likelihood(after) > asked:
        return True
    tree.settle(row, -1, None)
    tree.settle(parent, above, before.get(parent))
    tree.settle(row, parent, before[row])
    return False


def _likelihood(choices: Iterable[Choice]) -> float:
    return float(np.prod([choice.probability for choice in choices]))


def _place(family: Family, tree: Tree, row: int) -> Choice | None:
    """Choose a parent among relatives; of those whose units are in the same order, where there are any."""
    barred = tree.below(row)
    able = [o for o in tree.rows if o != row and o not in barred and family.alike[row, o] > LINKED]
    if family.frames[row]:
        same = [other for other in able if family.frames[row] in frames_of(family, other)]
        able = same or able
    if not able:
        return None
    resized = np.array([family.prints[other].elements != family.prints[row].elements for other in able], float)
    against = resized * RESIZED_PENALTY + _against_by_rank(family, row, able) + _against_by_kept(family, row, able)
    return tree.place(row, able, against + _against_by_cast(family, row, able))


def _against_by_rank(family: Family, row: int, able: Sequence[int]) -> Doubles:
    """Log-odds against models further than the least rank, as far as the one of the least rank came before, shape (n,).

    Two models that differ by a low rank are parent and child, whoever is which.
    """
    ranks, out = np.full(len(able), np.nan), np.zeros(len(able))
    for place in np.flatnonzero(family.close[row, able]).tolist():
        ranks[place] = family.rank(row, able[place])
    low = ~np.isnan(ranks)
    if low.any():
        nearest = np.flatnonzero(low)[np.argmin(ranks[low])]
        out[low] = np.minimum(ranks[low] - ranks[nearest], MOST_RANKS) * RANK_PENALTY
        out[~low] = MOST_RANKS * RANK_PENALTY
        out *= _came_before(family, able[nearest], row)
    return out


def _against_by_kept(family: Family, row: int, able: Sequence[int]) -> Doubles:
    """Log-odds against models that lack tensors which another has like the child, as far as that one came before it."""
    kept = family.kept[row, able]
    most = able[int(np.argmax(kept))]
    return np.asarray((kept < kept.max()) * KEPT_PENALTY * _came_before(family, most, row))


def _against_by_cast(family: Family, row: int, able: Sequence[int]) -> Doubles:
    """Log-odds against casts whose step the model has not made, and against models whose cast's step it has."""
    out, place = np.zeros(len(able)), {other: at for at, other in enumerate(able)}
    for other, at in place.items():
        original, copy = family.copies.get(other, (-1, None))
        if copy is not None and copy.kind == "cast" and original in place:
            odds = min(max(from_cast(family.vectors, row, original, other), -CAST_PENALTY), CAST_PENALTY)
            out[at] = max(out[at], -odds)
            out[place[original]] = max(out[place[original]], odds)
    return out


def _came_before(family: Family, first: int, then: int) -> float:
    """Probability that one model came before another."""
    return _chance(float(family.older[first, then]))


def _chance(odds: float) -> float:
    """Probability of what has some log-odds."""
    return float(1 / (1 + np.exp(-np.clip(odds, -20, 20))))


def _edges(family: Family, tree: Tree) -> list[Edge]:
    edges: list[Edge] = []
    known = originals(family, tree)
    for row, first in enumerate(family.original):
        if row != known.of[first] and not is_leaf(family, first):
            edges.append(_duplicate(family, row, known))
        elif first in family.copies:
            parent, copy = family.copies[first]
            edges.append(_copied(family, row, known.of[parent], copy))
        elif first in family.merges:
            edges += _merge_edges(family, row, family.merges[first], known)
        else:
            choice = tree.choices.get(first) or (_place(family, tree, first) if first not in tree.rows else None)
            if choice is not None:
                edges.append(_trained(family, row, choice, known))
    return edges


def _duplicate(family: Family, row: int, known: Originals) -> Edge:
    original = known.of[family.original[row]]
    older = [other for other in exact_copies(family, row) if other == original or age(family, other) < age(family, row)]
    parent = min(older, key=lambda o: (family.frames[o] != family.frames[row], o != original, age(family, o)))
    test = "permuted" if family.frames[parent] != family.frames[row] else "duplicate"
    dates = {family.dates[row], family.dates[parent]}
    sure = SURE if len(dates) == 2 and "" not in dates else EITHER
    if parent == original:
        sure = min(SURE, _chance(known.against[row] - known.against[original]))
    return Edge(family.prints[row].id, family.prints[parent].id, Relation.DUPLICATE, sure, {"test": test})


def _copied(family: Family, row: int, parent: int, copy: Copy) -> Edge:
    relation = {"pruned": Relation.FINETUNE, "same": Relation.DUPLICATE}.get(copy.kind, Relation.QUANTIZED)
    evidence: dict[str, Any] = {"test": copy.kind, "explained": round(copy.share, 4)}
    if copy.grid:
        evidence["grid"] = copy.grid
    if copy.kind == "pruned":
        evidence["zeros"] = round(copy.zeros, 3)
    return Edge(family.prints[row].id, family.prints[parent].id, relation, COPIED, evidence)


def _trained(family: Family, row: int, choice: Choice, known: Originals) -> Edge:
    relation = Relation.QUANTIZED if is_leaf(family, family.original[row]) else Relation.FINETUNE

    def told(other: int) -> int:
        return _in_frame(family, known.of[other], family.frames[row])

    parent = told(choice.parent)
    evidence: dict[str, Any] = {"test": "trace", "carried": round(choice.carried, 2)}
    evidence["distance"] = round(choice.distance, 4)
    if choice.others:
        evidence["others"] = {family.prints[told(other)].id: round(chance, 3) for other, chance in choice.others}
    return Edge(family.prints[row].id, family.prints[parent].id, relation, choice.probability, evidence)


def _in_frame(family: Family, row: int, frame: str) -> int:
    """Return the exact copy of a model whose units are in a given order, or the model."""
    same = [other for other in exact_copies(family, row) if family.frames[other] == frame]
    return row if row in same or not same else min(same, key=lambda o: age(family, o))


def _merge_edges(family: Family, row: int, merge: Merge, known: Originals) -> list[Edge]:
    out = []
    for parent, weight in zip(merge.parents, merge.weights, strict=True):
        evidence: dict[str, Any] = {"test": "merge", "method": merge.method, "weight": round(weight, 4)}
        evidence["residual"] = round(merge.residual, 4)
        if merge.base is not None:
            evidence["base"] = family.prints[known.of[merge.base]].id
        out.append(Edge(family.prints[row].id, family.prints[known.of[parent]].id, Relation.MERGE, MERGED, evidence))
    return out
