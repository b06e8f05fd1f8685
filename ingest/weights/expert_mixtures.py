"""Mixtures of experts made of dense models: each expert is the feed-forward part of one of them.

mergekit-moe takes attention and words from a base, and each expert from some model of its shape; only routers are new.
Experts are found by digests of their weights, in time that grows with the number of models alone. Where all parts are
one model's, as in sparse upcycling (arXiv 2212.05055), the mixture is a fine-tune of it, which `shape_links` finds.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from atlas_db.core.terms import Relation
from atlas_db.fusion.evidence import MergeEvidence
from ingest.weights.fingerprints.fingerprint import Fingerprint
from ingest.weights.layer_stacks import age_key, shared_confidence
from ingest.weights.parameters.confidence_parameters import CONFIDENCE
from ingest.weights.samples.layer_digests import FEED_FORWARD, TRUNK, Block, Layer, LayerDigests, expert_stems
from ingest.weights.samples.model_families import by_shape
from ingest.weights.samples.resample import Resampler
from ingest.weights.tree.edge import Edge

Blocks = Mapping[Block, LayerDigests]


class _Family(NamedTuple):
    """Models of one family.

    Attributes:
        prints: The family.
        holders: Dense models by layer and digest of its feed-forward part, or of the rest of the layer.
        use_dates: Whether dates count as evidence.
    """

    prints: Sequence[Fingerprint]
    holders: Mapping[tuple[Layer, bytes], set[int]]
    use_dates: bool


def mixture_edges(family: Sequence[Fingerprint], read: Resampler | None, *, time: bool = True) -> list[Edge]:
    """Return edges from mixtures of experts to the several dense models that their parts are equal to.

    A mixture has edges if each of its experts is one model's feed-forward part in all layers, up to storage. Copies of
    a mixture are left to the chart of their shape: the earliest counts.

    Args:
        family: Models of one family.
        read: Reads the weights; without it there are none.
        time: Whether dates count as evidence.
    """
    stems = {shape: expert_stems(shape.tensors) for shape in by_shape(family)}
    every = frozenset[str]().union(*stems.values())
    if read is None or not every:
        return []
    blocks = {place: read.blocks(item, every) for place, item in enumerate(family) if not item.adapter}
    mixtures = {place: found for place, found in blocks.items() if any(block.part >= 0 for block in found)}
    holders: dict[tuple[Layer, bytes], set[int]] = defaultdict(set)
    for place, found in blocks.items():
        for block, digests in found.items() if place not in mixtures else ():
            for digest in digests.rounded:
                holders[block.layer, digest].add(place)
    given = _Family(family, holders, time)
    edges: list[Edge] = []
    seen: set[tuple[bytes, ...]] = set()
    for place in sorted(mixtures, key=lambda place: age_key(family[place], use_dates=time)):
        content = set(zip(*(digests.rounded for _, digests in sorted(mixtures[place].items())), strict=True))
        if not content & seen:
            edges += _edges_of(given, place, _sources(given, place, mixtures[place]))
        seen |= content
    return edges


def _sources(given: _Family, place: int, blocks: Blocks) -> dict[int, set[int]]:
    """Return the dense models that each part of a mixture may come from: in all layers, and not dated later."""
    date = given.prints[place].created_at if given.use_dates else ""
    found: dict[int, set[int]] = {}
    for block, digests in blocks.items():
        holding = set[int]().union(*(given.holders.get((block.layer, digest), set()) for digest in digests.rounded))
        found[block.part] = found.get(block.part, holding) & holding
    later = {other for some in found.values() for other in some if date and given.prints[other].created_at > date}
    return {part: some - later for part, some in found.items()}


def _edges_of(given: _Family, place: int, sources: Mapping[int, set[int]]) -> list[Edge]:
    """Return the edges of a mixture, none where an expert is nobody's or all parts are one model's."""
    experts = [part for part in sources if part not in (TRUNK, FEED_FORWARD)]
    if not all(sources[part] for part in experts):
        return []
    # A layer without experts is the base's, as its attention is.
    base = set.intersection(*(sources[part] for part in (TRUNK, FEED_FORWARD) if part in sources))
    chosen = _cover(given, {part: sources[part] for part in experts} | ({TRUNK: base} if base else {}))
    if len(set(chosen.values())) < 2:
        return []
    named = given.prints[chosen[TRUNK]].id if base else ""
    edges = []
    for parent, count in sorted(Counter(chosen.values()).items()):
        parts = [part for part, other in chosen.items() if other == parent]
        equal = set.intersection(*(base if part == TRUNK else sources[part] for part in parts)) - {parent}
        share = round(1 / (1 + len(equal)), 3)
        others = {given.prints[other].id: share for other in sorted(equal)[: CONFIDENCE.max_alternatives]}
        weight = round((count - (chosen.get(TRUNK) == parent)) / len(experts), 4)
        evidence = MergeEvidence(method="moe", weight=weight, residual=0.0, base=named, alternatives=others)
        names = given.prints[place].id, given.prints[parent].id
        edges.append(Edge(*names, Relation.MERGE, shared_confidence(CONFIDENCE.merge, others), evidence))
    return edges


def _cover(given: _Family, sources: Mapping[int, set[int]]) -> dict[int, int]:
    """Return a model for each part: few models together, of several the earliest with the widest type."""
    chosen: dict[int, int] = {}
    while len(chosen) < len(sources):
        holding = Counter(other for part, some in sources.items() if part not in chosen for other in some)
        best = min(
            holding, key=lambda other: (-holding[other], age_key(given.prints[other], use_dates=given.use_dates))
        )
        chosen |= {part: best for part, some in sources.items() if part not in chosen and best in some}
    return chosen
