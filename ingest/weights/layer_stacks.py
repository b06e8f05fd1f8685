"""Stacks of layers: models whose layers are those of other models, in another order or number.

Passthrough merges take ranges of layers from one model or several. So a layer stands at another place than in the
model it came from. SOLAR (arXiv 2312.15166) trains such a stack on: its depth up-scaling. Layers are found by digests
of their weights, in time that grows with the number of layers alone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence, Set
from typing import NamedTuple

from atlas_db.core.terms import Relation
from atlas_db.fusion.evidence import DepthPrunedEvidence, MergeEvidence
from ingest.weights.fingerprints.fingerprint import Fingerprint
from ingest.weights.parameters.confidence_parameters import CONFIDENCE
from ingest.weights.parameters.sample_parameters import SAMPLE
from ingest.weights.samples.layer_digests import Layer, LayerDigests
from ingest.weights.samples.model_families import by_shape
from ingest.weights.samples.resample import Resampler
from ingest.weights.tree.edge import Edge

Source = tuple[int, Layer]
"""Place of a model in its family, and one of its layers."""


class _Family(NamedTuple):
    """Models of one kind of block.

    Attributes:
        prints: The family.
        layers: Digests of each model's layers, by place.
        shape: Number of each model's shape, by place.
        holders: Layers by digest.
        repeating: Models that have one layer twice.
        use_dates: Whether dates count as evidence.
    """

    prints: Sequence[Fingerprint]
    layers: Mapping[int, Mapping[Layer, LayerDigests]]
    shape: Mapping[int, int]
    holders: Mapping[bytes, Sequence[Source]]
    repeating: Set[int]
    use_dates: bool


def stacked_edges(family: Sequence[Fingerprint], read: Resampler | None, *, time: bool = True) -> list[Edge]:
    """Return edges from stacks of layers to the models that their layers came from.

    A model is a stack if every layer of it is one of some models of other shapes, up to storage. Copies of a stack are
    left to the chart of their shape: the earliest counts.

    Args:
        family: Models of one family.
        read: Reads the weights; without it there are none.
        time: Whether dates count as evidence.
    """
    kinds: dict[str, dict[int, list[int]]] = defaultdict(dict)
    for number, (shape, places) in enumerate(by_shape(family).items()):
        kinds[shape.family_key][number] = places
    edges: list[Edge] = []
    for shapes in kinds.values():
        if read is not None and len(shapes) > 1:
            edges += _edges_of_kind(family, shapes, read, time)
    return edges


def _edges_of_kind(
    family: Sequence[Fingerprint], shapes: Mapping[int, Sequence[int]], read: Resampler, time: bool
) -> list[Edge]:
    """Return the edges of stacks among shapes that differ in their numbers of layers alone."""
    shape = {place: number for number, places in shapes.items() for place in places}
    layers = {place: found for place in sorted(shape) if (found := read.layers(family[place]))}
    holders: dict[bytes, list[Source]] = defaultdict(list)
    for place, found in layers.items():
        for layer, digests in found.items():
            for digest in digests.rounded:
                holders[digest].append((place, layer))
    repeating = {
        place for place, found in layers.items() if len({each.rounded[0] for each in found.values()}) < len(found)
    }
    given = _Family(family, layers, shape, holders, repeating, time)
    stacks: dict[int, tuple[dict[Layer, set[int]], dict[int, set[Layer]]]] = {}
    for place in layers:
        sources = _sources(given, place)
        chosen = _cover(given, sources)
        if len(chosen) > 1 or (chosen and place in repeating):
            stacks[place] = sources, chosen
    edges: list[Edge] = []
    for place in _first_copies(given):
        edges += (
            _stack_edges(given, place, *stacks[place]) if place in stacks else _cut_edges(given, place, stacks.keys())
        )
    return edges


def _first_copies(given: _Family) -> list[int]:
    """Return the models whose layers no earlier model has, all of them in that order, up to a cast."""
    seen: set[tuple[bytes, ...]] = set()
    found = []
    for place in sorted(given.layers, key=lambda place: _age(given, place)):
        content = set(zip(*(digests.rounded for _, digests in sorted(given.layers[place].items())), strict=True))
        if not content & seen:
            found.append(place)
        seen |= content
    return sorted(found)


def _age(given: _Family, place: int) -> tuple[str, float, str]:
    return age_key(given.prints[place], use_dates=given.use_dates)


def age_key(item: Fingerprint, *, use_dates: bool) -> tuple[str, float, str]:
    """Return a key by which models are sorted: by date, then wide types, then id."""
    return (item.created_at if use_dates else "") or "~", -item.size / max(item.elements, 1), item.id


def _sources(given: _Family, place: int, *, cut: bool = False) -> dict[Layer, set[int]]:
    """Return the models of other shapes that each layer may come from.

    A model that is dated later is none, and none that has a layer twice, as it is a stack itself. Where dates do not
    order two models, stacks grow: a stack has no fewer layers than what it is made of.

    Args:
        given: The models.
        place: The model.
        cut: Whether models with more layers are meant, which it may be cut from.
    """
    own, date = given.layers[place], given.prints[place].created_at if given.use_dates else ""
    found: dict[Layer, set[int]] = {layer: set() for layer in own}
    for layer, digests in own.items():
        for other in {other for digest in digests.rounded for other, _ in given.holders[digest]}:
            theirs = given.prints[other].created_at
            ordered = bool(date and theirs)
            may_grow = len(given.layers[other]) <= len(own) or (ordered and theirs < date)
            if (
                given.shape[other] != given.shape[place]
                and not (ordered and theirs > date)
                and other not in given.repeating
                and (len(given.layers[other]) > len(own) if cut else may_grow)
            ):
                found[layer].add(other)
    return found


def _cover(given: _Family, sources: Mapping[Layer, set[int]]) -> dict[int, set[Layer]]:
    """Return models that together have all layers of a model, and which; empty where a few do not.

    The model that explains most layers comes first. Of several, that with wide types and an early date does.
    """
    left, chosen = set(sources), dict[int, set[Layer]]()
    while left and len(chosen) < SAMPLE.max_stacked_models:
        explained = Counter(other for layer in left for other in sources[layer])
        if not explained:
            return {}
        best = min(explained, key=lambda other: (-explained[other], _age(given, other)))
        chosen[best] = {layer for layer in left if best in sources[layer]}
        left -= chosen[best]
    return {} if left else chosen


def _stack_edges(
    given: _Family, place: int, sources: Mapping[Layer, set[int]], chosen: Mapping[int, set[Layer]]
) -> list[Edge]:
    """Return the edges of a stack to the models that were chosen for its layers."""
    edges = []
    for parent, layers in sorted(chosen.items()):
        others = _equal_models(given, parent, layers, sources)
        weight = round(len(layers) / len(sources), 4)
        evidence = MergeEvidence(method="passthrough", weight=weight, residual=0.0, alternatives=others)
        names = given.prints[place].id, given.prints[parent].id
        edges.append(Edge(*names, Relation.MERGE, shared_confidence(CONFIDENCE.merge, others), evidence))
    return edges


def _cut_edges(given: _Family, place: int, stacks: Set[int]) -> list[Edge]:
    """Return the edge of a model that has some layers of a deeper one, at other places; none where there is none.

    What has the first layers of another, at the same places, is found in the chart of its shape.
    """
    sources = {layer: found - stacks for layer, found in _sources(given, place, cut=True).items()}
    chosen = _cover(given, sources)
    if len(chosen) != 1:
        return []
    (parent,) = chosen
    above = given.layers[parent]
    if all(
        layer in above and set(above[layer].rounded) & set(own.rounded) for layer, own in given.layers[place].items()
    ):
        return []
    others = _equal_models(given, parent, set(sources), sources)
    kept = round(len(sources) / len(given.layers[parent]), 3)
    evidence = DepthPrunedEvidence(explained=1.0, kept=kept, alternatives=others)
    names = given.prints[place].id, given.prints[parent].id
    return [Edge(*names, Relation.FINETUNE, shared_confidence(CONFIDENCE.copy, others), evidence)]


def _equal_models(
    given: _Family, chosen: int, layers: set[Layer], sources: Mapping[Layer, set[int]]
) -> dict[str, float]:
    """Return the other models that have all of some layers, each with its probability."""
    equal = set.intersection(*(sources[layer] for layer in layers)) - {chosen}
    share = round(1 / (1 + len(equal)), 3)
    return {given.prints[other].id: share for other in sorted(equal)[: CONFIDENCE.max_alternatives]}


def shared_confidence(certain: float, others: Mapping[str, float]) -> float:
    """Return the confidence in the chosen one of several models that are equal in what was compared."""
    return certain / (1 + len(others))
