"""One family's tree: models are added one after the other, each below the model whose trace it carries.

For every edge s → p of the tree so far, `between` says how much of what s changed since p a newcomer carries. The
parent is the model whose own trace it carries and none of whose children's it does; the odds of these two, with the
distance, make a distribution over all parents, "none of them" included.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from atlas_db.core.arrays import Doubles, Flags, Integers
from ingest.weights.merges.merge import Merge
from ingest.weights.pairwise.joint_regression import carried_at_once
from ingest.weights.pairwise.residual_containment import HELD, ROUGH, TOLD, contained, features, trace
from ingest.weights.samples.aligned_samples import Vectors
from ingest.weights.tree.parent_features import Beside
from ingest.weights.tree.scorer import Odds, others, softmax


@dataclass(slots=True)
class Choice:
    """Where a model was put.

    Attributes:
        parent: Row of the likeliest parent.
        probability: Of that parent among all models, 0..1.
        carried: Log-odds that the model carries the parent's own trace; 0 below a root.
        distance: Distance to the parent over the parent's length.
        others: Other models that may be the parent, the likeliest first, each with its probability.
    """

    parent: int
    probability: float
    carried: float
    distance: float
    others: tuple[tuple[int, float], ...]


def log_likelihood(choices: Iterable[Choice]) -> float:
    """Return the log-likelihood of places that were chosen."""
    return float(np.log([choice.probability for choice in choices]).sum())


class State(NamedTuple):
    """What a tree was at some time: its attributes of these names."""

    rows: list[int]
    bases: Integers
    carried: Doubles
    held: Doubles
    traced: Flags
    choices: dict[int, Choice]


@dataclass(slots=True)
class Tree:
    """The tree while it grows.

    Attributes:
        vectors: The family.
        squared: Squared distances, shape (n, n).
        older: Log-odds that each model came before each other, by weights and dates, shape (n, n).
        odds: Fitted weights.
        merges: What is merged of what.
        rows: Models in it, in the order they came.
        bases: Model that the trace of each is taken from, -1 where there is none, shape (n,).
        carried: Log-odds of every model carrying each model's trace, traces first, shape (n, n).
        held: What of each model's trace every model carries, traces first, shape (n, n, HELD).
        traced: Whether a model has a step of its own, as merges and exact copies have not, shape (n,).
        choices: What was chosen for each model that was placed.
        mixed: Merges that each model has a part in.
    """

    vectors: Vectors
    squared: Doubles
    older: Doubles
    odds: Odds
    merges: Mapping[int, Merge]
    rows: list[int] = field(default_factory=list)
    bases: Integers = field(init=False)
    carried: Doubles = field(init=False)
    held: Doubles = field(init=False)
    traced: Flags = field(init=False)
    choices: dict[int, Choice] = field(default_factory=dict)
    mixed: dict[int, set[int]] = field(init=False)

    def __post_init__(self) -> None:
        count = len(self.vectors.values)
        self.bases, self.traced = np.full(count, -1), np.zeros(count, bool)
        self.carried, self.held = np.zeros((count, count)), np.zeros((count, count, HELD))
        self.mixed = {row: set() for row in range(count)}
        for row, merge in self.merges.items():
            for part in merge.parts:
                self.mixed[part].add(row)

    def add(self, row: int, base: int | None) -> None:
        """Add a model below another, or as a root."""
        self.rows.append(row)
        if base is None:
            return
        self.bases[row] = base
        mark = trace(self.vectors, row, base)
        self.traced[row] = mark.length > 0 and row not in self.merges
        if mark.length > 0:
            self.held[row] = contained(self.vectors, mark, slice(None))
            self.carried[row] = self.odds.between(features(self.held[row]))

    def below(self, row: int) -> set[int]:
        """Return the descendants of a model, what is merged of them among them."""
        found: set[int] = set()
        queue = [row]
        while queue:
            at = queue.pop()
            new = (self.mixed[at] | set(np.flatnonzero(self.bases == at).tolist())) - found
            found |= new
            queue += new
        return found

    def settle(self, row: int, base: int, choice: Choice | None) -> None:
        """Put a model that is in the tree below another, or make it a root where base is -1.

        Args:
            row: The model.
            base: The other.
            choice: Why; None where it was not chosen.
        """
        self.choices.pop(row, None)
        if choice is not None:
            self.choices[row] = choice
        if base != self.bases[row]:
            self.rows.remove(row)
            self.held[row] = self.carried[row] = 0.0
            self.bases[row], self.traced[row] = -1, False
            self.add(row, base if base >= 0 else None)

    def remember(self) -> State:
        """Return what the tree is now."""
        arrays = self.bases.copy(), self.carried.copy(), self.held.copy(), self.traced.copy()
        return State(list(self.rows), *arrays, dict(self.choices))

    def recall(self, state: State) -> None:
        """Make the tree what it was, once."""
        self.rows, self.bases, self.carried, self.held, self.traced, self.choices = state

    def measure(self, row: int, able: Sequence[int], beside: Beside) -> Doubles:
        """Measure models as parents of another.

        Args:
            row: The model.
            able: Models that may be it.
            beside: What else is known of them.

        Returns:
            Shape (able, 46). Of the model's own trace: the first six measurements of `between.contained`, their
            log-odds, and whether it has one (roots have none). Of the child of it whose trace is carried most: the
            same. Then log distance over the nearest's, over the model's distance to its own parent, and to the second
            nearest; log-odds of coming before; how many models are nearer. Then, with all steps heard, how much of the
            model's own is carried (1 for roots and merges), and the most of a child's; the share of the model's own
            trace in each part of the network (the same); the logarithm of how many children it has, and one; all of
            `beside`.
        """
        at = np.array(able)
        away = np.log(np.maximum(self.squared[row, at], 1e-30)) / 2
        ranked = np.sort(away)
        below = self._most_carried(row)[at]
        parts = [self._told(row, np.where(self.bases[at] >= 0, at, -1)), self._told(row, below)]
        step = np.log(np.maximum(self.squared[at, self.bases[at]], 1e-30)) / 2
        amounts, sure = self._at_once(row)
        children = np.flatnonzero(sure > 0)
        most = np.zeros(len(self.bases))
        np.maximum.at(most, self.bases[children], (amounts * sure)[children])
        shares = np.where(self.traced[at, None], self.held[at, row, ROUGH + 1 :], 1.0)
        children_of = np.bincount(self.bases[self.bases >= 0], minlength=len(self.bases))[at] - (self.bases[row] == at)
        rest = (
            away - ranked[0], np.where(self.bases[at] >= 0, away - step, 0.0), away - ranked[min(1, len(ranked) - 1)],
            self.older[at, row], np.searchsorted(ranked, away), np.where(sure[at] > 0, amounts[at], 1.0), most[at],
            shares, np.log1p(children_of), *beside,
        )  # fmt: skip
        return np.asarray(np.clip(np.column_stack((*parts, *rest)), -20, 20))

    def _told(self, row: int, steps: Integers) -> Doubles:
        """Return what a model carries of the traces of others, all zero where -1 stands for one, shape (steps, 8)."""
        told, there = np.zeros((len(steps), TOLD + 2)), steps >= 0
        some = steps[there]
        told[there, :TOLD], told[there, TOLD] = self.held[some, row, :TOLD], self.carried[some, row]
        told[there, TOLD + 1] = 1.0
        return told

    def _most_carried(self, row: int) -> Integers:
        """Return for each model its child whose trace another carries most, -1 where it has none, shape (n,)."""
        children = np.flatnonzero(self.bases >= 0)
        children = children[children != row]
        children = children[np.argsort(self.carried[children, row], kind="stable")]
        most = np.full(len(self.bases), -1)
        most[self.bases[children]] = children
        return most

    def _at_once(self, row: int) -> tuple[Doubles, Doubles]:
        """Return how much a model carries of the step of each that does not come from it, and how sure, shape (n,)."""
        barred = np.zeros(len(self.bases), bool)
        barred[[row, *self.below(row)]] = True
        steps = np.flatnonzero(self.traced & ~barred & ~barred[self.bases])
        roots = [other for other in self.rows if self.bases[other] < 0 and other != row]
        root = min(roots, key=lambda other: float(self.squared[row, other]), default=row)
        return carried_at_once(self.held, self.bases, steps, row, root)

    def chances(self, row: int, able: Sequence[int], beside: Beside) -> tuple[Doubles, Doubles]:
        """Return the probability that each of some models is another's parent, and what it follows from.

        Arguments are those of `place`; shapes are (able,) and that of `measure`.
        """
        measured = self.measure(row, able, beside)
        return softmax(self.odds.parent(measured) - beside.against.sum(1)), measured

    def place(self, row: int, able: Sequence[int], beside: Beside) -> Choice:
        """Return the likeliest parent of a model.

        Args:
            row: The model.
            able: Models that may be it, one at least.
            beside: What else is known of them.
        """
        chances, measured = self.chances(row, able, beside)
        likeliest = int(np.argmax(chances))
        best = able[likeliest]
        length = float(np.square(self.vectors.flat[best]).sum())
        return Choice(
            best,
            float(chances[likeliest]),
            float(measured[likeliest, TOLD]),
            float(np.sqrt(self.squared[row, best] / max(length, 1e-30))),
            tuple((able[at], chance) for at, chance in others(chances, likeliest)),
        )
