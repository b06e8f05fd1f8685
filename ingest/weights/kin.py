"""What is certain of a family before its tree is grown: copies, rounded and pruned ones, merges, who came first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from ingest.weights.copies import LEAST, LEAST_CUT, Copy, explain, on_grids, own_grids, step_noise
from ingest.weights.direction import directions
from ingest.weights.edges import known_date
from ingest.weights.family import Doubles, Integers, Vectors, align, cosines, distances, distances_by_part, thinned
from ingest.weights.fingerprint import Fingerprint, Sample
from ingest.weights.merges import find_combined, find_merge, in_span
from ingest.weights.odds import Odds, load_odds
from ingest.weights.orders import in_one_order
from ingest.weights.ranks import difference_rank
from ingest.weights.reread import Rereader
from ingest.weights.rounded import find_rounded
from ingest.weights.safetensors import Floats
from ingest.weights.unmet import unmet
from ingest.weights.untouched import untouched
from ingest.weights.view import Merge, View, viewed

SCREEN, GRID, LIKELY = 24, 144, 0.6
"""Positions that a copy is screened and a grid is looked for at, and the share explained there that is looked into."""
RANKED = 16
"""Models nearer than another at which the rank of a difference is still looked at."""
NEAREST = 8
"""Models that a possible copy is compared with."""
WIDTH = {"F64": 64, "F32": 32, "BF16": 16, "F16": 16, "F8_E4M3": 8, "F8_E5M2": 8}
CERTAIN, CLOSER = 0.99, 0.8
"""Share explained from which a quantized copy is sure; of the rest, what its original explains if that is a merge."""
WHOLE = 0.97
"""Weight of task vectors from which one of them, solved for, is again a merge of the others and of what they make."""
LATER_PENALTY = 3.5
"""Log-odds against a parent dated after its child: 3 % of dates are wrong in generated families, 0.3 % on the Hub."""


@dataclass(slots=True)
class Family:
    """One component while it is charted. Rows are rows of `vectors`.

    Attributes:
        prints: Fingerprint of each row.
        vectors: Samples side by side.
        squared: Squared distances.
        alike: Cosines.
        by_weights: Log-odds that each row came before each other, by weights alone.
        older: The same, by weights and dates.
        dates: Date of each row, or empty.
        odds: Fitted weights.
        original: Row that each row is an exact copy of; itself where it is none.
        grid: Grid that a row's values lie on, or empty.
        copies: What a row is a copy of, and how.
        merges: What a row is merged of.
        likewise: Other models that a row may as well be a copy of, or merged of.
        as_stored: Samples with all units where they are in the files, where any were moved: merges are made of these.
        frames: Name of the permutation that was undone in each row; empty where there was none.
        close: Whether few models are nearer to one of two than the other is: the rank of their difference is looked at.
        ranks: Ranks of differences that were looked at.
        kept: Share of each row's tensors that every other row has just as they are, children first.
        by_part: Logarithms of distances over each part of the network, shape (n, n, parts).
        unmet: What models have of each other's rows of words, in bits.
    """

    prints: list[Fingerprint]
    vectors: Vectors
    squared: Doubles
    alike: Doubles
    dates: list[str]
    odds: Odds
    by_weights: Doubles = field(default_factory=lambda: np.empty((0, 0)))
    older: Doubles = field(default_factory=lambda: np.empty((0, 0)))
    original: list[int] = field(default_factory=list)
    grid: list[str] = field(default_factory=list)
    copies: dict[int, tuple[int, Copy]] = field(default_factory=dict)
    merges: dict[int, Merge] = field(default_factory=dict)
    likewise: dict[int, list[int]] = field(default_factory=dict)
    frames: list[str] = field(default_factory=list)
    as_stored: Vectors | None = None
    close: npt.NDArray[np.bool_] = field(init=False)
    ranks: dict[tuple[int, int], float] = field(default_factory=dict)
    kept: Doubles = field(default_factory=lambda: np.empty((0, 0)))
    by_part: Floats = field(default_factory=lambda: np.empty((0, 0, 0), np.float32))
    unmet: npt.NDArray[np.uint8] = field(default_factory=lambda: np.empty((0, 0, 0), np.uint8))

    def __post_init__(self) -> None:
        nearer = np.array([np.searchsorted(np.sort(away), away) for away in self.squared])
        self.close = (nearer <= RANKED) | (nearer <= RANKED).T

    def rank(self, row: int, other: int) -> float:
        """Return the rank of the difference of two rows, NaN where it is not low, or the two are not close."""
        if not self.close[row, other]:
            return np.nan
        pair = (min(row, other), max(row, other))
        if pair not in self.ranks:
            self.ranks[pair] = difference_rank(self.vectors, *pair)
        return self.ranks[pair]


def assemble(prints: Sequence[Fingerprint], read: Rereader | None, *, time: bool) -> Family:
    """Read the models of one component side by side, units in one order."""
    samples: list[Sample | None] = [read.sample(item) for item in prints] if read else [None] * len(prints)
    close = all(sample is not None for sample in samples)
    used = [sample if close and sample else item.sample for sample, item in zip(samples, prints, strict=True)]
    frames, as_stored = [""] * len(prints), used
    if read is not None and close:
        used, frames = in_one_order(prints, used, read)
    vectors = align(used, [item.dtype for item in prints])
    kept = [prints[place] for place in vectors.members]
    dates = [known_date(item.created_at) if time else "" for item in kept]
    family = Family(kept, vectors, distances(vectors), cosines(vectors), dates, load_odds(close))
    family.frames = [frames[place] for place in vectors.members]
    if any(family.frames):
        stored = align([as_stored[place] for place in vectors.members], [item.dtype for item in kept])
        family.as_stored = stored if len(stored.members) == len(kept) else None
    family.kept, family.unmet, family.by_part = untouched(vectors), unmet(vectors), distances_by_part(vectors)
    family.by_weights = directions(vectors, family.squared, family.odds.direction)
    return dated(family, dates)


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


def age(family: Family, row: int) -> tuple[str, int, str, int]:
    """Sorts copies: those without a date first (the Hub's stand-in is for the oldest), then by date, type and order."""
    return family.dates[row], -WIDTH.get(family.prints[row].dtype, 0), family.frames[row], row


def _possible(family: Family, row: int, other: int, copy: Copy) -> bool:
    """A cast is narrower than its original."""
    if copy.kind not in ("cast", "same"):
        return True
    ours, theirs = family.prints[row].dtype, family.prints[other].dtype
    return WIDTH.get(ours, 0) < WIDTH.get(theirs, 0)


def nodes(family: Family) -> list[int]:
    """Rows that can be parents: originals that are not quantized."""
    return [row for row in range(len(family.prints)) if family.original[row] == row and not is_leaf(family, row)]


def is_leaf(family: Family, row: int) -> bool:
    """Whether a model is quantized: nothing comes from it."""
    copy = family.copies.get(row)
    return bool(family.grid[row]) or (copy is not None and copy[1].kind == "quantized")


def frames_of(family: Family, row: int) -> set[str]:
    """Orders of units that a model and its exact copies come in."""
    return {family.frames[other] for other in exact_copies(family, row)}


def exact_copies(family: Family, row: int) -> list[int]:
    """Rows that hold the very same weights, the row itself among them."""
    return [other for other, first in enumerate(family.original) if first == family.original[row]]


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


def fixed_parents(family: Family, row: int) -> list[int]:
    """Parents that a row is known to have, the nearest first."""
    if row in family.copies:
        return [family.copies[row][0]]
    if row in family.merges:
        return sorted(family.merges[row].parents, key=lambda parent: family.squared[row, parent])
    return []


def dated(family: Family, dates: list[str]) -> Family:
    """Return a family with other dates: which of two models came first is what the weights say, and what these say."""
    known = np.array([bool(date) for date in dates])
    order = np.unique(np.array(dates), return_inverse=True)[1]
    by_date = np.sign(order[None] - order[:, None]) * LATER_PENALTY
    older = np.asarray(family.by_weights + np.where(known[:, None] & known[None], by_date, 0.0))
    return replace(family, dates=dates, older=older)
