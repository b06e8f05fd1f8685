"""A family as a node-link diagram (Horwitz 2025, figure 3): size by downloads, colour by relation to the parent."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import Any

from atlas_db.lineage.traversal import Lineage, LineageStep

DEFAULT_SHARE = 0.3
"""Share of a family that the picture of the paper shows, the most downloaded models first."""
MAX_DISCS = 1500
SIZE = 1000
MAX_SIZE_RATIO = 2.5
"""Ratio of radii of two sub-trees from which they stand on different rings."""
_MIN_RADIUS, _MAX_RADIUS = 2.0, 14.0


@dataclass(slots=True)
class Disc:
    """One model.

    Attributes:
        id: Model id.
        parent: Id of the parent that it is drawn under, empty for the root.
        relation: Relation to that parent; `root`, or `unknown` for a placeholder.
        status: Status of the edge.
        downloads: Downloads of the last 30 days.
        x: Centre.
        y: Centre.
        radius: Radius.
    """

    id: str
    parent: str
    relation: str
    status: str
    downloads: int
    x: float = 0.0
    y: float = 0.0
    radius: float = 0.0


@dataclass(slots=True)
class FamilyGraph:
    """Layout of one family.

    Attributes:
        root: Id of the root.
        models: Models of the family.
        shown: Models in the picture.
        share: Share of the descendants that is shown.
        discs: One disc a model, parents before children; coordinates within a square of SIZE.
    """

    root: str
    models: int
    shown: int
    share: float
    discs: list[Disc]

    def to_dict(self) -> dict[str, Any]:
        """Return the layout as JSON values."""
        return asdict(self)


def draw_family_graph(found: Lineage, share: float = DEFAULT_SHARE) -> FamilyGraph:
    """Lay out the most downloaded descendants of a model, with the models between them and the root.

    Args:
        found: Whole lineage of the root.
        share: Share of the descendants, 0..1.
    """
    root = found.model["id"]
    first: dict[str, LineageStep] = {}
    for step in found.descendants:
        if (known := first.get(step.child)) is None or (known.hops, -known.confidence) > (step.hops, -step.confidence):
            first[step.child] = step
    ranked = sorted(first.values(), key=lambda step: (-step.downloads, step.child))
    kept = {root}
    for step in ranked[: math.ceil(share * len(ranked))]:
        line = [step.child]
        while line[-1] not in kept and line[-1] in first:
            line.append(first[line[-1]].parent)
        if len(kept) + len(line) > MAX_DISCS:
            break
        kept.update(line)
    discs = [Disc(root, "", "root", "", found.model.get("downloads") or 0)]
    discs += [
        Disc(
            step.child,
            step.parent,
            "unknown" if step.placeholder else step.relation,
            step.status,
            step.downloads,
        )
        for step in sorted(first.values(), key=lambda step: (step.hops, step.child))
        if step.child in kept
    ]
    _place(discs)
    return FamilyGraph(root, len(first) + 1, len(discs), share, discs)


def _place(discs: list[Disc]) -> None:
    """Place children on rings around their parent, the smallest sub-trees inside, without overlaps."""
    most = math.log1p(max(disc.downloads for disc in discs)) or 1.0
    for disc in discs:
        disc.radius = _MIN_RADIUS + (_MAX_RADIUS - _MIN_RADIUS) * (math.log1p(disc.downloads) / most) ** 2
    below: dict[str, list[Disc]] = defaultdict(list)
    for disc in discs[1:]:
        below[disc.parent].append(disc)
    reach: dict[str, float] = {}
    offset: dict[str, tuple[float, float]] = {}
    for disc in reversed(discs):
        reach[disc.id] = _rings(disc, sorted(below[disc.id], key=lambda each: (reach[each.id], each.id)), reach, offset)
    scale = SIZE / 2 / max(reach[discs[0].id], 60.0)
    place = {discs[0].id: (SIZE / 2, SIZE / 2)}
    for disc in discs:
        if disc.parent:
            x, y = place[disc.parent]
            place[disc.id] = (x + offset[disc.id][0] * scale, y + offset[disc.id][1] * scale)
        disc.x, disc.y = (round(each, 1) for each in place[disc.id])
        disc.radius = round(disc.radius * scale, 2)


def _rings(disc: Disc, children: list[Disc], reach: dict[str, float], offset: dict[str, tuple[float, float]]) -> float:
    """Place children around a disc, and return the radius of the whole sub-tree."""
    inner, at, gap = disc.radius, 0, 1.5
    while at < len(children):
        widest = reach[children[at].id]
        ring: list[Disc] = []
        full = 0.0
        while at < len(children):
            size = max(widest, reach[children[at].id])
            middle = inner + gap + size
            angle = 2 * math.asin(min(1.0, (reach[children[at].id] + gap / 2) / middle))
            if ring and (full + angle > 2 * math.pi or reach[children[at].id] > MAX_SIZE_RATIO * reach[ring[0].id]):
                break
            widest, full = size, full + angle
            ring.append(children[at])
            at += 1
        middle = inner + gap + widest
        spare = max(0.0, 2 * math.pi - sum(2 * math.asin(min(1.0, (reach[c.id] + gap / 2) / middle)) for c in ring))
        turn = 0.0
        for child in ring:
            half = math.asin(min(1.0, (reach[child.id] + gap / 2) / middle)) + spare / len(ring) / 2
            turn += half
            offset[child.id] = (middle * math.cos(turn), middle * math.sin(turn))
            turn += half
        inner = middle + widest
    return inner
