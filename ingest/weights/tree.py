"""One family's tree: models are added one after the other, each below the model whose trace it carries.

For every edge s → p of the tree so far, `between` says how much of what s changed since p a newcomer carries. The
parent is the model whose own trace it carries and none of whose children's it does; the odds of these two, with the
distance, make a distribution over all parents, "none of them" included.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ingest.weights.between import contained, features, trace
from ingest.weights.family import Doubles, Vectors
from ingest.weights.odds import Odds, softmax

FEATURES = 17
CAUTION = 1.5
"""Temperature of the distribution over parents, fitted on other families than the trees (seeds 301, 303, 401, 402)."""


@dataclass(slots=True)
class Choice:
    """Where a model was put.

    Attributes:
        parent: Row of the likeliest parent.
        probability: Of that parent among all models, 0..1.
        carried: Log-odds that the model carries the parent's own trace; 0 below a root.
        distance: Distance to the parent over the parent's length.
    """

    parent: int
    probability: float
    carried: float
    distance: float


@dataclass(slots=True)
class Tree:
    """The tree while it grows.

    Attributes:
        vectors: The family.
        squared: Squared distances, shape (n, n).
        older: Log-odds that each model came before each other, by weights and dates, shape (n, n).
        odds: Fitted weights.
        rows: Models in it, in the order they came.
        base: Model that the trace of each is taken from; absent for roots.
        carried: Log-odds of every model carrying each model's trace, shape (n,) a model.
        held: What of each model's trace every model carries, shape (n, 4) a model.
        choices: What was chosen for each model that was placed.
    """

    vectors: Vectors
    squared: Doubles
    older: Doubles
    odds: Odds
    rows: list[int] = field(default_factory=list)
    base: dict[int, int] = field(default_factory=dict)
    carried: dict[int, Doubles] = field(default_factory=dict)
    held: dict[int, Doubles] = field(default_factory=dict)
    choices: dict[int, Choice] = field(default_factory=dict)

    def add(self, row: int, base: int | None) -> None:
        """Add a model below another, or as a root."""
        self.rows.append(row)
        if base is None:
            return
        self.base[row] = base
        mark = trace(self.vectors, row, base)
        everyone = list(range(len(self.vectors.values)))
        if mark.length == 0:
            self.held[row], self.carried[row] = np.zeros((len(everyone), 4)), np.zeros(len(everyone))
            return
        self.held[row] = contained(self.vectors, mark, everyone)
        self.carried[row] = self.odds.between(features(self.held[row]))

    def below(self, row: int) -> set[int]:
        """Return the descendants of a model."""
        children = self._children()
        found: set[int] = set()
        queue = [row]
        while queue:
            new = set(children[queue.pop()]) - found
            found |= new
            queue += new
        return found

    def _children(self) -> dict[int, list[int]]:
        children: dict[int, list[int]] = defaultdict(list)
        for child, parent in self.base.items():
            children[parent].append(child)
        return children

    def move(self, row: int, base: int) -> None:
        """Put a model that is in the tree below another."""
        self.rows.remove(row)
        self.base.pop(row, None)
        self.carried.pop(row, None)
        self.held.pop(row, None)
        self.add(row, base)

    def measure(self, row: int, able: Sequence[int]) -> Doubles:
        """Measure models as parents of another.

        Returns:
            Shape (able, 17). Of the model's own trace: the four measurements of `between.contained`, their log-odds,
            and whether it has one (roots have none). Of the child of it whose trace is carried most: the same. Then
            log distance over the nearest's, over the model's distance to its own parent, and to the second nearest;
            log-odds of coming before; how many models are nearer.
        """
        away = np.log(np.maximum(self.squared[row, list(able)], 1e-30)) / 2
        ranked = np.sort(away)
        children = self._children()
        out = np.zeros((len(able), FEATURES))
        for place, other in enumerate(able):
            if other in self.base:
                out[place, :4] = self.held[other][row]
                out[place, 4], out[place, 5] = self.carried[other][row], 1.0
            rivals = (child for child in children[other] if child != row)
            below = max(rivals, key=lambda child: self.carried[child][row], default=None)
            if below is not None:
                out[place, 6:10] = self.held[below][row]
                out[place, 10], out[place, 11] = self.carried[below][row], 1.0
            if other in self.base:
                step = np.log(max(self.squared[other, self.base[other]], 1e-30)) / 2
                out[place, 13] = away[place] - step
        out[:, 12] = away - ranked[0]
        out[:, 14] = away - ranked[min(1, len(ranked) - 1)]
        out[:, 15] = self.older[list(able), row]
        out[:, 16] = np.searchsorted(ranked, away)
        return np.clip(out, -20, 20)

    def place(self, row: int, able: Sequence[int], against: Doubles) -> Choice | None:
        """Return the likeliest parent of a model.

        Args:
            row: The model.
            able: Models that may be it.
            against: Log-odds against each, for reasons that lie outside of the weights.
        """
        if not able:
            return None
        measured = self.measure(row, able)
        chances = softmax(self.odds.parent(measured) - against, CAUTION)
        likeliest = int(np.argmax(chances))
        best = able[likeliest]
        length = float(np.square(self.vectors.flat[best]).sum())
        return Choice(
            best,
            float(chances[likeliest]),
            float(measured[likeliest, 4]),
            float(np.sqrt(self.squared[row, best] / max(length, 1e-30))),
        )
