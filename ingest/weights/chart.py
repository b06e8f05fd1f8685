"""Fingerprints to a chart: parents of every model, with relation, confidence and evidence.

Families are connected components of correlated weights. In each, exact relations are found first, then a tree of the
rest is grown and rooted. Adapters and functionally equal models are attached at the end.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from concurrent.futures import as_completed
from dataclasses import replace

from threadpoolctl import threadpool_limits

from atlas_db.core.terms import Progress, Relation
from atlas_db.fusion.evidence import DepthPrunedEvidence
from ingest.weights.family_chart import chart_family
from ingest.weights.fingerprints.executors import local_executor
from ingest.weights.fingerprints.fingerprint import Fingerprint
from ingest.weights.probes.probe_table import Probe
from ingest.weights.samples.model_families import ChartUnit, by_shape, chart_units, related_families, shape_of
from ingest.weights.samples.resample import Resampler
from ingest.weights.shape_links import shape_links
from ingest.weights.tree.adapter_edges import adapter_edges
from ingest.weights.tree.behavioural_edges import behavioural_edges
from ingest.weights.tree.edge import Edge

MIN_FAMILY = 2
"""Models of the least family that has edges."""
MIN_MODELS_FOR_PROCESSES = 500
"""Models from which families are charted in several processes."""


def chart(
    prints: Sequence[Fingerprint], read: Resampler | None = None, *, time: bool = True, declared: bool = False,
    probes: Sequence[Probe] = (), progress: Progress = lambda stage, done, total: None,
) -> list[Edge]:  # fmt: skip
    """Chart models.

    Args:
        prints: Fingerprints; the chart does not depend on their order.
        read: Reads larger samples from the weights; without it only the fingerprints' samples are used.
        time: Whether dates count as evidence.
        declared: Whether the base that an adapter's configuration names is trusted.
        probes: Outputs of some models on probe inputs, as further evidence.
        progress: Called with stage, models done and total.

    Returns:
        Edges by child and parent.
    """
    prints = sorted(prints, key=lambda item: item.id)
    edges: list[Edge] = []
    families = [[prints[place] for place in part] for part in related_families(prints) if len(part) > 1]
    done = len(prints) - sum(map(len, families))
    # Families are many small computations: threads of numerical libraries cost more there than they bring.
    with (
        threadpool_limits(1),
        local_executor(many=len(prints) >= MIN_MODELS_FOR_PROCESSES and len(families) > 1) as pool,
    ):
        work = {
            pool.submit(chart_unit, family, unit, read, time=time): len(unit.children)
            for family in families
            for unit in chart_units(family)
        }
        for future in as_completed(work):
            edges += future.result()
            done += work[future]
            progress("Charting", done, len(prints))
        edges.sort(key=lambda edge: (edge.child, edge.parent))
        several = [family for family in families if len(by_shape(family)) > 1]
        for future in as_completed([pool.submit(shape_links, family, edges, read, time=time) for family in several]):
            edges += future.result()
    if read is not None:
        edges += adapter_edges(prints, edges, time=time, declared=declared)
    if probes:
        edges += behavioural_edges(prints, edges, probes, time=time)
    progress("Charting", len(prints), len(prints))
    return sorted(edges, key=lambda edge: (edge.child, edge.parent))


def chart_unit(
    family: Sequence[Fingerprint], unit: ChartUnit, read: Resampler | None = None, *, time: bool = True
) -> list[Edge]:
    """Return the edges to the children of a unit of a family."""
    if len(unit.members) < MIN_FAMILY:
        return []
    members = [family[place] for place in unit.members]
    if len(unit.members) == len(unit.children):
        return chart_family(members, read, time=time)
    own = {family[place].id for place in unit.children}
    tensors = {name for place in unit.children for name in family[place].sample.names}
    found = chart_family(members, read, time=time, tensors=tensors)
    return [_of_other_shapes(edge, found, members, own) for edge in found if edge.child in own]


def _of_other_shapes(edge: Edge, found: Sequence[Edge], members: Sequence[Fingerprint], own: Set[str]) -> Edge:
    """Return an edge as it is where parents may have further tensors.

    What equals a parent in all that is compared, and lacks other tensors, was cut from it. A model that comes from
    such a part comes from it rather than from the whole, as their tensors are the same.

    Args:
        edge: An edge to a model of the unit's shape.
        found: All edges of the unit.
        members: Its models.
        own: Ids of the models of its shape.
    """
    if edge.parent in own:
        return edge
    if edge.relation is Relation.DUPLICATE:
        blocks = {item.id: shape_of(item).tensors for item in members if item.id in (edge.child, edge.parent)}
        kept = round(len(blocks[edge.child]) / len(blocks[edge.parent]), 3)
        evidence = DepthPrunedEvidence(explained=1.0, kept=kept, alternatives=edge.evidence.alternatives)
        return replace(edge, relation=Relation.FINETUNE, evidence=evidence)
    parts = [
        each.child for each in found
        if each.parent == edge.parent and each.relation is Relation.DUPLICATE and each.child in own - {edge.child}
    ]  # fmt: skip
    return replace(edge, parent=min(parts)) if parts else edge
