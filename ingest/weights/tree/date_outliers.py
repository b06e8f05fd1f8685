"""Outliers among dates: models dated after others that, by their weights, came later.

One wrong date of a root, or of a model with many children, costs more than its own edge. Each child counts against it,
and merges that need it are not searched. So the tree is also built without that date, and kept where it is likelier.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from ingest.weights.parameters.tree_parameters import TREE
from ingest.weights.tree.family_state import FamilySamples, FamilyState, known_parents
from ingest.weights.tree.incremental_tree import IncrementalTree, log_likelihood

_LIMITS = TREE.date_outliers


def suspect_dates(family: FamilyState) -> Sequence[int]:
    """Return the rows whose dates contradict the weights most, the worst first, of models whose parents are looked for.

    Such a model came before several that are dated before it. None of its nearest models that are dated before it is a
    plausible parent. Copies and merges are left out, as their weights make them look old.
    """
    precedence = family.tests.precedence_by_weights
    relations = family.relations
    tested = np.array([row for row in relations.candidate_parents() if not known_parents(family, row)], np.int64)
    dates = np.array(family.samples.dates)
    is_dated = dates != ""
    is_earlier = (dates[None] < dates[:, None]) & is_dated[None] & is_dated[:, None]
    contradictions = ((precedence > _LIMITS.contradiction_log_odds) & is_earlier).sum(1)
    bound = _LIMITS.max_log_odds_each
    sums = (np.clip(precedence, -bound, bound) * is_earlier).sum(1)
    is_suspect = (contradictions[tested] >= _LIMITS.min_contradictions) & (sums[tested] >= _LIMITS.min_sum_log_odds)
    suspects = []
    for row in tested[is_suspect].tolist():
        order = np.argsort(family.samples.sq_distance[row, tested], kind="stable")
        nearest = tested[order][1 : _LIMITS.max_neighbours + 1]
        is_plausible = is_earlier[row, nearest] & (precedence[row, nearest] < _LIMITS.plausible_parent_log_odds)
        if not is_plausible.any():
            suspects.append(row)
    suspects = [row for row in suspects if family.samples.is_child[row]]
    return sorted(suspects, key=lambda row: -float(sums[row]))[: _LIMITS.max_suspects]


def without_dates(samples: FamilySamples, rows: Collection[int]) -> FamilySamples:
    """Return a family with the dates of some rows left out."""
    return replace(samples, dates=["" if row in rows else date for row, date in enumerate(samples.dates)])


def improves_likelihood(tree: IncrementalTree, baseline: IncrementalTree) -> bool:
    """Whether a tree explains more than another of the same models: by further merges, or by likelier parents."""
    if len(tree.merges) != len(baseline.merges):
        return len(tree.merges) > len(baseline.merges)
    gain = log_likelihood(tree.choices.values()) - log_likelihood(baseline.choices.values())
    return len(tree.choices) == len(baseline.choices) and gain > _LIMITS.min_gain
