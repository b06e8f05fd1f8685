"""The chart of one family: parents of its models, with relation, confidence and evidence.

Exact relations are found first, then a tree of the rest is grown and rooted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from atlas_db.core.terms import Relation
from atlas_db.fusion.evidence import (
    CastEvidence,
    CommonOriginEvidence,
    DuplicateEvidence,
    Evidence,
    MergeEvidence,
    PermutedEvidence,
    PrunedEvidence,
    QuantizedEvidence,
    ResidualEvidence,
    RoundedCopyEvidence,
)
from ingest.weights.fingerprints.fingerprint import Fingerprint
from ingest.weights.merges.by_tensor.partial_linear import PARTIAL_LINEAR
from ingest.weights.merges.merge import Merge
from ingest.weights.origins.common_origin import CommonOrigin, common_origins, origin_id
from ingest.weights.origins.parent_presence import Presence, parent_presence
from ingest.weights.pairwise.quantization_grid import CopyMatch
from ingest.weights.parameters.confidence_parameters import CONFIDENCE
from ingest.weights.samples.resample import Resampler
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


def chart_family(
    prints: Sequence[Fingerprint], read: Resampler | None = None, *, time: bool = True,
    tensors: Collection[str] | None = None, children: Collection[str] | None = None,
) -> list[Edge]:  # fmt: skip
    """Chart the models of one family.

    Dates that look wrong are left out one at a time, where that improves the likelihood of the tree.

    Args:
        prints: The models.
        read: Reads larger samples from the weights.
        time: Whether dates count as evidence.
        tensors: Names of the tensors that are compared, all by default.
        children: Ids of the models whose parents are looked for, all by default.
    """
    samples = load_samples(prints, read, use_dates=time, tensors=tensors, children=children)
    tests = run_pair_tests(samples)
    family = build_family_state(samples, tests)
    tree = build_tree(family)
    for row in suspect_dates(family):
        other = build_family_state(without_dates(family.samples, {row}), tests)
        other_tree = build_tree(other)
        if improves_likelihood(other_tree, tree):
            family, tree = other, other_tree
    return _family_edges(family, tree)


def build_tree(family: FamilyState) -> IncrementalTree:
    """Insert the models of a family into a tree, and choose its root."""
    samples, merges = family.samples, family.relations.merges
    tree = IncrementalTree(
        samples.vectors, samples.sq_distance, family.precedence_log_odds, family.scorer, merges, samples.measured.steps
    )
    insert_all(family, tree)
    infer_root(family, tree)
    return tree


def _family_edges(family: FamilyState, tree: IncrementalTree) -> list[Edge]:
    edges: list[Edge] = []
    swapped, known = swap_parent_child(family, tree), find_canonical_duplicates(family, tree)
    presences = {
        row: parent_presence(family, tree, row, choice)
        for row, choice in tree.choices.items()
        if family.samples.is_child[row]
    }
    origins = common_origins(tree, presences)
    tops = {origin.top: origin.confidence.get(origin.top, 0.0) for origin in origins}
    for row, first in enumerate(family.relations.duplicate_of):
        if not family.samples.is_child[row]:
            continue
        if row != known.canonical[first] and not family.relations.is_quantized(first):
            edges.append(_duplicate_edge(family, tree, row, known))
            continue
        found: list[Edge] = []
        if first in family.relations.copies:
            parent, copy = family.relations.copies[first]
            found.append(_copy_edge(family, row, parent, copy, known))
        elif first in family.relations.merges:
            found += _merge_edges(family, row, family.relations.merges[first], known)
        else:
            choice = tree.choices.get(first) or (best_parent(family, tree, first) if first not in tree.rows else None)
            if choice is not None:
                presence = presences.get(first) or parent_presence(family, tree, first, choice)
                edge = _residual_edge(family, row, choice, known, swapped, presence)
                # Whose siblings come from an origin that is not here comes from it, too.
                found.append(replace(edge, confidence=edge.confidence * (1 - tops.get(first, 0.0))))
        # If another duplicate is the original, the edge is that one's, and this model is its duplicate.
        confidence = 1.0 if family.relations.is_quantized(first) else known.confidence[first]
        edges += [replace(edge, confidence=edge.confidence * confidence) for edge in found]
    return edges + [edge for origin in origins for edge in _origin_edges(family, tree, origin, presences, known)]


def _origin_edges(
    family: FamilyState, tree: IncrementalTree, origin: CommonOrigin, presences: Mapping[int, Presence],
    known: CanonicalDuplicates,
) -> list[Edge]:  # fmt: skip
    """Return the edges of an origin that is not here: from its members to it, and from it to its nearest ancestor."""
    ids = {row: family.model_id(known.canonical[row]) for row in origin.members}
    name = origin_id(list(ids.values()))
    edges = [
        Edge(
            ids[row], name, Relation.FINETUNE, origin.confidence[row],
            CommonOriginEvidence(siblings=sorted(other for at, other in ids.items() if at != row)),
        )
        for row in origin.members
    ]  # fmt: skip
    above = presences.get(origin.top)
    if above is not None and origin.top in origin.confidence:
        choice = tree.choices[origin.top]
        evidence = CommonOriginEvidence(siblings=[])
        parent = _parent_id(family, origin.top, choice.parent, known)
        edges.append(Edge(name, parent, Relation.FINETUNE, above.is_ancestor * choice.probability, evidence))
    return edges


def _duplicate_edge(family: FamilyState, tree: IncrementalTree, row: int, known: CanonicalDuplicates) -> Edge:
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
    confidence = CONFIDENCE.dated_duplicate if ordered else CONFIDENCE.undated_duplicate
    if parent == original:
        confidence = min(CONFIDENCE.dated_duplicate, probability(known.penalty[row] - known.penalty[original]))
    above = parents_of(family, tree, family.relations.duplicate_of[row])
    if family.relations.duplicate_of[row] in family.relations.copies:
        # Two people who round the same weights the same way get equal copies: no order between them is known.
        confidence = min(confidence, CONFIDENCE.undated_duplicate)
    others = {_parent_id(family, row, each, known): round(1 - confidence, 3) for each in above}
    if permuted and len(older) > 1:
        # A permutation of a permutation is one permutation: which of the older ones it was made from is unknown.
        # The original counts twice, as more copies are made of it.
        share = confidence / (len(older) + (parent == original))
        others |= {family.model_id(other): round(share, 3) for other in older if other != parent}
        confidence -= share * (len(older) - 1)
    evidence = PermutedEvidence(alternatives=others) if permuted else DuplicateEvidence(alternatives=others)
    return Edge(family.model_id(row), family.model_id(parent), Relation.DUPLICATE, confidence, evidence)


def _copy_edge(family: FamilyState, row: int, parent: int, copy: CopyMatch, known: CanonicalDuplicates) -> Edge:
    relation = {"pruned": Relation.FINETUNE, "same": Relation.DUPLICATE}.get(copy.kind, Relation.QUANTIZED)
    explained, alternatives = round(copy.explained, 4), _alternatives(family, row, known, 1 - CONFIDENCE.copy)
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
    return Edge(family.model_id(row), _parent_id(family, row, parent, known), relation, CONFIDENCE.copy, evidence)


def _alternatives(family: FamilyState, row: int, known: CanonicalDuplicates, mass: float) -> dict[str, float]:
    """Return the other models that explain a copy or a merge as well; they share a probability mass equally."""
    relations = family.relations
    others = relations.alternatives.get(relations.duplicate_of[row], [])
    names = {_parent_id(family, row, other, known) for other in others}
    return {name: round(mass / len(names), 3) for name in sorted(names)}


def _residual_edge(
    family: FamilyState,
    row: int,
    choice: ParentChoice,
    known: CanonicalDuplicates,
    swapped: Mapping[int, tuple[int, float]],
    presence: Presence,
) -> Edge:
    first = family.relations.duplicate_of[row]
    relation = Relation.QUANTIZED if family.relations.is_quantized(first) else Relation.FINETUNE
    # A child of the model, or another child of its parent, may in truth lie between the two.
    below, p_swapped = swapped.get(first, (-1, 0.0))
    child, p_parent_swapped = swapped.get(choice.parent, (-1, 0.0))
    if child != first:
        p_parent_swapped = 0.0
    others = {_parent_id(family, row, other, known): round(share, 3) for other, share in choice.alternatives}
    if p_swapped >= CONFIDENCE.min_alternative:
        others[_parent_id(family, row, below, known)] = round(p_swapped, 3)
    evidence = ResidualEvidence(
        containment_log_odds=round(choice.containment_log_odds, 2),
        distance=round(choice.distance, 4),
        alternatives=others,
        common_origin=round(1 - presence.is_ancestor, 3),
        further_ancestor=round(presence.is_ancestor - presence.is_parent, 3),
        false_alarm_rate=round(presence.false_alarm_rate, 4),
    )
    confidence = presence.is_ancestor * (1 - p_swapped) * (1 - p_parent_swapped)
    return Edge(family.model_id(row), _parent_id(family, row, choice.parent, known), relation, confidence, evidence)


def _parent_id(family: FamilyState, row: int, parent: int, known: CanonicalDuplicates) -> str:
    """Return the parent's id: of its exact duplicates the one permuted as the child is, else the canonical one."""
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
    loose = merge.residual >= CONFIDENCE.loose_merge_residual and merge.method != PARTIAL_LINEAR
    confidence = CONFIDENCE.loose_merge if loose else CONFIDENCE.merge
    if family.relations.is_quantized(row):
        confidence = CONFIDENCE.quantized_merge
    for parent, weight in zip(merge.parents, merge.weights, strict=True):
        evidence = MergeEvidence(
            method=merge.method,
            weight=round(weight, 4),
            residual=round(merge.residual, 4),
            base="" if merge.base is None else family.model_id(known.canonical[merge.base]),
            alternatives=_alternatives(family, row, known, 1 - confidence),
        )
        out.append(
            Edge(
                family.model_id(row),
                family.model_id(known.canonical[parent]),
                Relation.MERGE,
                confidence,
                evidence,
            )
        )
    return out
