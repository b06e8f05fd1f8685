"""Exact relations of a family: duplicates, casts, quantized and pruned copies, merges."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence

import numpy as np

from atlas_db.core.arrays import Doubles, Floats, Integers
from ingest.weights.merges.merge import Merge, View, viewed
from ingest.weights.merges.merge_search import find_combined, find_merge
from ingest.weights.merges.quantized_merges import find_rounded
from ingest.weights.merges.subset_search import in_span
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
from ingest.weights.tree.family_state import LATER_PENALTY, RANKED, WIDTH, Family, age, exact_copies, is_leaf, nodes

SCREEN, GRID, LIKELY = 24, 144, 0.6
"""Positions that a copy is screened and a grid is looked for at, and the share explained there that is looked into."""


NEAREST = 8
"""Models that a possible copy is compared with."""


CERTAIN, CLOSER = 0.99, 0.8
"""Share explained from which a quantized copy is sure; of the rest, what its original explains if that is a merge."""


WHOLE = 0.97
"""Weight of task vectors from which one of them, solved for, is again a merge of the others and of what they make."""


def find_copies(family: Family) -> None:
    """Find exact copies, then what is a rounded, quantized or pruned copy of what."""
    vectors, count = family.vectors, len(family.prints)
    few, some = thinned(vectors, SCREEN), thinned(vectors, GRID)
    classes: dict[bytes, list[int]] = defaultdict(list)
    for row in range(count):
        classes[vectors.values[row].tobytes()].append(row)
    family.original = list(range(count))
    family.grid = own_grids(some)
    if family.as_stored is not None:
        # Blocks of columns do not outlive that columns are moved.
        stored = own_grids(thinned(family.as_stored, GRID))
        family.grid = [grid or other for grid, other in zip(family.grid, stored, strict=True)]
    for rows in classes.values():
        first = min(rows, key=lambda row: age(family, row))
        for row in rows:
            family.original[row] = first
        _date_by_copies(family, first, rows)
    able = [row for row in range(count) if family.original[row] == row]
    originals = np.array([row for row in able if not family.grid[row]], np.int64)
    made, place = on_grids(few, originals), np.zeros(count, np.int64)
    place[originals] = np.arange(len(originals))
    for row in able:
        near = _nearest(family, few, row, originals)
        screened = explain(few, row, near, made.of(place[near]))
        near = near[[copy.share >= LIKELY for copy in screened]]
        found = [(other, explain(vectors, row, np.array([other]))[0]) for other in near.tolist()]
        found = [item for item in found if item[1].share >= LEAST and _possible(family, row, *item)]
        if not found and family.grid[row]:
            found = _stored_alike(family, row, originals)
        if found:
            best = max(copy.share for _, copy in found)
            alike = [item for item in found if item[1].share > best - 0.01]
            family.copies[row] = min(alike, key=lambda item: _preference(family, row, *item))
            family.likewise[row] = [other for other, _ in alike if other != family.copies[row][0]]


def _stored_alike(family: Family, row: int, able: Integers) -> list[tuple[int, Copy]]:
    """Return what explains a quantized model, all units where they are in the files.

    What is merged of two orders has no order of its own, and it and its copy may have been put into different ones.
    """
    if family.as_stored is None:
        return []
    able = np.array(_in_every_order(family, able.tolist()), np.int64)
    flat = family.as_stored.flat
    near = able[np.argsort(np.square(flat[able] - flat[row]).sum(1), kind="stable")[:NEAREST]]
    copies = explain(family.as_stored, row, near)
    found = zip(near.tolist(), copies, strict=True)
    possible = [item for item in found if item[1].share >= LEAST and _possible(family, row, *item)]
    return [(family.original[other], copy) for other, copy in possible]


def _date_by_copies(family: Family, first: int, rows: Sequence[int]) -> None:
    """Where the first of exact copies has no date, hear those of the others: these weights were there by then."""
    there = min((family.dates[row] for row in rows if family.dates[row]), default="")
    if family.dates[first] or not there:
        return
    later = np.array([date > there for date in family.dates])
    family.older[first, later] += LATER_PENALTY
    family.older[later, first] -= LATER_PENALTY


def _nearest(family: Family, few: Vectors, row: int, able: Integers) -> Integers:
    """Return the models that are nearest to another, itself left out; to a pruned one, where it holds no zeros.

    Over all elements a pruned model is nearer to whatever is short than to what it was made of.
    """
    away, dense = family.squared[row, able], few.values[row] != 0
    if dense.mean() < 1 - LEAST_CUT and not family.grid[row]:
        away = np.square((few.values[able] - few.values[row]) * dense).sum((1, 2))
    near = able[np.argsort(away, kind="stable")[: NEAREST + 1]]
    return np.asarray(near[near != row][:NEAREST])


def _preference(family: Family, row: int, other: int, copy: Copy) -> tuple[bool, bool, float, float, int, float]:
    """Sorts models that explain a copy alike: made before it, all kept, dense, wide, near.

    What is stored in a narrow type is explained by a cast to it as well as by what was cast, which more is made of.
    """
    away, width = float(family.squared[row, other]), WIDTH.get(family.prints[other].dtype, 0)
    cut = copy.kind == "pruned"
    return _later(family, other, row), cut, _zeros(family, other), -round(copy.share, 3), -width, away


def _zeros(family: Family, row: int) -> float:
    """Share of zeros: of a dense model and a pruned one that both explain a copy, the dense one is its original."""
    return round(float((family.vectors.values[row] == 0).mean()), 2)


def _possible(family: Family, row: int, other: int, copy: Copy) -> bool:
    """A cast is narrower than its original."""
    if copy.kind not in ("cast", "same"):
        return True
    ours, theirs = family.prints[row].dtype, family.prints[other].dtype
    return WIDTH.get(ours, 0) < WIDTH.get(theirs, 0)


def find_merges(family: Family) -> None:
    """Find what is merged of what, the longest weights first: merges add."""
    able_parents = nodes(family)
    sources = [row for row in able_parents if not (row in family.copies and family.copies[row][1].kind == "cast")]
    lengths = np.square(family.vectors.flat).sum(1)
    views = [viewed(family.vectors, family.squared, family.grid)]
    if family.as_stored is not None:
        views.append(viewed(family.as_stored, distances(family.as_stored), family.grid))
    quantized = [row for row in range(len(family.prints)) if family.original[row] == row and is_leaf(family, row)]
    order = sorted([*able_parents, *quantized], key=lambda row: (-float(lengths[row]), row))
    for row in order:
        copy = family.copies.get(row, (row, None))[1]
        if copy is not None and not (family.grid[row] and copy.share < CERTAIN):
            continue
        able = [other for other in sources if not _reaches(family, other, row)]
        earlier = _earlier(family, row, able)
        noises = [step_noise(view.vectors, row, family.grid[row]) for view in views]
        found = None if copy is not None else _exact_merge(family, row, able, views, noises)
        if found is None and family.grid[row]:
            found = _rounded_merge(family, row, earlier, views, noises)
            if found is not None and copy is not None and found.explained < copy.share + CLOSER * (1 - copy.share):
                found = None
        if found is not None and not _by_chance(family, row, found, earlier):
            family.copies.pop(row, None)
            family.merges[row] = found
            family.likewise[row] = _interchangeable(family, row, found, able, views[0].inner)


def _exact_merge(
    family: Family, row: int, able: Sequence[int], views: Sequence[View], noises: Sequence[Floats]
) -> Merge | None:
    """Return a merge that leaves no more than rounding to the stored type does."""
    earlier = _earlier(family, row, able)
    found = find_merge(views[0], row, earlier, noises[0])
    if len(earlier) < len(able) and (found is None or len(found.parts) > 2):
        # A date may be wrong; a combination that leaves nothing over is no accident, and of fewer models still less so,
        # but the sum of two whole task vectors may be the equation of another merge turned round.
        other = find_merge(views[0], row, able, noises[0])
        if other is not None and (other.method != "task_arithmetic" or other.weights[0] < WHOLE):
            found = other if found is None or len(other.parts) < len(found.parts) else found
    return found if found is not None or len(views) == 1 else _merge_as_stored(family, row, able, views[1], noises[1])


def _merge_as_stored(family: Family, row: int, able: Sequence[int], view: View, noise: Floats) -> Merge | None:
    """Return a merge of models whose units are in different orders."""
    stored = _in_every_order(family, able)
    earlier = _earlier(family, row, stored)
    found = find_merge(view, row, earlier, noise, mixed=True)
    if found is None and len(earlier) < len(stored):
        found = find_combined(view, row, stored, noise)
        if found is not None and found.weights[0] >= WHOLE:
            return None
    return None if found is None else _of_originals(family, found)


def _in_every_order(family: Family, rows: Sequence[int]) -> list[int]:
    """Return some models, and of those with exact copies in another order one in each."""
    found: dict[tuple[int, str], int] = {}
    for row in rows:
        for other in [row, *exact_copies(family, row)]:
            found.setdefault((row, family.frames[other]), other)
    return sorted(found.values())


def _of_originals(family: Family, merge: Merge) -> Merge | None:
    """Return a merge of originals in place of their copies, None where a model would be merged with itself."""
    parents = tuple(family.original[row] for row in merge.parents)
    base = None if merge.base is None else family.original[merge.base]
    made = merge._replace(parents=parents, base=base)
    return made if len(set(made.parts)) == len(made.parts) else None


def _earlier(family: Family, row: int, able: Sequence[int]) -> list[int]:
    return [other for other in able if not _later(family, other, row)]


def _rounded_merge(
    family: Family, row: int, earlier: Sequence[int], views: Sequence[View], noises: Sequence[Floats]
) -> Merge | None:
    """Return a merge that a quantized model is a copy of."""
    found = find_rounded(views[0], row, earlier, noises[0])
    if found is None and len(views) > 1:
        found = find_rounded(views[1], row, _in_every_order(family, earlier), noises[1])
        return None if found is None else _of_originals(family, found)
    return found


def _interchangeable(family: Family, row: int, merge: Merge, able: Sequence[int], inner: Doubles) -> list[int]:
    """Return the models that may have their part in a linear merge, as they are combinations of its parents."""
    others = [other for other in able if other not in (row, *merge.parts)]
    if merge.method not in ("linear", "task_arithmetic") or not others:
        return []
    noise = [float(step_noise(family.vectors, other, family.grid[other]).mean()) for other in others]
    return in_span(inner, merge.parts, others, np.array(noise))


def _by_chance(family: Family, row: int, found: Merge, earlier: Collection[int]) -> bool:
    """Whether a model differs from a near one, or a parent, by a low rank: TIES and DARE go element by element."""
    if found.method not in ("ties", "dare"):
        return False
    near = sorted({*earlier, *found.parents}, key=lambda other: float(family.squared[row, other]))[:RANKED]
    return any(family.squared[row, other] > 0 and not np.isnan(family.rank(row, other)) for other in near)


def _later(family: Family, row: int, than: int) -> bool:
    return bool(family.dates[row] and family.dates[than] and family.dates[row] > family.dates[than])


def _reaches(family: Family, row: int, goal: int) -> bool:
    """Whether a row is merged of the goal, directly or not."""
    merge = family.merges.get(row)
    if merge is None:
        return False
    return goal in merge.parts or any(_reaches(family, part, goal) for part in merge.parts)
