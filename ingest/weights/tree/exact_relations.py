"""Exact relations of a family: duplicates, casts, quantized and pruned copies, merges."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from atlas_db.core.arrays import Doubles, Floats, Integers
from ingest.weights.merges.merge import Merge, MergeProblem, build_merge_problem
from ingest.weights.merges.merge_search import find_linear_merge, find_merge
from ingest.weights.merges.mixture_recipes import ELEMENT_METHODS
from ingest.weights.merges.quantized_merges import find_quantized_merge
from ingest.weights.merges.subset_search import in_affine_hull
from ingest.weights.pairwise.quantization_grid import (
    CopyMatch,
    detect_grids,
    match_quantization,
    quantize_models,
    storage_noise,
)
from ingest.weights.pairwise.quantized_copy import match_levels
from ingest.weights.parameters.pairwise_parameters import PAIRWISE
from ingest.weights.parameters.quantized_parameters import QUANTIZED
from ingest.weights.parameters.tree_parameters import TREE
from ingest.weights.samples.aligned_samples import FLOAT_DTYPES, Vectors, sq_distances, subsampled
from ingest.weights.tree.family_state import (
    DTYPE_BITS,
    ExactRelations,
    FamilySamples,
    FamilyState,
    PairTests,
    duplicate_sort_key,
    exact_duplicates,
    precedence_log_odds,
)

_LIMITS = TREE.copies


def build_family_state(samples: FamilySamples, tests: PairTests) -> FamilyState:
    """Find the exact relations of a family, and combine them with its samples and pairwise tests.

    Args:
        samples: The family.
        tests: Its pairwise tests.
    """
    return combined_state(samples, tests, find_merges(samples, tests, find_copies(samples)))


def combined_state(samples: FamilySamples, tests: PairTests, relations: ExactRelations) -> FamilyState:
    """Combine a family's samples, pairwise tests and exact relations.

    Args:
        samples: The family.
        tests: Its pairwise tests.
        relations: Its exact relations.
    """
    log_odds = precedence_log_odds(samples, tests, relations.duplicate_of)
    return FamilyState(samples, tests, relations, log_odds + _precedence_of_bases(relations))


def _precedence_of_bases(relations: ExactRelations) -> Doubles:
    """Return log-odds that the base of a merge came before its parents, shape (n, n).

    Task vectors are differences from the model that the parents were trained from (Ilharco et al. 2023,
    arXiv 2212.04089).
    """
    count = len(relations.duplicate_of)
    added = np.zeros((count, count))
    for merge in relations.merges.values():
        if merge.base is not None:
            parents = [row for row in merge.parents if row != merge.base]
            added[merge.base, parents] = _LIMITS.base_precedence_log_odds
            added[parents, merge.base] = -_LIMITS.base_precedence_log_odds
    return added


def find_copies(samples: FamilySamples) -> ExactRelations:
    """Find exact duplicates, then casts, quantized and pruned copies; merges are not searched.

    Args:
        samples: The family.
    """
    vectors = samples.vectors
    duplicate_of, quantization = _find_duplicates(samples), _detect_grids(samples)
    screening = subsampled(vectors, _LIMITS.screening_positions)
    tested = [row for row, first in enumerate(duplicate_of) if first == row]
    originals = np.array([row for row in tested if not quantization[row]], np.int64)
    grids, place = quantize_models(screening, originals), np.zeros(len(duplicate_of), np.int64)
    place[originals] = np.arange(len(originals))
    copies: dict[int, tuple[int, CopyMatch]] = {}
    alternatives: dict[int, list[int]] = {}
    known = samples.measured.copies
    for row in (row for row in tested if samples.is_child[row]):
        nearest = _nearest_originals(samples, screening, row, originals, is_on_grid=bool(quantization[row]))
        if (row, *nearest.tolist()) not in known:
            screened = match_quantization(screening, row, nearest, grids.take(place[nearest]))
            likely = nearest[[copy.explained >= _LIMITS.min_screened_share for copy in screened]].tolist()
            found = [(other, match_quantization(vectors, row, np.array([other]))[0]) for other in likely]
            known[row, *nearest.tolist()] = found
        matches = [
            item
            for item in known[row, *nearest.tolist()]
            if item[1].explained >= PAIRWISE.min_copy_share and _is_possible_copy(samples, row, *item)
        ]
        if not matches and quantization[row]:
            matches = _match_unpermuted(samples, duplicate_of, row, originals)
        if not matches and vectors.main_dtype[row] not in FLOAT_DTYPES:
            matches = _match_by_levels(samples, row, nearest)
        if matches:
            best = max(copy.explained for _, copy in matches)
            close = [item for item in matches if item[1].explained > best - _LIMITS.share_tolerance]
            copies[row] = min(close, key=lambda item: _copy_sort_key(samples, row, *item))
            alternatives[row] = [other for other, _ in close if other != copies[row][0]]
    return ExactRelations(duplicate_of, quantization, copies, {}, alternatives)


def _find_duplicates(samples: FamilySamples) -> list[int]:
    """Return the representative of each row's exact duplicates: the first by `duplicate_sort_key`."""
    values = samples.vectors.values
    rows_by_values: dict[bytes, list[int]] = defaultdict(list)
    for row in range(len(values)):
        rows_by_values[values[row].tobytes()].append(row)
    duplicate_of = list(range(len(values)))
    for rows in rows_by_values.values():
        first = min(rows, key=lambda row: duplicate_sort_key(samples, row))
        for row in rows:
            duplicate_of[row] = first
    return duplicate_of


