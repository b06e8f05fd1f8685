"""Fingerprints to a chart: parents of every model, with relation, confidence and evidence.

Families are connected components of correlated weights. In each, exact relations are found first, then a tree of the
rest is grown and rooted. Adapters and functionally equal models are attached at the end.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence, Set
from concurrent.futures import as_completed
from dataclasses import replace
from functools import partial

from threadpoolctl import threadpool_limits

from atlas_db.claims.components import without_cycles
from atlas_db.core.terms import Progress, Relation, is_origin
from atlas_db.fusion.evidence import DepthPrunedEvidence
from ingest.weights.expert_mixtures import mixture_edges
from ingest.weights.family_chart import chart_family
from ingest.weights.family_regions import chart_regions
from ingest.weights.fingerprints.executors import local_executor
from ingest.weights.fingerprints.fingerprint import Fingerprint
from ingest.weights.layer_stacks import stacked_edges
from ingest.weights.pipeline_copies import compare_components
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
    probes: Sequence[Probe] = (), children: Set[str] | None = None,
    progress: Progress = lambda stage, done, total: None,
) -> list[Edge]:  # fmt: skip
    """Chart models.

    Args:
        prints: Fingerprints; the chart does not depend on their order.
        read: Reads larger samples from the weights; without it only the fingerprints' samples are used.
        time: Whether dates count as evidence.
        declared: Whether the base that an adapter's configuration names is trusted.
        probes: Outputs of some models on probe inputs, as further evidence.
        children: Ids of the models whose parents are looked for, all by default; the others are charted as far as these
            need it.
        progress: Called with stage, models done and total.

    Returns:
        Edges by child and parent.
    """
    prints = sorted(prints, key=lambda item: item.id)
    families = [[prints[place] for place in part] for part in related_families(prints) if len(part) > 1]
    done = len(prints) - sum(map(len, families))
    # Families are many small computations: threads of numerical libraries cost more there than they bring.
    with (
        threadpool_limits(1),
        local_executor(many=len(prints) >= MIN_MODELS_FOR_PROCESSES) as pool,
    ):
        several = [place for place, family in enumerate(families) if len(by_shape(family)) > 1]
        stacked = pool.map(partial(_edges_of_parts, read=read, time=time), [families[place] for place in several])
        within: dict[int, list[Edge]] = defaultdict(list, zip(several, stacked, strict=True))
        stacks = {edge.child for found in within.values() for edge in found}
        work = {
            pool.submit(chart_unit, *_alone(family, unit), read, time=time): (place, len(unit.children))
            for place, family in enumerate(families)
            for whole in chart_units(family, stacks)
            for unit in chart_regions(family, _restricted(family, whole, children))
        }
        for future in as_completed(work):
            place, count = work[future]
            within[place] += [edge for edge in future.result() if edge.child not in stacks]
            done += count
            progress("Charting", done, len(prints))
        edges = without_cycles(_in_order([edge for found in within.values() for edge in found]))
        edges = compare_components(prints, edges)
        for future in as_completed(
            [pool.submit(shape_links, families[place], _in_order(within[place]), read, time=time) for place in several]
        ):
            edges += future.result()
    if read is not None:
        edges += adapter_edges(prints, _in_order(edges), time=time, declared=declared)
    if probes:
        edges += behavioural_edges(prints, edges, probes, time=time)
    progress("Charting", len(prints), len(prints))
    return _in_order(edges)


def _edges_of_parts(family: Sequence[Fingerprint], read: Resampler | None, *, time: bool) -> list[Edge]:
    """Return the edges of models that are put together of other models' parts."""
    return stacked_edges(family, read, time=time) + mixture_edges(family, read, time=time)


def _restricted(family: Sequence[Fingerprint], unit: ChartUnit, children: Set[str] | None) -> ChartUnit:
    """Return a unit in which only the parents of some models are looked for, all where None."""
    kept = [place for place in unit.children if children is None or family[place].id in children]
    return unit if len(kept) == len(unit.children) else unit._replace(children=kept, is_region=True)


def _alone(family: Sequence[Fingerprint], unit: ChartUnit) -> tuple[list[Fingerprint], ChartUnit]:
    """Return the members of a unit, and the unit in places among them: what a process needs of a family."""
    at = {place: own for own, place in enumerate(unit.members)}
    alone = unit._replace(children=[at[place] for place in unit.children], members=[*at.values()])
    return [family[place] for place in unit.members], alone


def _in_order(edges: Sequence[Edge]) -> list[Edge]:
    return sorted(edges, key=lambda edge: (edge.child, edge.parent))


def chart_unit(
    family: Sequence[Fingerprint], unit: ChartUnit, read: Resampler | None = None, *, time: bool = True
) -> list[Edge]:
    """Return the edges to the children of a unit of a family."""
    if len(unit.members) < MIN_FAMILY or not unit.children:
        return []
    members = [family[place] for place in unit.members]
    own, shape = {family[place].id for place in unit.children}, shape_of(family[unit.children[0]])
    of_shape = {item.id for item in members if shape_of(item) == shape}
    children = own if unit.is_region else None
    if len(of_shape) == len(members):
        found = chart_family(members, read, time=time, children=children)
        origins = {edge.parent for edge in found if edge.child in own and is_origin(edge.parent)}
        return [edge for edge in found if edge.child in own or edge.child in origins]
    tensors = {name for place in unit.children for name in family[place].sample.names}
    found = chart_family(members, read, time=time, tensors=tensors, children=children)
    return _of_other_shapes([edge for edge in found if edge.child in own], members, of_shape)


def _of_other_shapes(edges: Sequence[Edge], members: Sequence[Fingerprint], own: Set[str]) -> list[Edge]:
    """Return edges as they are where parents may have further tensors.

    What equals a parent in all that is compared, and lacks other tensors, was cut from it. A model that comes from
    such a part comes from it rather than from the whole, as their tensors are the same.

    Args:
        edges: Edges to the models of the unit's shape.
        members: All models of the unit.
        own: Ids of the models of its shape.
    """
    tensors = {item.id: len(shape_of(item).tensors) for item in members}
    parts: dict[str, list[str]] = defaultdict(list)
    for edge in edges:
        if edge.relation is Relation.DUPLICATE and edge.parent not in own:
            parts[edge.parent].append(edge.child)
    found = []
    for edge in edges:
        if edge.parent in own:
            found.append(edge)
        elif edge.relation is Relation.DUPLICATE:
            kept = round(tensors[edge.child] / tensors[edge.parent], 3)
            evidence = DepthPrunedEvidence(explained=1.0, kept=kept, alternatives=edge.evidence.alternatives)
            found.append(replace(edge, relation=Relation.FINETUNE, evidence=evidence))
        else:
            found.append(replace(edge, parent=min(parts[edge.parent])) if parts[edge.parent] else edge)
    return found
