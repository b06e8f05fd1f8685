"""Exact relations of a family: duplicates, casts, quantized and pruned copies, merges."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

import numpy as np

from atlas_db.core.arrays import Doubles, Floats, Integers
from ingest.weights.merges.merge import Merge, MergeProblem, build_merge_problem
from ingest.weights.merges.merge_search import find_linear_merge, find_merge
from ingest.weights.merges.quantized_merges import find_quantized_merge
from ingest.weights.merges.subset_search import in_affine_hull
from ingest.weights.pairwise.quantization_grid import (
    LEAST,
    LEAST_CUT,
    Copy,
    explain,
    on_grids,
    own_grids,
    step_noise,
)
from ingest.weights.samples.aligned_samples import Vectors, distances, thinned
from ingest.weights.tree.family_state import (
    DTYPE_BITS,
    LATER_PENALTY,
    RANKED,
    FamilyState,
    candidate_parents,
    duplicate_sort_key,
    exact_duplicates,
    is_quantized,
)

SCREEN, GRID, LIKELY = 24, 144, 0.6
"""Positions that a copy is screened and a grid is looked for at, and the share explained there that is looked into."""


NEAREST = 8
"""Models that a possible copy is compared with."""


CERTAIN, CLOSER = 0.99, 0.8
"""Share explained from which a quantized copy is sure; of the rest, what its original explains if that is a merge."""


WHOLE = 0.97
"""Weight of task vectors from which one of them, solved for, is again a merge of the others and of what they make."""


def find_copies(family: FamilyState) -> None:
    """Find exact copies, then what is a rounded, quantized or pruned copy of what."""
    vectors, count = family.vectors, len(family.fingerprints)
    few, some = thinned(vectors, SCREEN), thinned(vectors, GRID)
    classes: dict[bytes, list[int]] = defaultdict(list)
    for row in range(count):
        classes[vectors.values[row].tobytes()].append(row)
    family.duplicate_of = list(range(count))
    family.quantization = own_grids(some)
    if family.unpermuted is not None:
        # Blocks of columns do not outlive that columns are moved.
        stored = own_grids(thinned(family.unpermuted, GRID))
        family.quantization = [grid or other for grid, other in zip(family.quantization, stored, strict=True)]
    for rows in classes.values():
        first = min(rows, key=lambda row: duplicate_sort_key(family, row))
        for row in rows:
            family.duplicate_of[row] = first
        _date_by_copies(family, first, rows)
    able = [row for row in range(count) if family.duplicate_of[row] == row]
    originals = np.array([row for row in able if not family.quantization[row]], np.int64)
    made, place = on_grids(few, originals), np.zeros(count, np.int64)
    place[originals] = np.arange(len(originals))
    for row in able:
        near = _nearest_candidates(family, few, row, originals)
        screened = explain(few, row, near, made.of(place[near]))
        near = near[[copy.share >= LIKELY for copy in screened]]
        found = [(other, explain(vectors, row, np.array([other]))[0]) for other in near.tolist()]
        found = [item for item in found if item[1].share >= LEAST and _is_possible_copy(family, row, *item)]
        if not found and family.quantization[row]:
            found = _match_unpermuted(family, row, originals)
        if found:
            best = max(copy.share for _, copy in found)
            alike = [item for item in found if item[1].share > best - 0.01]
            family.copies[row] = min(alike, key=lambda item: _copy_sort_key(family, row, *item))
            family.alternatives[row] = [other for other, _ in alike if other != family.copies[row][0]]


def _match_unpermuted(family: FamilyState, row: int, able: Integers) -> list[tuple[int, Copy]]:
    """Return what explains a quantized model, all units where they are in the files.

    What is merged of two orders has no order of its own, and it and its copy may have been put into different ones.
    """
    if family.unpermuted is None:
        return []
    able = np.array(_with_permuted_duplicates(family, able.tolist()), np.int64)
    flat = family.unpermuted.flat
    near = able[np.argsort(np.square(flat[able] - flat[row]).sum(1), kind="stable")[:NEAREST]]
    copies = explain(family.unpermuted, row, near)
    found = zip(near.tolist(), copies, strict=True)
    possible = [item for item in found if item[1].share >= LEAST and _is_possible_copy(family, row, *item)]
    return [(family.duplicate_of[other], copy) for other, copy in possible]


def _date_by_copies(family: FamilyState, first: int, rows: Sequence[int]) -> None:
    """Where the first of exact copies has no date, hear those of the others: these weights were there by then."""
    there = min((family.dates[row] for row in rows if family.dates[row]), default="")
    if family.dates[first] or not there:
        return
    later = np.array([date > there for date in family.dates])
    family.precedence_log_odds[first, later] += LATER_PENALTY
    family.precedence_log_odds[later, first] -= LATER_PENALTY


def _nearest_candidates(family: FamilyState, few: Vectors, row: int, able: Integers) -> Integers:
    """Return the models that are nearest to another, itself left out; to a pruned one, where it holds no zeros.

    Over all elements a pruned model is nearer to whatever is short than to what it was made of.
    """
    away, dense = family.sq_distance[row, able], few.values[row] != 0
    if dense.mean() < 1 - LEAST_CUT and not family.quantization[row]:
        away = np.square((few.values[able] - few.values[row]) * dense).sum((1, 2))
    near = able[np.argsort(away, kind="stable")[: NEAREST + 1]]
    return np.asarray(near[near != row][:NEAREST])


def _copy_sort_key(
    family: FamilyState, row: int, other: int, copy: Copy
) -> tuple[bool, bool, float, float, int, float]:
    """Sorts models that explain a copy alike: made before it, all kept, dense, wide, near.

    What is stored in a narrow type is explained by a cast to it as well as by what was cast, which more is made of.
    """
    away, width = float(family.sq_distance[row, other]), DTYPE_BITS.get(family.fingerprints[other].dtype, 0)
    cut = copy.kind == "pruned"
    return _is_later(family, other, row), cut, _zero_share(family, other), -round(copy.share, 3), -width, away


def _zero_share(family: FamilyState, row: int) -> float:
    """Share of zeros: of a dense model and a pruned one that both explain a copy, the dense one is its original."""
    return round(float((family.vectors.values[row] == 0).mean()), 2)


def _is_possible_copy(family: FamilyState, row: int, other: int, copy: Copy) -> bool:
    """A cast is narrower than its original."""
    if copy.kind not in ("cast", "same"):
        return True
    ours, theirs = family.fingerprints[row].dtype, family.fingerprints[other].dtype
    return DTYPE_BITS.get(ours, 0) < DTYPE_BITS.get(theirs, 0)


def find_merges(family: FamilyState) -> None:
    """Find what is merged of what, the longest weights first: merges add."""
    able_parents = candidate_parents(family)
    sources = [row for row in able_parents if not (row in family.copies and family.copies[row][1].kind == "cast")]
    lengths = np.square(family.vectors.flat).sum(1)
    views = [build_merge_problem(family.vectors, family.sq_distance, family.quantization)]
    if family.unpermuted is not None:
        views.append(build_merge_problem(family.unpermuted, distances(family.unpermuted), family.quantization))
    quantized = [
        row for row in range(len(family.fingerprints)) if family.duplicate_of[row] == row and is_quantized(family, row)
    ]
    order = sorted([*able_parents, *quantized], key=lambda row: (-float(lengths[row]), row))
    for row in order:
        copy = family.copies.get(row, (row, None))[1]
        if copy is not None and not (family.quantization[row] and copy.share < CERTAIN):
            continue
        able = [other for other in sources if not _is_merged_from(family, other, row)]
        earlier = _not_later(family, row, able)
        noises = [step_noise(view.vectors, row, family.quantization[row]) for view in views]
        found = None if copy is not None else _exact_merge(family, row, able, views, noises)
        if found is None and family.quantization[row]:
            found = _quantized_merge(family, row, earlier, views, noises)
            if found is not None and copy is not None and found.explained < copy.share + CLOSER * (1 - copy.share):
                found = None
        if found is not None and not differs_by_low_rank(family, row, found, earlier):
            family.copies.pop(row, None)
            family.merges[row] = found
            family.alternatives[row] = _interchangeable_parents(family, row, found, able, views[0].gram)


def _exact_merge(
    family: FamilyState, row: int, able: Sequence[int], views: Sequence[MergeProblem], noises: Sequence[Floats]
) -> Merge | None:
    """Return a merge that leaves no more than rounding to the stored type does."""
    earlier = _not_later(family, row, able)
    found = find_merge(views[0], row, earlier, noises[0])
    if len(earlier) < len(able) and (found is None or len(found.inputs) > 2):
        # A date may be wrong; a combination that leaves nothing over is no accident, and of fewer models still less so,
        # but the sum of two whole task vectors may be the equation of another merge turned round.
        other = find_merge(views[0], row, able, noises[0])
        if other is not None and (other.method != "task_arithmetic" or other.weights[0] < WHOLE):
            found = other if found is None or len(other.inputs) < len(found.inputs) else found
    return (
        found if found is not None or len(views) == 1 else _merge_of_unpermuted(family, row, able, views[1], noises[1])
    )


def _merge_of_unpermuted(
    family: FamilyState, row: int, able: Sequence[int], view: MergeProblem, noise: Floats
) -> Merge | None:
    """Return a merge of models whose units are in different orders."""
    stored = _with_permuted_duplicates(family, able)
    earlier = _not_later(family, row, stored)
    found = find_merge(view, row, earlier, noise, permuted=True)
    if found is None and len(earlier) < len(stored):
        found = find_linear_merge(view, row, stored, noise)
        if found is not None and found.weights[0] >= WHOLE:
            return None
    return None if found is None else _with_canonical_duplicates(family, found)


def _with_permuted_duplicates(family: FamilyState, rows: Sequence[int]) -> list[int]:
    """Return some models, and of those with exact copies in another order one in each."""
    found: dict[tuple[int, str], int] = {}
    for row in rows:
        for other in [row, *exact_duplicates(family, row)]:
            found.setdefault((row, family.permutation_id[other]), other)
    return sorted(found.values())


def _with_canonical_duplicates(family: FamilyState, merge: Merge) -> Merge | None:
    """Return a merge of originals in place of their copies, None where a model would be merged with itself."""
    parents = tuple(family.duplicate_of[row] for row in merge.parents)
    base = None if merge.base is None else family.duplicate_of[merge.base]
    made = merge._replace(parents=parents, base=base)
    return made if len(set(made.inputs)) == len(made.inputs) else None


def _not_later(family: FamilyState, row: int, able: Sequence[int]) -> list[int]:
    return [other for other in able if not _is_later(family, other, row)]


def _quantized_merge(
    family: FamilyState, row: int, earlier: Sequence[int], views: Sequence[MergeProblem], noises: Sequence[Floats]
) -> Merge | None:
    """Return a merge that a quantized model is a copy of."""
    found = find_quantized_merge(views[0], row, earlier, noises[0])
    if found is None and len(views) > 1:
        found = find_quantized_merge(views[1], row, _with_permuted_duplicates(family, earlier), noises[1])
        return None if found is None else _with_canonical_duplicates(family, found)
    return found


def _interchangeable_parents(
    family: FamilyState, row: int, merge: Merge, able: Sequence[int], inner: Doubles
) -> list[int]:
    """Return the models that may have their part in a linear merge, as they are combinations of its parents."""
    others = [other for other in able if other not in (row, *merge.inputs)]
    if merge.method not in ("linear", "task_arithmetic") or not others:
        return []
    noise = [float(step_noise(family.vectors, other, family.quantization[other]).mean()) for other in others]
    return in_affine_hull(inner, merge.inputs, others, np.array(noise))


def differs_by_low_rank(family: FamilyState, row: int, found: Merge, earlier: Collection[int]) -> bool:
    """Whether a model differs from a near one, or a parent, by a low rank: TIES and DARE go element by element."""
    if found.method not in ("ties", "dare"):
        return False
    near = sorted({*earlier, *found.parents}, key=lambda other: float(family.sq_distance[row, other]))[:RANKED]
    return any(
        family.sq_distance[row, other] > 0 and not np.isnan(family.difference_rank(row, other)) for other in near
    )


def _is_later(family: FamilyState, row: int, than: int) -> bool:
    return bool(family.dates[row] and family.dates[than] and family.dates[row] > family.dates[than])


def _is_merged_from(family: FamilyState, row: int, goal: int) -> bool:
    """Whether a row is merged of the goal, directly or not."""
    merge = family.merges.get(row)
    if merge is None:
        return False
    return goal in merge.inputs or any(_is_merged_from(family, part, goal) for part in merge.inputs)