def _detect_grids(samples: FamilySamples) -> list[str]:
    """Return the quantization grid of each model, empty where there is none.

    A permutation of columns destroys block-wise grids. So they are detected on unpermuted samples as well.
    """
    measured = samples.measured
    if not measured.grids:
        measured.grids = detect_grids(subsampled(samples.vectors, _LIMITS.grid_positions))
        if samples.unpermuted is not None:
            unpermuted = detect_grids(subsampled(samples.unpermuted, _LIMITS.grid_positions))
            measured.grids = [grid or other for grid, other in zip(measured.grids, unpermuted, strict=True)]
    return measured.grids


def _match_unpermuted(
    samples: FamilySamples, duplicate_of: Sequence[int], row: int, originals: Integers
) -> list[tuple[int, CopyMatch]]:
    """Return the originals that explain a quantized model with units in the order of the files.

    A merge of models in two orders has no order of its own. It and its copy may have been permuted differently.
    """
    if samples.unpermuted is None:
        return []
    candidates = np.array(_with_permuted_duplicates(samples, duplicate_of, originals.tolist()), np.int64)
    flat = samples.unpermuted.flat
    sq_distance = np.square(flat[candidates] - flat[row]).sum(1)
    nearest = candidates[np.argsort(sq_distance, kind="stable")[: _LIMITS.max_originals]]
    matches = zip(nearest.tolist(), match_quantization(samples.unpermuted, row, nearest), strict=True)
    possible = [
        item
        for item in matches
        if item[1].explained >= PAIRWISE.min_copy_share and _is_possible_copy(samples, row, *item)
    ]
    return [(duplicate_of[other], copy) for other, copy in possible]


def _match_by_levels(samples: FamilySamples, row: int, nearest: Integers) -> list[tuple[int, CopyMatch]]:
    """Return the originals whose weights lie nearest to the levels of a model that is stored quantized."""
    as_stored = samples.vectors if samples.unpermuted is None else samples.unpermuted
    matches = zip(nearest.tolist(), match_levels(as_stored, row, nearest), strict=True)
    return [item for item in matches if 1 - item[1].explained <= QUANTIZED.max_crossed]


def _nearest_originals(
    samples: FamilySamples, screening: Vectors, row: int, originals: Integers, *, is_on_grid: bool
) -> Integers:
    """Return the models nearest to another, itself left out.

    Over all elements a pruned model is nearer to any short vector than to its original. So for pruned models distances
    are taken over nonzero elements.
    """
    sq_distance, nonzero = samples.sq_distance[row, originals], screening.values[row] != 0
    if nonzero.mean() < 1 - PAIRWISE.min_pruned_share and not is_on_grid:
        sq_distance = np.square((screening.values[originals] - screening.values[row]) * nonzero).sum((1, 2))
    nearest = originals[np.argsort(sq_distance, kind="stable")[: _LIMITS.max_originals + 1]]
    return np.asarray(nearest[nearest != row][: _LIMITS.max_originals])


