"""Parents of other shapes: a model that comes from one with other sides, other layers or experts.

Some models have no parent of their own shape. They are compared with those of other shapes, on the tensors that both
have with the same sides. So a model with fewer neurons keeps its attention, and experts keep that of the dense
model that they were made of. Only the nearest models of the other shape are compared.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from atlas_db.claims.components import is_reachable
from atlas_db.core.arrays import Floats, Integers
from atlas_db.core.terms import Relation, is_origin
from atlas_db.fusion.evidence import SharedPartEvidence
from ingest.weights.family_chart import chart_family
from ingest.weights.fingerprints.fingerprint import Fingerprint
from ingest.weights.parameters.sample_parameters import SAMPLE
from ingest.weights.samples.aligned_samples import shared_positions
from ingest.weights.samples.clustering import cosine_views, max_cosine
from ingest.weights.samples.model_families import Shape, by_shape, comparable_shapes, covers, shape_of, shared_tensors
from ingest.weights.samples.resample import Resampler
from ingest.weights.tree.edge import Edge


def shape_links(
    family: Sequence[Fingerprint], edges: Sequence[Edge], read: Resampler | None = None, *, time: bool = True
) -> list[Edge]:
    """Return edges from models without a parent of their shape to parents of other shapes, at most one a model.

    The likeliest edges come first. One that would close a ring of parents is left out.

    Args:
        family: Models of one family.
        edges: Edges within its shapes.
        read: Reads larger samples from the weights.
        time: Whether dates count as evidence.
    """
    shapes = by_shape(family)
    placed = {edge.child for edge in edges if not is_origin(edge.parent)}
    tops = {
        shape: [family[place] for place in places if family[place].id not in placed] for shape, places in shapes.items()
    }
    comparable: dict[Shape, list[Shape]] = defaultdict(list)
    for pair in comparable_shapes(family, shapes):
        for own, other in (pair, pair[::-1]):
            if tops[own] and not covers(family[shapes[other][0]], tops[own][0]):
                comparable[own].append(other)
    found: list[Edge] = []
    for own, others in comparable.items():
        views = [_nearest(tops[own], [family[place] for place in shapes[other]]) for other in others]
        for view in _joined([view for view in views if view.models]):
            found += _edges_between(tops[own], view, read, time)
    parents: dict[str, list[str]] = defaultdict(list)
    for edge in edges:
        if not is_origin(edge.parent):
            parents[edge.child].append(edge.parent)
    kept = []
    for edge in sorted(found, key=lambda edge: (-edge.confidence, edge.child, edge.parent)):
        if edge.child not in parents and not is_reachable(parents, edge.parent, edge.child):
            parents[edge.child].append(edge.parent)
            kept.append(edge)
    return kept


class _SharedView(NamedTuple):
    """Models of other shapes that are near to some models, nearest first, and the tensors that can be compared."""

    models: list[tuple[float, Fingerprint]]
    tensors: frozenset[str]


def _joined(views: Sequence[_SharedView]) -> list[_SharedView]:
    """Return views of single shapes as views of many, where these have most of their tensors in common.

    Candidates of one parent are weighed together: beside a near relative of another shape, a far one is no parent.
    """
    out: list[_SharedView] = []
    widest = 0
    for view in sorted(views, key=lambda view: (-len(view.tensors), min(item.id for _, item in view.models))):
        if out and len(common := out[-1].tensors & view.tensors) >= SAMPLE.min_joined_share * widest:
            near = sorted([*out[-1].models, *view.models], key=lambda item: (-item[0], item[1].id))
            out[-1] = _SharedView(near[: SAMPLE.max_joined_models], common)
        else:
            out.append(view)
            widest = len(view.tensors)
    return out


def _edges_between(
    children: Sequence[Fingerprint], view: _SharedView, read: Resampler | None, time: bool
) -> list[Edge]:
    """Return edges from models of one shape to parents of others, by what all of them have."""
    near = [item for _, item in view.models]
    own, tensors_of = shape_of(children[0]).tensors, {item.id: shape_of(item).tensors for item in near}
    ids = {item.id for item in children}
    found = []
    for edge in chart_family([*children, *near], read, time=time, tensors=view.tensors):
        if edge.child in ids and edge.parent in tensors_of and edge.relation is not Relation.MERGE:
            exact = edge.relation is not Relation.FINETUNE
            share = round(len(view.tensors & own) / len(own | tensors_of[edge.parent]), 3)
            evidence = SharedPartEvidence(exact=exact, shared=share, alternatives=edge.evidence.alternatives)
            found.append(replace(edge, relation=Relation.FINETUNE, evidence=evidence))
    return found


def _nearest(children: Sequence[Fingerprint], others: Sequence[Fingerprint]) -> _SharedView:
    """Return the models of another shape that are nearest to any of the children, and the tensors that they share.

    Tensors that do not correlate in the nearest pair are left out: where neurons were removed, rows have other numbers.
    """
    tensors = shared_tensors(children[0], others[0])
    ours, theirs = (
        shared_positions([item.sample.restricted_to(tensors) for item in some]) for some in (children, others)
    )
    ours, theirs = ours.shared_with(theirs)
    if not len(ours.tensor):
        return _SharedView([], frozenset())
    mine, its = ours.values(), theirs.values()
    cosines = max_cosine(cosine_views(ours, mine)[:1], cosine_views(theirs, its)[:1])
    row, column = np.unravel_index(int(np.argmax(cosines)), cosines.shape)
    correlated = _correlated(mine[row], its[column], ours.tensor)
    best = np.argsort(-cosines, axis=1, kind="stable")[:, : SAMPLE.max_other_shapes]
    kept = {int(at) for row, some in enumerate(best) for at in some if cosines[row, at] > SAMPLE.min_related_cosine}
    models = [(float(cosines[:, at].max()), others[theirs.members[at]]) for at in sorted(kept)]
    return _SharedView(models, frozenset(ours.names[at] for at in correlated))


def _correlated(one: Floats, other: Floats, tensor: Integers) -> list[int]:
    """Return the tensors whose samples, shape (p, 32), correlate; `tensor` has the tensor of each position."""
    starts = np.flatnonzero(np.diff(tensor, prepend=-1))
    products, ours, theirs = (np.add.reduceat(each.sum(1), starts) for each in (one * other, one**2, other**2))
    cosines = products / np.maximum(np.sqrt(ours * theirs), 1e-30)
    return [int(tensor[at]) for at, cosine in zip(starts, cosines, strict=True) if cosine > SAMPLE.leader_cosine]
