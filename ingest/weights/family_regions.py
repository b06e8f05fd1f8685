"""Regions of a large family: each is charted by itself, so that the work grows with the number of models.

The exact search compares every model with every other. In a large family a model's parent, and what tells it from a
sibling, are among the models nearest to it. So the family is cut along the minimum spanning tree over nearest
neighbours (Kruskal 1956) into connected parts of bounded size. Each part is charted together with its context: the
models above it, and those near to its models. A family up to `REGION.max_whole` is one region, so its chart is that of
the exact search.

Regions decide by themselves which of two models came first. So the edges of all may close a cycle where none does by
itself; then the least sure of them is left out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence, Set
from hashlib import blake2b
from typing import NamedTuple

import numpy as np

from atlas_db.core.arrays import Floats
from ingest.weights.fingerprints.fingerprint import Fingerprint
from ingest.weights.parameters.region_parameters import REGION
from ingest.weights.samples.aligned_samples import shared_positions
from ingest.weights.samples.clustering import find_root, union_roots
from ingest.weights.samples.model_families import ChartUnit, by_shape
from ingest.weights.samples.neighbour_index import Neighbours, nearest_neighbours
from ingest.weights.tree.edge import known_date


class _Tree(NamedTuple):
    """The spanning tree of the m distinct models of a family; rows count distinct models.

    Attributes:
        copies: Places in the family of the models of each row, equal ones, the oldest first.
        neighbours: Nearest distinct models of each.
        above: Row above each, -1 for the root, shape (m,).
        order: Rows, each after the one above it.
    """

    copies: list[list[int]]
    neighbours: Neighbours
    above: list[int]
    order: list[int]


def chart_regions(fingerprints: Sequence[Fingerprint], unit: ChartUnit) -> list[ChartUnit]:
    """Return the parts of a unit that are charted by themselves; the unit itself where it is small.

    Args:
        fingerprints: The family.
        unit: Models of the family that are charted together.
    """
    if len(unit.members) <= REGION.max_whole:
        return [unit]
    tree, children, regions = _spanning_tree(fingerprints, unit), set(unit.children), []
    for rows in _parts(tree, children):
        own = sorted(place for row in rows for place in tree.copies[row] if place in children)
        near = [place for row in _context(tree, rows) for place in tree.copies[row][: REGION.duplicates]]
        firsts = [tree.copies[row][0] for row in rows]
        # Many copies of one model are more than a region holds: each part of them has the oldest beside it.
        for start in range(0, len(own), 2 * REGION.min_children):
            part = own[start : start + 2 * REGION.min_children]
            regions.append(ChartUnit(part, sorted({*part, *near, *firsts}), is_region=True))
    return regions


class Region(NamedTuple):
    """What is charted when models come to large families.

    Attributes:
        members: The models that are charted together.
        children: Ids of those whose parents are looked for.
    """

    members: list[Fingerprint]
    children: frozenset[str]


def region_of(fingerprints: Sequence[Fingerprint], new: Collection[str]) -> Region:
    """Return what is charted when models come to others: a small family whole, of a large one what is near to them.

    Parents are looked for of the new models, and of those that are nearest to one: it may be theirs.

    Args:
        fingerprints: Whole families that new models belong to.
        new: Ids of the new models.
    """
    if len(fingerprints) <= REGION.max_whole + len(new):
        return Region(list(fingerprints), frozenset(item.id for item in fingerprints))
    members, children = set[int](), set[int]()
    for shape, places in by_shape(fingerprints).items():
        arrived = [place for place in places if fingerprints[place].id in new]
        others = [place for place, item in enumerate(fingerprints) if not item.adapter]
        if arrived:
            compared = _Compared.of(fingerprints, shape.tensors, others)
            near = compared.nearest_to(arrived, REGION.max_whole // 2)
            around = compared.nearest_to(near[: REGION.neighbours // 2], REGION.neighbours)
            members.update(arrived, near, around)
            children.update(arrived, near[: REGION.neighbours])
    adapters = [place for place, item in enumerate(fingerprints) if item.adapter and item.id in new]
    chosen = [fingerprints[place] for place in sorted(members.union(adapters))]
    return Region(chosen, frozenset(fingerprints[place].id for place in children.union(adapters)))


class _Compared(NamedTuple):
    """The n models that are compared, with their p elements.

    Attributes:
        places: Place of each in the caller's sequence.
        elements: Shape (n, p).
        norms: Squared lengths, shape (n,).
    """

    places: list[int]
    elements: Floats
    norms: Floats

    @classmethod
    def of(cls, fingerprints: Sequence[Fingerprint], tensors: Set[str], places: Sequence[int]) -> _Compared:
        """Return those of some models that can be compared at tensors of some names."""
        common = shared_positions([fingerprints[place].sample.restricted_to(tensors) for place in places])
        elements = common.values().reshape(len(common.members), -1)
        return cls([places[member] for member in common.members], elements, np.einsum("ne,ne->n", elements, elements))

    def nearest_to(self, wanted: Sequence[int], count: int) -> list[int]:
        """Return the places of the models nearest to any of some, the nearest first.

        Args:
            wanted: Places of the models that others are near to.
            count: How many are near to each.
        """
        row_of = {place: row for row, place in enumerate(self.places)}
        rows = [row_of[place] for place in wanted if place in row_of]
        squared = self.norms[rows, None] + self.norms - 2 * (self.elements[rows] @ self.elements.T)
        squared[np.arange(len(rows)), rows] = np.inf
        found: dict[int, float] = {}
        for each in squared:
            for row in np.argsort(each, kind="stable")[:count].tolist():
                found[row] = min(found.get(row, np.inf), float(each[row]))
        return [self.places[row] for row in sorted(found, key=lambda row: (found[row], self.places[row]))]


def _spanning_tree(fingerprints: Sequence[Fingerprint], unit: ChartUnit) -> _Tree:
    """Return the spanning tree of the models of a unit that can be compared with its children."""
    tensors = {name for place in unit.children for name in fingerprints[place].sample.names}
    common = shared_positions([fingerprints[place].sample.restricted_to(tensors) for place in unit.members])
    values = common.values()
    sets: dict[bytes, list[int]] = defaultdict(list)
    for row, member in enumerate(common.members):
        sets[blake2b(values[row].tobytes(), digest_size=16).digest()].append(member)
    members = {member: row for row, member in enumerate(common.members)}
    distinct = values[[members[same[0]] for same in sets.values()]]
    copies = [
        sorted((unit.members[each] for each in same), key=lambda place: _age(fingerprints[place]))
        for same in sets.values()
    ]
    neighbours = nearest_neighbours(distinct.reshape(len(distinct), -1), REGION.neighbours)
    above, order = _rooted(neighbours, _kruskal(neighbours))
    return _Tree(copies, neighbours, above, order)


def _age(fingerprint: Fingerprint) -> tuple[str, str]:
    """Sort key of equal models: no date first, as the Hub's stand-in belongs to its oldest models."""
    return known_date(fingerprint.created_at), fingerprint.id