def _copy_sort_key(
    samples: FamilySamples, row: int, other: int, copy: CopyMatch
) -> tuple[bool, bool, float, float, int, float]:
    """Sort key of originals that explain a copy equally well.

    In order: not dated later, unpruned, fewest zeros, greatest share, widest type, nearest. A model in a narrow type is
    explained by a cast to that type as well as by the cast's original, which has more descendants.
    """
    bits = DTYPE_BITS.get(samples.fingerprints[other].dtype, 0)
    is_pruned = copy.kind == "pruned"
    distance = float(samples.sq_distance[row, other])
    return (
        _is_later(samples, other, row),
        is_pruned,
        _zero_share(samples, other),
        -round(copy.explained, 3),
        -bits,
        distance,
    )


def _zero_share(samples: FamilySamples, row: int) -> float:
    """Return the share of zeros; where a dense and a pruned model explain a copy, the dense one is its original."""
    return round(float((samples.vectors.values[row] == 0).mean()), 2)


def _is_possible_copy(samples: FamilySamples, row: int, other: int, copy: CopyMatch) -> bool:
    """Whether a match can be a copy: a cast has a narrower type than its original."""
    if copy.kind not in ("cast", "same"):
        return True
    bits, original_bits = (DTYPE_BITS.get(samples.fingerprints[at].dtype, 0) for at in (row, other))
    return bits < original_bits


class _MergeInput(NamedTuple):
    """What merge search of a family reads.

    Attributes:
        samples: The family.
        tests: Its pairwise tests.
        copies: Its duplicates and copies.
        problems: The family with units aligned and, where any were permuted, as stored.
    """

    samples: FamilySamples
    tests: PairTests
    copies: ExactRelations
    problems: Sequence[MergeProblem]


def find_merges(samples: FamilySamples, tests: PairTests, relations: ExactRelations) -> ExactRelations:
    """Return exact relations with merges added; a coarse copy that a merge explains better becomes a merge.

    The equation of a merge may be solved for any of its inputs as well. Sums of task vectors are longer than their
    inputs. So models are searched in descending order of length, and a merge is no candidate of its inputs.

    Args:
        samples: The family.
        tests: Its pairwise tests.
        relations: Its duplicates and copies.
    """
    vectors, quantization = samples.vectors, relations.quantization
    parents = relations.candidate_parents()
    inputs = [row for row in parents if not (row in relations.copies and relations.copies[row][1].kind == "cast")]
    quantized = [
        row for row, first in enumerate(relations.duplicate_of) if first == row and relations.is_quantized(row)
    ]
    sq_lengths = np.square(vectors.flat).sum(1)
    given = _MergeInput(samples, tests, relations, _merge_problems(samples, quantization))
    deferred: list[int] = []
    merges: dict[int, Merge] = {}
    searched = [row for row in (*parents, *quantized) if samples.is_child[row]]
    order = sorted(searched, key=lambda row: (-float(sq_lengths[row]), row))
    for row in order:
        merge = _merge_unless_copy(given, row, [other for other in inputs if not _is_merged_from(merges, other, row)])
        if merge is not None and merge.complexity > _LIMITS.max_simple_complexity:
            deferred.append(row)
        elif merge is not None:
            merges[row] = merge
    # Sums of merges may meet an input of theirs by chance, with weights of its own in each tensor.
    for row in deferred:
        merge = _merge_unless_copy(given, row, [other for other in inputs if not _is_merged_from(merges, other, row)])
        if merge is not None:
            merges[row] = merge
    _prefer_unmerged_inputs(given, merges, inputs)
    copies = {row: copy for row, copy in relations.copies.items() if row not in merges}
    alternatives = dict(relations.alternatives)
    for row, merge in merges.items():
        candidates = [other for other in inputs if not _is_merged_from(merges, other, row)]
        alternatives[row] = _interchangeable_inputs(given, row, merge, _not_later(samples, row, candidates))
    return ExactRelations(relations.duplicate_of, quantization, copies, merges, alternatives)


def _merge_problems(samples: FamilySamples, quantization: Sequence[str]) -> Sequence[MergeProblem]:
    """Return the family as input of merge search, with units aligned and, where any were permuted, as stored."""
    problems = samples.measured.problems
    if not problems:
        problems.append(build_merge_problem(samples.vectors, samples.sq_distance, quantization))
        if samples.unpermuted is not None:
            problems.append(build_merge_problem(samples.unpermuted, sq_distances(samples.unpermuted), quantization))
    return problems


