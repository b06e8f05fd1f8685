"""Families of models of any shapes: which models are related, and which are compared with which.

Two models have one shape if their blocks hold the same tensors, of the same sides. A family joins shapes that share a
part of their positions. Examples are a copy with fewer layers, experts made of a dense model, an encoder alone. Each
shape is charted with all that have at least its tensors. So a model with fewer layers hides nothing from the others:
models are compared on what they share, not on what a whole family shares.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence, Set
from functools import lru_cache
from itertools import combinations
from typing import NamedTuple

import numpy as np

from ingest.formats.matrix import RUN_LENGTH
from ingest.formats.tensor_names import is_in_block
from ingest.weights.fingerprints.fingerprint import Fingerprint
from ingest.weights.parameters.sample_parameters import SAMPLE
from ingest.weights.samples.clustering import (
    BLOCK_MODELS,
    LeaderClusters,
    cosine_views,
    find_root,
    leader_clusters,
    max_cosine,
    union_roots,
)


class Shape(NamedTuple):
    """What the blocks of a model hold.

    Attributes:
        family_key: Hash of the names without layers, and sides, of their tensors.
        tensors: Names of the sampled ones, with their layers.
    """

    family_key: str
    tensors: frozenset[str]


class ChartUnit(NamedTuple):
    """Models that are charted together.

    Attributes:
        children: Places of the models whose parents are looked for, ascending.
        members: Places of these and of all that may be their parents, ascending.
        is_region: Whether the other members are charted elsewhere, and here only as far as the children need it.
    """

    children: list[int]
    members: list[int]
    is_region: bool = False


def shape_of(fingerprint: Fingerprint) -> Shape:
    """Return the shape of a model."""
    return _shape(fingerprint.family_key, tuple(fingerprint.sample.names))


@lru_cache(1024)
def _shape(family_key: str, names: tuple[str, ...]) -> Shape:
    return Shape(family_key, frozenset(filter(is_in_block, names)))


def by_shape(fingerprints: Sequence[Fingerprint]) -> dict[Shape, list[int]]:
    """Return places of fingerprints by shape, without adapters, in the order of the first of each."""
    found: dict[Shape, list[int]] = defaultdict(list)
    for place, item in enumerate(fingerprints):
        if not item.adapter:
            found[shape_of(item)].append(place)
    return dict(found)


def related_families(fingerprints: Sequence[Fingerprint]) -> list[list[int]]:
    """Return families: models of one shape or several that are linked by correlated weights; adapters are left out.

    Within a shape, models are linked as in `leader_clusters`. Two shapes are compared where they share positions
    (`comparable_shapes`), leaders with leaders.

    Returns:
        Places of fingerprints, ascending, the largest family first.
    """
    shapes = by_shape(fingerprints)
    clusters = {shape: leader_clusters([fingerprints[at] for at in places]) for shape, places in shapes.items()}
    roots = np.arange(len(fingerprints))
    for shape, places in shapes.items():
        for row, member in enumerate(clusters[shape].common.members):
            first = clusters[shape].common.members[find_root(clusters[shape].roots, row)]
            union_roots(roots, places[member], places[first])
    for one, other in comparable_shapes(fingerprints, shapes):
        for row, theirs in _linked_leaders(clusters[one], clusters[other]):
            mine, its = clusters[one].common.members[row], clusters[other].common.members[theirs]
            union_roots(roots, shapes[one][mine], shapes[other][its])
    parts: dict[int, list[int]] = defaultdict(list)
    for place, item in enumerate(fingerprints):
        if not item.adapter:
            parts[find_root(roots, place)].append(place)
    return sorted(parts.values(), key=lambda part: (-len(part), part))


def comparable_shapes(
    fingerprints: Sequence[Fingerprint], shapes: Mapping[Shape, Sequence[int]]
) -> Iterator[tuple[Shape, Shape]]:
    """Yield pairs of shapes that share at least `SAMPLE.min_shared_tensors` of the smaller one's tensors.

    Positions are looked up by their keys, which hold a tensor's name, row and columns. So shapes that share nothing
    are never paired.

    Args:
        fingerprints: The models.
        shapes: Places of models by shape.
    """
    names: list[Shape] = list(shapes)
    holders: dict[int, list[int]] = defaultdict(list)
    firsts = [_first_keys(fingerprints[places[0]]) for places in shapes.values()]
    for place, keys in enumerate(firsts):
        for key in keys:
            holders[key].append(place)
    shared: Counter[tuple[int, int]] = Counter()
    for key in holders:
        shared.update(combinations(holders[key], 2))
    for (one, other), count in sorted(shared.items()):
        if count >= SAMPLE.min_shared_tensors * min(len(firsts[one]), len(firsts[other])):
            yield names[one], names[other]


def _first_keys(fingerprint: Fingerprint, *, blocks: bool = True) -> dict[int, str]:
    """Return the names of tensors by the key of their first position.

    Args:
        fingerprint: The model.
        blocks: Whether tensors in blocks alone are meant.
    """
    sample = fingerprint.sample
    starts = np.flatnonzero(np.diff(sample.tensor.astype(np.int64), prepend=-1)).tolist()
    found = {int(sample.keys[at]): sample.names[sample.tensor[at]] for at in starts}
    return {key: name for key, name in found.items() if is_in_block(name)} if blocks else found


def _linked_leaders(one: LeaderClusters, other: LeaderClusters) -> list[tuple[int, int]]:
    """Return pairs of rows of leaders of two shapes whose weights correlate at the positions that both have."""
    ours, theirs = one.common.shared_with(other.common)
    elements = len(ours.tensor) * RUN_LENGTH
    if not elements:
        return []
    least = max(SAMPLE.min_related_cosine, SAMPLE.min_cosine_deviations / np.sqrt(elements))
    found: list[tuple[int, int]] = []
    mine = [ours.values_of(one.leaders[at : at + BLOCK_MODELS]) for at in range(0, len(one.leaders), BLOCK_MODELS)]
    its = [theirs.values_of(other.leaders[at : at + BLOCK_MODELS]) for at in range(0, len(other.leaders), BLOCK_MODELS)]
    for at, block in enumerate(mine):
        views = cosine_views(ours, block)
        for across, others in enumerate(its):
            close = np.argwhere(max_cosine(views, cosine_views(theirs, others)) > least) + BLOCK_MODELS * np.array(
                [at, across]
            )
            found += [(one.leaders[row], other.leaders[column]) for row, column in close.tolist()]
    return found


def affected_families(fingerprints: Sequence[Fingerprint], new: Collection[str]) -> list[Fingerprint]:
    """Return new models and all members of the families that they join: the models that have to be charted again.

    Only shapes that can be compared with a new model's, directly or through others, are looked at. An adapter may
    belong to any family: where one is new, all models are returned.

    Args:
        fingerprints: All models, the new among them.
        new: Ids of the new models.
    """
    if any(item.adapter for item in fingerprints if item.id in new):
        return list(fingerprints)
    shapes = by_shape(fingerprints)
    reached = {shape_of(item) for item in fingerprints if item.id in new}
    pairs = list(comparable_shapes(fingerprints, shapes))
    while True:
        further = {shape for pair in pairs if reached.intersection(pair) for shape in pair} - reached
        if not further:
            break
        reached |= further
    places = sorted(place for shape in reached for place in shapes[shape])
    items = [fingerprints[place] for place in places]
    found = [part for part in related_families(items) if any(items[place].id in new for place in part)]
    return [items[place] for place in sorted(place for part in found for place in part)]


def chart_units(fingerprints: Sequence[Fingerprint], stacks: Set[str] = frozenset()) -> list[ChartUnit]:
    """Return how a family is charted: every shape with all shapes that have at least its tensors.

    Args:
        fingerprints: The family.
        stacks: Ids of models made of layers of others: what has tensors of theirs was not cut from them.
    """
    shapes = by_shape(fingerprints)
    units = []
    for shape, places in shapes.items():
        wider = [
            place
            for other, others in shapes.items()
            if other != shape and covers(fingerprints[others[0]], fingerprints[places[0]])
            for place in others if fingerprints[place].id not in stacks
        ]  # fmt: skip
        units.append(ChartUnit(places, sorted([*places, *wider])))
    return units


def shared_tensors(one: Fingerprint, other: Fingerprint) -> frozenset[str]:
    """Return the names of the tensors that two models sample at the same positions, which takes the same sides."""
    first, then = _first_keys(one, blocks=False), _first_keys(other, blocks=False)
    names = {name: key for key, name in first.items()}
    return frozenset(name for name, key in names.items() if key in then)


def covers(wider: Fingerprint, narrower: Fingerprint) -> bool:
    """Whether a model has all tensors of another's blocks, of the same sides: its first positions are the same."""
    return _first_keys(narrower).keys() <= _first_keys(wider).keys()