def _kruskal(neighbours: Neighbours) -> list[tuple[int, int]]:
    """Return the edges of the minimum spanning forest over nearest neighbours (Kruskal 1956)."""
    count, width = neighbours.rows.shape
    first, then = np.repeat(np.arange(count), width), neighbours.rows.reshape(-1)
    order = np.argsort(neighbours.sq_distance.reshape(-1), kind="stable")
    order = order[then[order] >= 0]
    roots, edges = np.arange(count), []
    for row, other in zip(first[order].tolist(), then[order].tolist(), strict=True):
        if find_root(roots, row) != find_root(roots, other):
            union_roots(roots, row, other)
            edges.append((row, other))
    return edges


def _rooted(neighbours: Neighbours, edges: Sequence[tuple[int, int]]) -> tuple[list[int], list[int]]:
    """Return the row above each row, and rows from the top on; trees of a forest hang below the first one's root.

    The root is the model that is nearest to most others.
    """
    count = len(neighbours.rows)
    adjacent: dict[int, list[int]] = defaultdict(list)
    for row, other in edges:
        adjacent[row].append(other)
        adjacent[other].append(row)
    nearest = neighbours.rows[:, 0]
    popular = np.argsort(-np.bincount(nearest[nearest >= 0], minlength=count), kind="stable").tolist()
    above, order, root = [-2] * count, list[int](), popular[0]
    for start in popular:
        if above[start] == -2:
            above[start] = -1 if start == root else root
            queue = [start]
            for at in queue:
                new = [other for other in adjacent[at] if above[other] == -2]
                for other in new:
                    above[other] = at
                queue += new
            order += queue
    return above, order


def _parts(tree: _Tree, children: Set[int]) -> list[list[int]]:
    """Return connected parts of the tree, or parts of one model's branches, with enough models of a region.

    From the leaves on, branches of a model are gathered until they are enough.

    Args:
        tree: The tree.
        children: Places of the models that count.
    """
    waiting: list[list[int]] = [[] for _ in tree.above]
    models = [sum(place in children for place in same) for same in tree.copies]
    size, parts = [0] * len(models), []
    for row in reversed(tree.order):
        branch, count, above = [row, *waiting[row]], models[row] + size[row], tree.above[row]
        waiting[row] = []
        if above < 0:
            parts.append(branch)
            continue
        waiting[above] += branch
        size[above] += count
        if size[above] >= REGION.min_children:
            parts.append(waiting[above])
            waiting[above], size[above] = [], 0
    return parts


def _context(tree: _Tree, rows: Sequence[int]) -> list[int]:
    """Return the rows outside a part that its models may come from.

    First those above it, then neighbours, those first that are nearest by comparison with the model above.
    """
    inside, found = set(rows), list[int]()
    for top in rows:
        at = tree.above[top]
        for _ in range(REGION.ancestors):
            if at < 0 or at in inside or at in found:
                break
            found.append(at)
            at = tree.above[at]
    nearness: dict[int, float] = {}
    for row in rows:
        others, squared = tree.neighbours.rows[row].tolist(), tree.neighbours.sq_distance[row].tolist()
        usual = squared[others.index(tree.above[row])] if tree.above[row] in others else squared[0]
        for other, distance in zip(others, squared, strict=True):
            if other >= 0 and other not in inside and distance <= REGION.max_distance_ratio * usual:
                nearness[other] = max(nearness.get(other, 0.0), usual / max(distance, 1e-30))
    ordered = sorted(nearness.keys() - set(found), key=lambda other: (-nearness[other], other))
    return [*found, *ordered][: REGION.max_context]