def _merge_unless_copy(given: _MergeInput, row: int, candidates: Sequence[int]) -> Merge | None:
    """Return the merge that a model is, None for a certain copy and where a low rank explains the model as well."""
    relations = given.copies
    copy = relations.copies[row][1] if row in relations.copies else None
    if copy is not None and not (relations.quantization[row] and copy.explained < _LIMITS.min_certain_share):
        return None
    merge = _merge_of(given, row, candidates, copy)
    earlier = _not_later(given.samples, row, candidates)
    if merge is None or differs_by_low_rank(given.samples, given.tests, row, merge, earlier):
        return None
    return merge


def _prefer_unmerged_inputs(given: _MergeInput, merges: dict[int, Merge], inputs: Sequence[int]) -> None:
    """Replace merges of merges by merges of other models, where these explain a model as simply.

    Merges of the same models span what the models span, so that each is a combination of some others.

    Args:
        given: The family.
        merges: Merges by row; changed in place.
        inputs: Rows that may be inputs.
    """
    unmerged = [row for row in inputs if row not in merges]
    for row, merge in list(merges.items()):
        if given.copies.quantization[row] or all(part not in merges for part in merge.inputs):
            continue
        other = _merge_unless_copy(given, row, [each for each in unmerged if each != row])
        most = merge.complexity + len(merge.inputs)
        explains_less = other is not None and other.explained < merge.explained - _LIMITS.share_tolerance
        if other is not None and not explains_less and other.complexity + len(other.inputs) <= most:
            merges[row] = other


def _merge_of(given: _MergeInput, row: int, candidates: Sequence[int], copy: CopyMatch | None) -> Merge | None:
    """Return the merge that a model is, or that it is a quantized copy of, or None.

    Where a copy was found already, a merge has to explain most of what the copy leaves.
    """
    grid = given.copies.quantization[row]
    noises = [storage_noise(problem.vectors, row, grid) for problem in given.problems]
    merge = _exact_merge(given, row, candidates, noises) if copy is None else None
    if merge is not None or not grid:
        return merge
    merge = _quantized_merge(given, row, candidates, noises)
    if merge is not None and copy is not None:
        least = copy.explained + _LIMITS.min_merge_gain * (1 - copy.explained)
        return None if merge.explained < least else merge
    return merge


def _exact_merge(given: _MergeInput, row: int, candidates: Sequence[int], noises: Sequence[Floats]) -> Merge | None:
    """Return the merge that reproduces a model up to the rounding of its type, or None.

    Models dated later are tried as well, as dates may be wrong. An exact combination is no accident, and one of fewer
    models still less so. But the sum of two whole task vectors may be the equation of another merge, solved for one of
    its inputs.
    """
    problem, noise = given.problems[0], noises[0]
    earlier = _not_later(given.samples, row, candidates)
    merge = find_merge(problem, row, earlier, noise)
    if len(earlier) < len(candidates) and (merge is None or len(merge.inputs) > 2):
        other = find_merge(problem, row, candidates, noise)
        if other is not None and _is_certain_in_any_order(other):
            merge = other if merge is None or len(other.inputs) < len(merge.inputs) else merge
    if merge is not None or len(given.problems) == 1:
        return merge
    return _merge_of_unpermuted(given, row, candidates, noises[1])


def _is_certain_in_any_order(merge: Merge) -> bool:
    """Whether a merge is no equation of another merge, solved for one of its inputs.

    Of two models and two stacks of their layers, any two are stacks of the others. Arcs between task vectors have a
    length of their own, so they meet a parent of a merge as well as the merge.
    """
    methods = set(merge.method.split("|"))
    if merge.complexity > _LIMITS.max_simple_complexity or methods & {"passthrough", "nuslerp", "multislerp"}:
        return False
    return merge.method != "task_arithmetic" or merge.weights[0] < _LIMITS.max_task_vector_weight


