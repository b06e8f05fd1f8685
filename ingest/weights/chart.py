"""From fingerprints to a chart: for every model its parents, the relation, how sure, and on what evidence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import replace

from threadpoolctl import threadpool_limits

from atlas_db.core.terms import Progress, Relation
from atlas_db.fusion.evidence import (
    CastEvidence,
    DuplicateEvidence,
    Evidence,
    MergeEvidence,
    PermutedEvidence,
    PrunedEvidence,
    QuantizedEvidence,
    ResidualEvidence,
    RoundedCopyEvidence,
)
from ingest.weights.fingerprints.executors import workers
from ingest.weights.fingerprints.fingerprint import Fingerprint
from ingest.weights.merges.merge import Merge
from ingest.weights.pairwise.quantization_grid import CopyMatch
from ingest.weights.parameters.confidence_parameters import CONFIDENCE
from ingest.weights.probes.probe_table import Probe
from ingest.weights.samples.clustering import by_architecture, connected_families
from ingest.weights.samples.resample import Resampler
from ingest.weights.tree.adapter_edges import adapter_edges
from ingest.weights.tree.behavioural_edges import behavioural_edges
from ingest.weights.tree.date_outliers import improves_likelihood, suspect_dates, without_dates
from ingest.weights.tree.duplicate_origin import CanonicalDuplicates, find_canonical_duplicates, parents_of
from ingest.weights.tree.edge import Edge
from ingest.weights.tree.exact_relations import build_family_state
from ingest.weights.tree.family_state import (
    FamilyState,
    duplicate_sort_key,
    exact_duplicates,
    load_samples,
    run_pair_tests,
)
from ingest.weights.tree.incremental_tree import IncrementalTree, ParentChoice
from ingest.weights.tree.insertion import best_parent, insert_all
from ingest.weights.tree.rooting import infer_root
from ingest.weights.tree.scorer import probability
from ingest.weights.tree.subtree_moves import swap_parent_child

MANY = 500
"""Models from which families are charted side by side, in processes."""


def chart(
    prints: Sequence[Fingerprint], read: Resampler | None = None, *, time: bool = True, declared: bool = False,
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
        [group[place] for place in part]
        for group in by_architecture(prints)
        for part in connected_families([prints[at] for at in group])
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
        edges += adapter_edges(prints, edges, time=time, declared=declared)
    if probes:
        edges += behavioural_edges(prints, edges, probes, time=time)
    progress("Charting", len(prints), len(prints))
    return sorted(edges, key=lambda edge: (edge.child, edge.parent))


def chart_family(prints: Sequence[Fingerprint], read: Resampler | None = None, *, time: bool = True) -> list[Edge]:
    """Chart the models of one component."""
    samples = load_samples(prints, read, use_dates=time)
    tests = run_pair_tests(samples)
    family = build_family_state(samples, tests)
    tree = build_tree(family)
    for row in suspect_dates(family):
        other = build_family_state(without_dates(family.samples, {row}), tests)
        other_tree = build_tree(other)
        if improves_likelihood(other_tree, tree):
            family, tree = other, other_tree
    return _edges(family, tree)


def build_tree(family: FamilyState) -> IncrementalTree:
    """Insert the models of a family into a tree, and choose its root."""
    samples, merges = family.samples, family.relations.merges
    tree = IncrementalTree(samples.vectors, samples.sq_distance, family.precedence_log_odds, family.scorer, merges)
    insert_all(family, tree)
    infer_root(family, tree)
    return tree


def _edges(family: FamilyState, tree: IncrementalTree) -> list[Edge]:
    edges: list[Edge] = []
    swapped, known = swap_parent_child(family, tree), find_canonical_duplicates(family, tree)
    for row, first in enumerate(family.relations.duplicate_of):
        if row != known.canonical[first] and not family.relations.is_quantized(first):
            edges.append(_duplicate(family, tree, row, known))
            continue
        found: list[Edge] = []
        if first in family.relations.copies:
            parent, copy = family.relations.copies[first]
            found.append(_copied(family, row, parent, copy, known))
        elif first in family.relations.merges:
            found += _merge_edges(family, row, family.relations.merges[first], known)
        else:
            choice = tree.choices.get(first) or (best_parent(family, tree, first) if first not in tree.rows else None)
            if choice is not None:
                found.append(_trained(family, row, choice, known, swapped))
        # Where it is an exact copy of what is taken for its copy, it comes of that.
        sure = 1.0 if family.relations.is_quantized(first) else known.confidence[first]
        edges += [replace(edge, confidence=edge.confidence * sure) for edge in found]
    return edges


def _duplicate(family: FamilyState, tree: IncrementalTree, row: int, known: CanonicalDuplicates) -> Edge:
    original = known.canonical[family.relations.duplicate_of[row]]
    older = [
        other
        for other in exact_duplicates(family.relations.duplicate_of, row)
        if other == original or duplicate_sort_key(family.samples, other) < duplicate_sort_key(family.samples, row)
    ]
    parent = min(
        older,
        key=lambda o: (
            family.samples.permutation_id[o] != family.samples.permutation_id[row],
            o != original,
            duplicate_sort_key(family.samples, o),
        ),
    )
    permuted = family.samples.permutation_id[parent] != family.samples.permutation_id[row]
    dates = {family.samples.dates[row], family.samples.dates[parent]}
    ordered = len(dates) == 2 and "" not in dates
    sure = CONFIDENCE.dated_duplicate if ordered else CONFIDENCE.undated_duplicate
    if parent == original:
        sure = min(CONFIDENCE.dated_duplicate, probability(known.penalty[row] - known.penalty[original]))
    above = parents_of(family, tree, family.relations.duplicate_of[row])
    if family.relations.duplicate_of[row] in family.relations.copies:
        # Whoever rounds the same weights the same way gets the same copy.
        sure = min(sure, CONFIDENCE.undated_duplicate)
    others = {_told(family, row, each, known): round(1 - sure, 3) for each in above}  # were it the original
    if permuted and len(older) > 1:
        # Whoever shuffles what was shuffled leaves nothing to tell of which; more is made of the original.
        share = sure / (len(older) + (parent == original))
        others |= {family.model_id(other): round(share, 3) for other in older if other != parent}
        sure -= share * (len(older) - 1)
    evidence = PermutedEvidence(alternatives=others) if permuted else DuplicateEvidence(alternatives=others)
    return Edge(family.model_id(row), family.model_id(parent), Relation.DUPLICATE, sure, evidence)


def _copied(family: FamilyState, row: int, parent: int, copy: CopyMatch, known: CanonicalDuplicates) -> Edge:
    relation = {"pruned": Relation.FINETUNE, "same": Relation.DUPLICATE}.get(copy.kind, Relation.QUANTIZED)
    explained, alternatives = round(copy.explained, 4), _likewise(family, row, known, 1 - CONFIDENCE.copy)
    evidence: Evidence
    match copy.kind:
        case "cast":
            evidence = CastEvidence(explained=explained, alternatives=alternatives)
        case "quantized":
            evidence = QuantizedEvidence(explained=explained, grid=copy.grid, alternatives=alternatives)
        case "pruned":
            zeros = round(copy.zeros, 3)
            evidence = PrunedEvidence(explained=explained, zeros=zeros, grid=copy.grid, alternatives=alternatives)
        case _:
            evidence = RoundedCopyEvidence(explained=explained, alternatives=alternatives)
    return Edge(family.model_id(row), _told(family, row, parent, known), relation, CONFIDENCE.copy, evidence)


def _likewise(family: FamilyState, row: int, known: CanonicalDuplicates, chance: float) -> dict[str, float]:
    """Return the models that explain a copy or a merge as well, each with its share of a probability."""
    relations = family.relations
    others = relations.alternatives.get(relations.duplicate_of[row], [])
    told = {_told(family, row, other, known) for other in others}
    return {name: round(chance / len(told), 3) for name in sorted(told)}


def _trained(
    family: FamilyState,
    row: int,
    choice: ParentChoice,
    known: CanonicalDuplicates,
    swapped: Mapping[int, tuple[int, float]],
) -> Edge:
    first = family.relations.duplicate_of[row]
    relation = Relation.QUANTIZED if family.relations.is_quantized(first) else Relation.FINETUNE
    # What was put below it, or below its parent, may lie between the two.
    below, turned = swapped.get(first, (-1, 0.0))
    child, also = swapped.get(choice.parent, (-1, 0.0))
    if child != first:
        also = 0.0
    others = {_told(family, row, other, known): round(chance, 3) for other, chance in choice.alternatives}
    if turned >= CONFIDENCE.min_alternative:
        others[_told(family, row, below, known)] = round(turned, 3)
    evidence = ResidualEvidence(
        containment_log_odds=round(choice.containment_log_odds, 2),
        distance=round(choice.distance, 4),
        alternatives=others,
    )
    sure = choice.probability * (1 - turned) * (1 - also)
    return Edge(family.model_id(row), _told(family, row, choice.parent, known), relation, sure, evidence)


def _told(family: FamilyState, row: int, parent: int, known: CanonicalDuplicates) -> str:
    """Return the id of the exact copy of a parent whose units are in the order of its child's; else of the original."""
    original = known.canonical[family.relations.duplicate_of[parent]]
    same = [
        other
        for other in exact_duplicates(family.relations.duplicate_of, parent)
        if family.samples.permutation_id[other] == family.samples.permutation_id[row]
    ]
    return family.model_id(
        original if original in same or not same else min(same, key=lambda o: duplicate_sort_key(family.samples, o))
    )


def _merge_edges(family: FamilyState, row: int, merge: Merge, known: CanonicalDuplicates) -> list[Edge]:
    out: list[Edge] = []
    loose = merge.residual >= CONFIDENCE.loose_merge_residual
    sure = CONFIDENCE.loose_merge if loose else CONFIDENCE.merge
    if family.relations.is_quantized(row):
        sure = CONFIDENCE.quantized_merge
    for parent, weight in zip(merge.parents, merge.weights, strict=True):
        evidence = MergeEvidence(
            method=merge.method,
            weight=round(weight, 4),
            residual=round(merge.residual, 4),
            base="" if merge.base is None else family.model_id(known.canonical[merge.base]),
            alternatives=_likewise(family, row, known, 1 - sure),
        )
        out.append(
            Edge(
                family.model_id(row),
                family.model_id(known.canonical[parent]),
                Relation.MERGE,
                sure,
                evidence,
            )
        )
    return out
