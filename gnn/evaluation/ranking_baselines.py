"""What the completion of lists (parents, datasets, languages) is compared with: each a few lines over declarations.

Every method names candidates, the best first; where it has none, or fewer than ten, the most declared follow.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_array, diags_array
from sklearn.feature_extraction.text import TfidfVectorizer

from atlas_db.columnar.repository_names import segments, stem
from atlas_db.core.arrays import Doubles, Integers
from gnn.dataset.hashed_tokens import BUCKETS
from gnn.dataset.temporal_counts import WINDOW
from gnn.features.neighbours import Around, Query
from gnn.models.attribute_model import Ranked
from gnn.models.bag_of_words import words

FIRST = 10
"""Candidates that a method names for a model."""
SHORTEST = 4
"""Characters of a name from which on it counts as found inside another."""
PART = 500


class Named(NamedTuple):
    """Candidates of one method.

    Attributes:
        places: Place of the model in the query, shape (c,).
        values: Value named, shape (c,).
        scores: How well it is spoken for, 0..1, shape (c,).
    """

    places: Integers
    values: Integers
    scores: Doubles


def lately(around: Around, query: Query) -> Named:
    """The most declared in the last sixty days that are visible."""
    seen = around.labels
    counts = np.bincount(seen.values[seen.times >= seen.times[-1] - WINDOW], minlength=seen.size)
    best = np.argsort(-counts, kind="stable")[:FIRST]
    best = best[counts[best] > 0]
    share = counts[best] / counts.sum()
    return Named(np.repeat(np.arange(len(query)), len(best)), np.tile(best, len(query)), np.tile(share, len(query)))


def vote(around: Around, query: Query, group: str) -> Named:
    """The most declared of a group, by the share of its declarations."""
    if group not in around.groups:
        return _none()
    asked, history = around.asked(group, query), around.history(group)
    places, values = history.proposals(asked, query.moments)
    counted = history.counts(asked[places], values, query.moments[places], around.graph.since[query.rows[places]])
    return Named(places, values, counted[:, 0].astype(np.float64))


def latest(around: Around, query: Query) -> Named:
    """What the author declared last."""
    ranks = around.history("author").latest(around.asked("author", query), query.moments, FIRST)
    places, column = np.nonzero(ranks >= 0)
    return Named(places, around.labels.values[ranks[places, column]], 1 / (2.0 + column))


def spoken(around: Around, query: Query) -> Named:
    """Values whose models' words are the likest (Rocchio: Manning et al. 2008, 14.2; words weighted by rarity)."""
    centres = _centres(around, bool(query.told.all()))
    return _nearest(words(around, query), centres.T.tocsr())


@cache
def _centres(around: Around, told: bool) -> csr_array:
    """Return the mean words of each value's models, length one, shape (values, BUCKETS)."""
    seen = around.labels
    rows, place = np.unique(seen.rows, return_inverse=True)
    theirs = words(around, Query(rows, around.graph.created[rows], np.full(len(rows), told)))
    uses = np.bincount(theirs.indices, minlength=BUCKETS)
    rare = np.log((len(rows) + 1) / (uses + 1)) ** 2
    where = (seen.values.astype(np.int32), place.astype(np.int32))
    held = csr_array((np.ones(len(place), np.float32), where), shape=(seen.size, len(rows)))
    centres = (held @ theirs) @ diags_array(rare.astype(np.float32))
    length = np.sqrt(np.asarray((centres * centres).sum(1)))
    return (diags_array((1 / np.maximum(length, 1e-9)).astype(np.float32)) @ centres).tocsr()


def without_ending(around: Around, query: Query) -> Named:
    """Models named like this one without what says that it is a copy in another format."""
    found = []
    for place, name in enumerate(_names(around, query)):
        if (short := stem(name)) != name:
            found += [(place, model, 1.0) for model in _called(around).get(short, ())]
    return _named(found)


def inside(around: Around, query: Query) -> Named:
    """Models whose whole name is part of this one's, between its hyphens and the like; the longest first."""
    called, found = _called(around), []
    for place, name in enumerate(_names(around, query)):
        parts = segments(name, SHORTEST)
        own = [(place, model, len(part) / len(name)) for part in parts for model in called.get(part, ())]
        found += own[:FIRST]
    return _named(found)


