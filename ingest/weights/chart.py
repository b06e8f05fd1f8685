"""From fingerprints to a chart: for every model its parents, the relation, how sure, and on what evidence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from atlas_db.terms import Relation
from ingest.weights.attach import attach
from ingest.weights.cluster import LINKED, SAME_WORDS, components, groups, linked
from ingest.weights.copies import LEAST, Copy, explain, own_grid, step_noise
from ingest.weights.direction import directions
from ingest.weights.edges import Edge, known_date
from ingest.weights.family import Doubles, Vectors, align, cosines, distances
from ingest.weights.fingerprint import Fingerprint, Sample
from ingest.weights.merges import Merge, find_merge
from ingest.weights.names import is_vocabulary
from ingest.weights.odds import Odds, load_odds
from ingest.weights.reread import Rereader
from ingest.weights.tree import Choice, Tree

Progress = Callable[[str, int, int], None]
SWEEPS = 3
SURE, EITHER = 0.99, 0.5
"""Confidence of a duplicate whose dates say which came first, and of one where nothing does."""
NEAREST = 8
"""Models that a possible copy is compared with."""
WIDTH = {"F64": 64, "F32": 32, "BF16": 16, "F16": 16, "F8_E4M3": 8, "F8_E5M2": 8}
RESIZED_PENALTY = 4.0
"""Log-odds against a parent with another number of elements: only a resized vocabulary explains it."""
LATER_PENALTY = 3.5
"""Log-odds against a parent dated after its child: 3 % of dates are wrong in generated families, 0.3 % on the Hub."""


@dataclass(slots=True)
class Family:
    """One component while it is charted. Rows are rows of `vectors`.

    Attributes:
        prints: Fingerprint of each row.
        vectors: Samples side by side.
        squared: Squared distances.
        alike: Cosines.
        older: Log-odds that each row came before each other, by weights and dates.
        dates: Date of each row, or empty.
        odds: Fitted weights.
        original: Row that each row is an exact copy of; itself where it is none.
        grid: Grid that a row's values lie on, or empty.
        copies: What a row is a copy of, and how.
        merges: What a row is merged of.
        frames: Name of the permutation that was undone in each row; empty where there was none.
    """

    prints: list[Fingerprint]
    vectors: Vectors
    squared: Doubles
    alike: Doubles
    dates: list[str]
    odds: Odds
    older: Doubles = field(default_factory=lambda: np.empty((0, 0)))
    original: list[int] = field(default_factory=list)
    grid: list[str] = field(default_factory=list)
    copies: dict[int, tuple[int, Copy]] = field(default_factory=dict)
    merges: dict[int, Merge] = field(default_factory=dict)
    frames: list[str] = field(default_factory=list)


def chart(
    prints: Sequence[Fingerprint], read: Rereader | None = None, *, time: bool = True, declared: bool = False,
    progress: Progress = lambda stage, done, total: None,
) -> list[Edge]:  # fmt: skip
    """Chart models.

    Args:
        prints: Fingerprints; the chart does not depend on their order.
        read: Looks at the weights again; without it the fingerprints alone speak.
        time: Whether dates count as evidence.
        declared: Whether the base that an adapter names is believed.
        progress: Told of stage, models done and total.

    Returns:
        Edges by child and parent.
    """
    prints = sorted(prints, key=lambda item: item.id)
    edges: list[Edge] = []
    done = 0
    for group in groups(prints):
        alike = linked([prints[place] for place in group])
        for part in components(alike):
            if len(part) > 1:
                edges += chart_family([prints[group[place]] for place in part], read, time=time)
            done += len(part)
            progress("Charting", done, len(prints))
    if read is not None:
        edges += attach(prints, edges, time=time, declared=declared)
    progress("Charting", len(prints), len(prints))
    return sorted(edges, key=lambda edge: (edge.child, edge.parent))


def chart_family(prints: Sequence[Fingerprint], read: Rereader | None = None, *, time: bool = True) -> list[Edge]:
    """Chart the models of one component."""
    family = _assemble(prints, read, time=time)
    _copies(family)
    _merges(family)
    return _edges(family, _grow(family))


def _assemble(prints: Sequence[Fingerprint], read: Rereader | None, *, time: bool) -> Family:
    samples: list[Sample | None] = [read.sample(item) for item in prints] if read else [None] * len(prints)
    close = all(sample is not None for sample in samples)
    used = [sample if close and sample else item.sample for sample, item in zip(samples, prints, strict=True)]
    frames = [""] * len(prints)
    if read is not None and close:
        _realign(prints, used, frames, read)
    vectors = align(used, [item.dtype for item in prints])
    kept = [prints[place] for place in vectors.members]
    dates = [known_date(item.created_at) if time else "" for item in kept]
    family = Family(kept, vectors, distances(vectors), cosines(vectors), dates, load_odds(close))
    family.frames = [frames[place] for place in vectors.members]
    family.older = _older(family)
    return family


def _realign(prints: Sequence[Fingerprint], samples: list[Sample], frames: list[str], read: Rereader) -> None:
    """Put the units of models that agree with the rest in the vocabulary alone back in order."""
    vectors = align(samples, [item.dtype for item in prints])
    if len(vectors.members) < 2:
        return
    words = [name for name in vectors.names if is_vocabulary(name)]
    body = cosines(vectors, [name for name in vectors.names if not is_vocabulary(name)])
    vocabulary = cosines(vectors, words) if words else np.zeros_like(body)
    middle = int(np.argmax(np.maximum(body, 0).sum(1)))
    for row, place in enumerate(vectors.members):
        if vocabulary[row, middle] > SAME_WORDS and body[row, middle] < 0.9 * vocabulary[row, middle]:
            found = read.realigned(prints[place], prints[vectors.members[middle]])
            if found is not None:
                samples[place], frames[place] = found


def _copies(family: Family) -> None:
    """Find exact copies, then what is a rounded, quantized or pruned copy of what."""
    vectors, count = family.vectors, len(family.prints)
    classes: dict[bytes, list[int]] = defaultdict(list)
    for row in range(count):
        classes[vectors.values[row].tobytes()].append(row)
    family.original = list(range(count))
    family.grid = [own_grid(vectors, row) for row in range(count)]
    for rows in classes.values():
        first = min(rows, key=lambda row: _age(family, row))
        for row in rows:
            family.original[row] = first
    able = [row for row in range(count) if family.original[row] == row]
    for row in able:
        others = [other for other in able if other != row and not family.grid[other]]
        near = sorted(others, key=lambda other: family.squared[row, other])[:NEAREST]
        found = [(other, explain(vectors, row, other)) for other in near]
        found = [item for item in found if item[1].share >= LEAST and _possible(family, row, *item)]
        if found:
            best = max(copy.share for _, copy in found)
            family.copies[row] = min(
                (item for item in found if item[1].share > best - 0.01),
                key=lambda item: (_zeros(family, item[0]), -round(item[1].share, 3), family.squared[row, item[0]]),
            )


def _zeros(family: Family, row: int) -> float:
    """Share of zeros: of a dense model and a pruned one that both explain a copy, the dense one is its original."""
    return round(float((family.vectors.values[row] == 0).mean()), 2)


def _age(family: Family, row: int) -> tuple[str, int, str, int]:
    """Sorts copies: the oldest first, then the widest type, then units in order."""
    return family.dates[row] or "9", -WIDTH.get(family.prints[row].dtype, 0), family.frames[row], row


def _possible(family: Family, row: int, other: int, copy: Copy) -> bool:
    """A cast is narrower than its original."""
    if copy.kind not in ("cast", "same"):
        return True
    ours, theirs = family.prints[row].dtype, family.prints[other].dtype
    return WIDTH.get(ours, 0) < WIDTH.get(theirs, 0)


def _nodes(family: Family) -> list[int]:
    """Rows that can be parents: originals that are not quantized."""
    return [row for row in range(len(family.prints)) if family.original[row] == row and not _leaf(family, row)]


def _leaf(family: Family, row: int) -> bool:
    copy = family.copies.get(row)
    return bool(family.grid[row]) or (copy is not None and copy[1].kind == "quantized")


def _merges(family: Family) -> None:
    nodes = _nodes(family)
    sources = [row for row in nodes if not (row in family.copies and family.copies[row][1].kind == "cast")]
    lengths = np.square(family.vectors.flat).sum(1)
    quantized = [row for row in range(len(family.prints)) if family.original[row] == row and _leaf(family, row)]
    order = sorted([*nodes, *quantized], key=lambda row: (-float(lengths[row]), row))
    for row in order:
        if row in family.copies:
            continue
        able = [other for other in sources if not _reaches(family, other, row)]
        earlier = [other for other in able if not _later(family, other, row)]
        noise = step_noise(family.vectors, row, family.grid[row])
        found = find_merge(family.vectors, row, earlier, noise, family.squared)
        if found is None and len(earlier) < len(able):
            # A date may be wrong; a combination that leaves nothing over is no accident, but one that subtracts may be
            # the equation of another merge turned round.
            found = find_merge(family.vectors, row, able, noise, family.squared)
            if found is not None and found.method == "task_arithmetic":
                found = None
        if found is not None:
            family.merges[row] = found


def _later(family: Family, row: int, than: int) -> bool:
    return bool(family.dates[row] and family.dates[than] and family.dates[row] > family.dates[than])


def _reaches(family: Family, row: int, goal: int) -> bool:
    """Whether a row is merged of the goal, directly or not."""
    merge = family.merges.get(row)
    if merge is None:
        return False
    parents = [*merge.parents, *([merge.base] if merge.base is not None else [])]
    return goal in parents or any(_reaches(family, parent, goal) for parent in parents)


def _fixed(family: Family, row: int) -> list[int]:
    """Parents that a row is known to have, the nearest first."""
    if row in family.copies:
        return [family.copies[row][0]]
    if row in family.merges:
        return sorted(family.merges[row].parents, key=lambda parent: family.squared[row, parent])
    return []


def _grow(family: Family) -> Tree:
    """Grow the trees of all that can be parents, the oldest first; then look again at each place."""
    nodes = _nodes(family) or [row for row in range(len(family.prints)) if family.original[row] == row]
    tree = Tree(family.vectors, family.squared, family.older, family.odds)
    rank = np.tanh(family.older[np.ix_(nodes, nodes)] / 2).sum(1)
    waiting = [nodes[place] for place in np.argsort(-rank, kind="stable")]
    while waiting:
        ready = next((row for row in waiting if all(p in tree.rows for p in _fixed(family, row))), waiting[0])
        waiting.remove(ready)
        fixed = [parent for parent in _fixed(family, ready) if parent in tree.rows]
        choice = None if fixed else _place(family, tree, ready)
        if choice is not None:
            tree.choices[ready] = choice
        tree.add(ready, fixed[0] if fixed else choice.parent if choice else None)
    for _ in range(SWEEPS):
        if not sum(_again(family, tree, row) for row in list(tree.choices)):
            break
    return tree


def _again(family: Family, tree: Tree, row: int) -> bool:
    """Place a model anew among all that do not come from it; return whether it moved."""
    choice = _place(family, tree, row)
    if choice is None:
        return False
    moved = choice.parent != tree.base.get(row)
    tree.choices[row] = choice
    if moved:
        tree.move(row, choice.parent)
    return moved


def _place(family: Family, tree: Tree, row: int) -> Choice | None:
    """Choose a parent among relatives; of those whose units are in the same order, where there are any."""
    barred = tree.below(row)
    able = [o for o in tree.rows if o != row and o not in barred and family.alike[row, o] > LINKED]
    if family.frames[row]:
        same = [other for other in able if family.frames[row] in _frames(family, other)]
        able = same or able
    against = np.array([family.prints[other].elements != family.prints[row].elements for other in able], float)
    return tree.place(row, able, against * RESIZED_PENALTY)


def _frames(family: Family, row: int) -> set[str]:
    """Orders of units that a model and its exact copies come in."""
    return {family.frames[other] for other, first in enumerate(family.original) if first == row}


def _older(family: Family) -> Doubles:
    """Log-odds that each model came before each other: what the weights say, and what dates say."""
    by_weights = directions(family.vectors, family.squared, family.odds.direction)
    known = np.array([bool(date) for date in family.dates])
    order = np.unique(np.array(family.dates), return_inverse=True)[1]
    by_date = np.sign(order[None] - order[:, None]) * LATER_PENALTY
    return np.asarray(by_weights + np.where(known[:, None] & known[None], by_date, 0.0))


def _edges(family: Family, tree: Tree) -> list[Edge]:
    edges: list[Edge] = []
    ids = [item.id for item in family.prints]
    for row, first in enumerate(family.original):
        if first != row and not _leaf(family, first):
            older = [o for o in range(len(ids)) if family.original[o] == first and _age(family, o) < _age(family, row)]
            parent = min(older, key=lambda o: (family.frames[o] != family.frames[row], _age(family, o)))
            permuted = family.frames[parent] != family.frames[row]
            evidence: dict[str, Any] = {"test": "permuted" if permuted else "duplicate"}
            ordered = bool(family.dates[row] and family.dates[parent] and family.dates[row] != family.dates[parent])
            edges.append(Edge(ids[row], ids[parent], Relation.DUPLICATE, SURE if ordered else EITHER, evidence))
            continue
        source = first
        if source in family.copies:
            parent, copy = family.copies[source]
            relation = {"pruned": Relation.FINETUNE, "same": Relation.DUPLICATE}.get(copy.kind, Relation.QUANTIZED)
            evidence = {
                "test": copy.kind,
                "explained": round(copy.share, 4),
                "grid": copy.grid,
                "zeros": round(copy.zeros, 3),
            }
            edges.append(Edge(ids[row], ids[parent], relation, 0.98, evidence))
        elif source in family.merges:
            edges += _merge_edges(family, row, source)
        else:
            choice = tree.choices.get(source) or (_place(family, tree, source) if source not in tree.rows else None)
            if choice is not None:
                relation = Relation.QUANTIZED if _leaf(family, source) else Relation.FINETUNE
                evidence = {"test": "trace", "carried": round(choice.carried, 2), "distance": round(choice.distance, 4)}
                parent = _in_frame(family, choice.parent, family.frames[row])
                edges.append(Edge(ids[row], ids[parent], relation, choice.probability, evidence))
    return edges


def _in_frame(family: Family, row: int, frame: str) -> int:
    """Return the exact copy of a model whose units are in a given order, or the model."""
    same = [o for o, first in enumerate(family.original) if first == row and family.frames[o] == frame]
    return row if row in same or not same else min(same, key=lambda o: _age(family, o))


def _merge_edges(family: Family, row: int, source: int) -> list[Edge]:
    merge = family.merges[source]
    out = []
    for parent, weight in zip(merge.parents, merge.weights, strict=True):
        evidence: dict[str, Any] = {
            "test": "merge",
            "method": merge.method,
            "weight": round(weight, 4),
            "residual": round(merge.residual, 4),
        }
        if merge.base is not None:
            evidence["base"] = family.prints[merge.base].id
        out.append(Edge(family.prints[row].id, family.prints[parent].id, Relation.MERGE, 0.97, evidence))
    return out