def _merge_of_unpermuted(given: _MergeInput, row: int, candidates: Sequence[int], noise: Floats) -> Merge | None:
    """Return the merge of models whose units are in different orders, or None."""
    problem = given.problems[1]
    stored = _with_permuted_duplicates(given.samples, given.copies.duplicate_of, candidates)
    earlier = _not_later(given.samples, row, stored)
    merge = find_merge(problem, row, earlier, noise, permuted=True)
    if merge is None and len(earlier) < len(stored):
        merge = find_linear_merge(problem, row, stored, noise)
        if merge is not None and merge.weights[0] >= _LIMITS.max_task_vector_weight:
            return None
    return None if merge is None else _with_representatives(given.copies.duplicate_of, merge)


def _quantized_merge(given: _MergeInput, row: int, candidates: Sequence[int], noises: Sequence[Floats]) -> Merge | None:
    """Return the merge that a quantized model is a copy of, or None."""
    earlier = _not_later(given.samples, row, candidates)
    merge = find_quantized_merge(given.problems[0], row, earlier, noises[0])
    if merge is not None or len(given.problems) == 1:
        return merge
    stored = _with_permuted_duplicates(given.samples, given.copies.duplicate_of, earlier)
    merge = find_quantized_merge(given.problems[1], row, stored, noises[1])
    return None if merge is None else _with_representatives(given.copies.duplicate_of, merge)


def _with_permuted_duplicates(samples: FamilySamples, duplicate_of: Sequence[int], rows: Sequence[int]) -> list[int]:
    """Return rows with one duplicate of each in every other permutation that there is of it, ascending."""
    found: dict[tuple[int, str], int] = {}
    for row in rows:
        for other in [row, *exact_duplicates(duplicate_of, row)]:
            found.setdefault((row, samples.permutation_id[other]), other)
    return sorted(found.values())


def _with_representatives(duplicate_of: Sequence[int], merge: Merge) -> Merge | None:
    """Return a merge with duplicates replaced by their representatives, None where one would be an input twice."""
    parents = tuple(duplicate_of[row] for row in merge.parents)
    base = None if merge.base is None else duplicate_of[merge.base]
    replaced = merge._replace(parents=parents, base=base)
    return replaced if len(set(replaced.inputs)) == len(replaced.inputs) else None


def _interchangeable_inputs(given: _MergeInput, row: int, merge: Merge, candidates: Sequence[int]) -> list[int]:
    """Return the models that may be inputs of a linear merge instead, as they lie in the affine hull of its inputs."""
    others = [other for other in candidates if other not in (row, *merge.inputs)]
    if merge.method not in ("linear", "task_arithmetic") or not others:
        return []
    quantization = given.copies.quantization
    noise = [float(storage_noise(given.samples.vectors, other, quantization[other]).mean()) for other in others]
    return in_affine_hull(given.problems[0].gram, merge.inputs, others, np.array(noise))


def differs_by_low_rank(
    samples: FamilySamples, tests: PairTests, row: int, merge: Merge, earlier: Collection[int]
) -> bool:
    """Whether a fit of elements is chance, as the model differs from a near one or a parent by a low rank.

    TIES, DARE and their like change elements one by one, which makes differences of full rank.

    Args:
        samples: The family.
        tests: Its pairwise tests.
        row: The model.
        merge: The fit.
        earlier: Models that may have been there before it.
    """
    if not ELEMENT_METHODS.intersection(merge.method.split("|")):
        return False
    sq_distance = samples.sq_distance[row]
    nearest = sorted({*earlier, *merge.parents}, key=lambda other: float(sq_distance[other]))
    return any(
        sq_distance[other] > 0 and not np.isnan(tests.difference_ranks.rank(row, other))
        for other in nearest[: TREE.max_rank_neighbours]
    )


def _not_later(samples: FamilySamples, row: int, candidates: Sequence[int]) -> list[int]:
    """Return the candidates that are not dated after a model."""
    return [other for other in candidates if not _is_later(samples, other, row)]


def _is_later(samples: FamilySamples, row: int, other: int) -> bool:
    """Whether a model is dated after another; False where a date is not known."""
    date, other_date = samples.dates[row], samples.dates[other]
    return bool(date and other_date and date > other_date)


def _is_merged_from(merges: Mapping[int, Merge], row: int, ancestor: int) -> bool:
    """Whether a model is merged from another, directly or through other merges."""
    merge = merges.get(row)
    if merge is None:
        return False
    return ancestor in merge.inputs or any(_is_merged_from(merges, part, ancestor) for part in merge.inputs)