def characters(around: Around, query: Query) -> Named:
    """Declared parents of the likest names (cosine of TF-IDF over three characters), times the logarithm of uses."""
    counts = np.bincount(around.labels.values, minlength=around.labels.size)
    known = np.flatnonzero(counts)
    vectors = TfidfVectorizer(analyzer="char", ngram_range=(3, 3), dtype=np.float32)
    theirs = csr_array(vectors.fit_transform([_plain(around.column.names[value]) for value in known]))
    theirs = (diags_array(np.log1p(counts[known]).astype(np.float32)) @ theirs).T.tocsr()
    asked = csr_array(vectors.transform(_names(around, query)))
    found = _nearest(asked, theirs)
    return found._replace(values=known[found.values])


def ranked(around: Around, query: Query, voice: Named) -> Ranked:
    """Return a method's candidates, then the most declared lately, as a ranking."""
    usual = lately(around, query)
    keys = np.concatenate((voice.places, usual.places)) * around.labels.size + np.concatenate(
        (voice.values, usual.values)
    )
    share = np.concatenate((np.clip(voice.scores, 0, 1), usual.scores))
    # What the method itself names goes first.
    score = share + np.repeat([1.0, 0.0], [len(voice.places), len(usual.places)])
    order = np.lexsort((-score, keys))
    order = order[np.diff(keys[order], prepend=-1) != 0]
    places, values = keys[order] // around.labels.size, keys[order] % around.labels.size
    if around.task.attribute == "base_model":
        own, created = query.rows[places], around.graph.created
        older = (values != own) & (created[values] <= created[own])
        order, places, values = order[older], places[older], values[older]
    return Ranked(places, values, share[order], score[order])


def _plain(identifier: str) -> str:
    return identifier.rpartition("/")[2].lower()


def _names(around: Around, query: Query) -> list[str]:
    return [_plain(around.graph.ids[row]) for row in query.rows]


@cache
def _called(around: Around) -> dict[str, list[int]]:
    """Return models by their names, at most ten each, the most declared first."""
    counts = np.bincount(around.labels.values, minlength=around.labels.size)
    found: dict[str, list[int]] = defaultdict(list)
    for model in np.argsort(-counts, kind="stable").tolist():
        same = found[_plain(around.column.names[model])]
        if len(same) < FIRST:
            same.append(model)
    return dict(found)


def _nearest(asked: csr_array, theirs: csr_array) -> Named:
    """Return the columns that each row of a table points at most, shapes (q, words) and (words, values)."""
    found = [_best(asked[start : start + PART] @ theirs, start) for start in range(0, asked.shape[0], PART)]
    return Named(*(np.concatenate(column) for column in zip(_none(), *found, strict=True)))


def _best(scores: csr_array, start: int) -> Named:
    rows = np.repeat(np.arange(scores.shape[0]), np.diff(scores.indptr))
    order = np.lexsort((-scores.data, rows))
    rank = np.arange(len(order)) - scores.indptr[rows[order]]
    kept = order[rank < FIRST]
    # At most one for identical words; uses may lift it above.
    top = max(float(scores.data.max(initial=1.0)), 1.0)
    return Named(rows[kept] + start, scores.indices[kept].astype(np.int64), scores.data[kept].astype(np.float64) / top)


def _named(found: list[tuple[int, int, float]]) -> Named:
    if not found:
        return _none()
    places, values, scores = zip(*found, strict=True)
    return Named(np.array(places, np.int64), np.array(values, np.int64), np.array(scores, np.float64))


def _none() -> Named:
    nobody = np.zeros(0, np.int64)
    return Named(nobody, nobody, np.zeros(0))


LISTS: dict[str, Callable[[Around, Query], Named]] = {
    "most declared lately": lambda around, query: _none(),
    "author's last": latest,
    "author": lambda around, query: vote(around, query, "author"),
    "parent says": lambda around, query: vote(around, query, "parent says"),
    "siblings": lambda around, query: vote(around, query, "siblings"),
    "same name": lambda around, query: vote(around, query, "same name"),
    "tags": lambda around, query: vote(around, query, "tags"),
    "words": spoken,
}
PARENTS: dict[str, Callable[[Around, Query], Named]] = {
    "name without its ending": without_ending,
    "longest name inside": inside,
    "likeness of characters × uses": characters,
}


def list_baselines(around: Around, query: Query) -> dict[str, Ranked]:
    """Return what every method that applies to the attribute says, by its name."""
    methods = {**LISTS, **(PARENTS if around.task.attribute == "base_model" else {})}
    lineage = "siblings" in around.groups
    return {
        name: ranked(around, query, method(around, query))
        for name, method in methods.items()
        if lineage or name not in ("parent says", "siblings")
    }
