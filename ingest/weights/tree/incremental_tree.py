"""One family's tree, grown by inserting models one after the other.

For every edge s → p of the tree so far, `residual_containment` measures how much of s's change since p a newcomer
contains. The parent is the model whose own residual the newcomer contains, while it contains none of the residuals of
that model's children. A conditional logit over all candidates turns these and other measurements into probabilities.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from atlas_db.core.arrays import Doubles, Flags, Integers
from ingest.weights.merges.merge import Merge
from ingest.weights.pairwise.joint_regression import joint_containment
from ingest.weights.pairwise.residual_containment import (
    MEASUREMENTS,
    PARENT_MEASUREMENTS,
    UNWEIGHTED_LOG_ERROR,
    containment,
    containment_features,
    small_singular_residual,
)
from ingest.weights.samples.aligned_samples import Vectors
from ingest.weights.tree.parent_features import ParentFeatures
from ingest.weights.tree.scorer import ParentScorer, runner_ups, softmax


@dataclass(slots=True)
class ParentChoice:
    """The parent that was chosen for a model.

    Attributes:
        parent: Row of the likeliest candidate.
        probability: Its probability among all candidates, 0..1.
        containment_log_odds: Log-odds that the model contains the parent's own residual; 0 below a root.
        distance: Distance to the parent over the parent's length.
        alternatives: The likeliest other candidates, each with its probability.
    """

    parent: int
    probability: float
    containment_log_odds: float
    distance: float
    alternatives: tuple[tuple[int, float], ...]


def log_likelihood(choices: Iterable[ParentChoice]) -> float:
    """Return the log-likelihood of chosen parents: the sum of log probabilities."""
    return float(np.log([choice.probability for choice in choices]).sum())


class TreeSnapshot(NamedTuple):
    """State of a tree at one time; fields as in `IncrementalTree`."""

    rows: list[int]
    residual_base: Integers
    containment_log_odds: Doubles
    containment: Doubles
    has_residual: Flags
    choices: dict[int, ParentChoice]
    version: int
    evaluated: dict[int, int]


@dataclass(slots=True)
class IncrementalTree:
    """The tree while it grows. n is the number of models of the family.

    Attributes:
        vectors: Aligned samples.
        sq_distance: Squared distances, shape (n, n).
        precedence_log_odds: Log-odds that each model came before each other, by weights and dates, shape (n, n).
        scorer: Fitted scorers.
        merges: Merges that were found, by row of the merged model.
        steps: How much each model contains of each step that was ever in a tree of these models. By child and parent,
            shape (n, MEASUREMENTS); None for a step of no length.
        rows: Models in the tree, in the order they were inserted.
        residual_base: Model that each residual is taken against, the parent; -1 where there is none, shape (n,).
        containment_log_odds: Log-odds that model j contains the residual of model i, shape (n, n).
        containment: Columns of `residual_containment.containment` of j in i's residual, shape (n, n, MEASUREMENTS).
        has_residual: True where a model has a step of its own; merges and exact copies have none, shape (n,).
        choices: Parent that was chosen for each inserted model.
        merged_into: Merges that each model is a part of.
        version: Number of the state of the tree, another one after each change.
        evaluated: Version at which each model's parent was last chosen among all: the choice still holds there.
    """

    vectors: Vectors
    sq_distance: Doubles
    precedence_log_odds: Doubles
    scorer: ParentScorer
    merges: Mapping[int, Merge]
    steps: dict[tuple[int, int], Doubles | None] = field(default_factory=dict)
    rows: list[int] = field(default_factory=list)
    residual_base: Integers = field(init=False)
    containment_log_odds: Doubles = field(init=False)
    containment: Doubles = field(init=False)
    has_residual: Flags = field(init=False)
    choices: dict[int, ParentChoice] = field(default_factory=dict)
    merged_into: dict[int, set[int]] = field(init=False)
    version: int = 0
    evaluated: dict[int, int] = field(default_factory=dict)
    _versions: int = 0

    def __post_init__(self) -> None:
        count = len(self.vectors.values)
        self.residual_base, self.has_residual = np.full(count, -1), np.zeros(count, bool)
        self.containment_log_odds, self.containment = np.zeros((count, count)), np.zeros((count, count, MEASUREMENTS))
        self.merged_into = {row: set() for row in range(count)}
        for row, merge in self.merges.items():
            for part in merge.inputs:
                self.merged_into[part].add(row)

    def add(self, row: int, parent: int | None) -> None:
        """Add a model below another, or as a root."""
        self.rows.append(row)
        self._versions += 1
        self.version = self._versions
        if parent is None:
            return
        self.residual_base[row] = parent
        measured = self.measured_step(row, parent)
        self.has_residual[row] = measured is not None and row not in self.merges
        if measured is not None:
            self.containment[row] = measured
            self.containment_log_odds[row] = self.scorer.containment_log_odds(containment_features(measured))

    def measured_step(self, row: int, parent: int) -> Doubles | None:
        """Return how much each model contains of the step to a model, None for a step of no length; see `steps`."""
        if (row, parent) not in self.steps:
            residual = small_singular_residual(self.vectors, row, parent)
            self.steps[row, parent] = containment(self.vectors, residual, slice(None)) if residual.length > 0 else None
        return self.steps[row, parent]

    def descendants(self, row: int) -> set[int]:
        """Return the descendants of a model, merges of them included."""
        found: set[int] = set()
        queue = [row]
        while queue:
            at = queue.pop()
            new = (self.merged_into[at] | set(np.flatnonzero(self.residual_base == at).tolist())) - found
            found |= new
            queue += new
        return found

    def move_subtree(self, row: int, parent: int, choice: ParentChoice | None) -> None:
        """Put a model of the tree below another, with all below it (subtree prune and regraft).

        Args:
            row: The model.
            parent: Its new parent; -1 makes it a root.
            choice: The choice behind it; None where it was not chosen by probability.
        """
        self.choices.pop(row, None)
        if choice is not None:
            self.choices[row] = choice
        if parent != self.residual_base[row]:
            self.rows.remove(row)
            self.containment[row] = self.containment_log_odds[row] = 0.0
            self.residual_base[row], self.has_residual[row] = -1, False
            self.add(row, parent if parent >= 0 else None)

    def snapshot(self) -> TreeSnapshot:
        """Return the state of the tree."""
        return TreeSnapshot(
            list(self.rows),
            self.residual_base.copy(),
            self.containment_log_odds.copy(),
            self.containment.copy(),
            self.has_residual.copy(),
            dict(self.choices),
            self.version,
            dict(self.evaluated),
        )

    def restore(self, state: TreeSnapshot) -> None:
        """Return to an earlier state; a snapshot can be restored once, since the tree then owns its arrays."""
        self.rows, self.residual_base, self.containment_log_odds = state.rows, state.residual_base, state[2]
        self.containment, self.has_residual, self.choices = state.containment, state.has_residual, state.choices
        self.version, self.evaluated = state.version, state.evaluated

    def features(self, row: int, candidates: Sequence[int], more: ParentFeatures) -> Doubles:
        """Return the features of candidate parents.

        Args:
            row: The child.
            candidates: Rows of the candidates.
            more: What is known of them beyond residuals.

        Returns:
            Shape (candidates, 46), columns `scorer.PARENT_FEATURES`, clipped at ±20.
        """
        at = np.array(candidates)
        parents = self.residual_base[at]
        log_distance = np.log(np.maximum(self.sq_distance[row, at], 1e-30)) / 2
        ranked = np.sort(log_distance)
        log_step = np.log(np.maximum(self.sq_distance[at, parents], 1e-30)) / 2
        joint, weight = self._joint_containment(row)
        steps = np.flatnonzero(weight > 0)
        child_joint = np.zeros(len(self.residual_base))
        np.maximum.at(child_joint, self.residual_base[steps], (joint * weight)[steps])
        inserted = self.residual_base[self.residual_base >= 0]
        children = np.bincount(inserted, minlength=len(self.residual_base))[at] - (self.residual_base[row] == at)
        columns = (
            self._containment_columns(row, np.where(parents >= 0, at, -1)),
            self._containment_columns(row, self._child_contained_most(row)[at]),
            log_distance - ranked[0],
            np.where(parents >= 0, log_distance - log_step, 0.0),
            log_distance - ranked[min(1, len(ranked) - 1)],
            self.precedence_log_odds[at, row],
            np.searchsorted(ranked, log_distance),
            np.where(weight[at] > 0, joint[at], 1.0),
            child_joint[at],
            np.where(self.has_residual[at, None], self.containment[at, row, UNWEIGHTED_LOG_ERROR + 1 :], 1.0),
            np.log1p(children),
            *more,
        )
        return np.asarray(np.clip(np.column_stack(columns), -20, 20))

    def _containment_columns(self, row: int, residuals: Integers) -> Doubles:
        """Return how much a model contains of the residuals of others.

        Args:
            row: The model.
            residuals: Rows whose residuals are meant, -1 for none, shape (n,).

        Returns:
            Shape (n, 8): the first six measurements, their log-odds, and 1; zeros where there is no residual.
        """
        columns, there = np.zeros((len(residuals), PARENT_MEASUREMENTS + 2)), residuals >= 0
        rows = residuals[there]
        columns[there, :PARENT_MEASUREMENTS], columns[there, PARENT_MEASUREMENTS] = (
            self.containment[rows, row, :PARENT_MEASUREMENTS],
            self.containment_log_odds[rows, row],
        )
        columns[there, PARENT_MEASUREMENTS + 1] = 1.0
        return columns

    def _child_contained_most(self, row: int) -> Integers:
        """Return for each model the child whose residual `row` contains most, -1 for no child, shape (n,)."""
        children = np.flatnonzero(self.residual_base >= 0)
        children = children[children != row]
        children = children[np.argsort(self.containment_log_odds[children, row], kind="stable")]
        most = np.full(len(self.residual_base), -1)
        most[self.residual_base[children]] = children
        return most

    def _joint_containment(self, row: int) -> tuple[Doubles, Doubles]:
        """Return how much `row` contains of each step that is not its own descendant's, by one joint regression.

        Returns:
            Coefficient and weight of each model's step, shape (n,) each; weight 0 where a step took no part.
        """
        barred = np.zeros(len(self.residual_base), bool)
        barred[[row, *self.descendants(row)]] = True
        steps = np.flatnonzero(self.has_residual & ~barred & ~barred[self.residual_base])
        roots = [other for other in self.rows if self.residual_base[other] < 0 and other != row]
        root = min(roots, key=lambda other: float(self.sq_distance[row, other]), default=row)
        return joint_containment(self.containment, self.residual_base, steps, row, root)

    def probabilities(self, row: int, candidates: Sequence[int], more: ParentFeatures) -> tuple[Doubles, Doubles]:
        """Return the probability that each candidate is the parent, and the features behind it.

        Arguments are those of `features`. Shapes are (candidates,) and (candidates, 46).
        """
        found = self.features(row, candidates, more)
        return softmax(self.scorer.parent_log_odds(found) - more.penalties.sum(1)), found

    def choose_parent(self, row: int, candidates: Sequence[int], more: ParentFeatures) -> ParentChoice:
        """Return the likeliest parent of a model among at least one candidate. Arguments are those of `features`."""
        probabilities, found = self.probabilities(row, candidates, more)
        likeliest = int(np.argmax(probabilities))
        parent = candidates[likeliest]
        length = float(np.square(self.vectors.flat[parent]).sum())
        return ParentChoice(
            parent,
            float(probabilities[likeliest]),
            float(found[likeliest, PARENT_MEASUREMENTS]),
            float(np.sqrt(self.sq_distance[row, parent] / max(length, 1e-30))),
            tuple((candidates[at], share) for at, share in runner_ups(probabilities, likeliest)),
        )
