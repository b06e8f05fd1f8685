"""One family's tree: models are added one after the other, each below the model whose trace it carries.

For every edge s → p of the tree so far, `between` says how much of what s changed since p a newcomer carries. The parent is
the model whose own trace it carries and none of whose children's it does; the odds of these two, with the distance, make a
distribution over all parents, "none of them" included.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ingest.weights.between import contained, features, trace
from ingest.weights.family import Doubles, Vectors
from ingest.weights.odds import Odds


@dataclass(slots=True)
class Choice:
    """Where a model was put.

    Attributes:
        parent: Row of the likeliest parent.
        probability: Of that parent among all models, 0..1.
        second: Row of the runner-up, or None.
        carried: Log-odds that the model carries the parent's own trace; 0 below a root.
        distance: Distance to the parent over the parent's length.
    """

    parent: int
    probability: float
    second: int | None
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
        choices: What was chosen for each model that was placed.
    """

    vectors: Vectors
    squared: Doubles
    older: Doubles
    odds: Odds
    rows: list[int] = field(default_factory=list)
    base: dict[int, int] = field(default_factory=dict)
    carried: dict[int, Doubles] = field(default_factory=dict)
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
            self.carried[row] = np.zeros(len(everyone))
            return
        self.carried[row] = self.odds.between(features(contained(self.vectors, mark, everyone)))

    def below(self, row: int) -> set[int]:
        """Return the descendants of a model."""
        found, queue = set(), [row]
        while queue:
            top = queue.pop()
            new = {child for child, parent in self.base.items() if parent == top} - found
            found |= new
            queue += new
        return found

    def move(self, row: int, base: int) -> None:
        """Put a model that is in the tree below another."""
        self.rows.remove(row)
        self.base.pop(row, None)
        self.carried.pop(row, None)
        self.add(row, base)

    def place(self, row: int, able: Sequence[int], against: Doubles) -> Choice | None:
        """Return the likeliest parent of a model.

        Args:
            row: The model.
            able: Models that may be it.
            against: Log-odds against each, for reasons that lie outside of the weights.
        """
        if not able:
            return None
        away = np.log(np.maximum(self.squared[row, able], 1e-30)) / 2
        nearness = away - away.min()
        own = np.array([self.carried[other][row] if other in self.carried else 0.0 for other in able])
        is_root = np.array([other not in self.carried for other in able])
        below = np.zeros(len(able))
        index = {other: place for place, other in enumerate(able)}
        for child, parent in self.base.items():
            if parent in index and child != row:
                below[index[parent]] = max(below[index[parent]], np.logaddexp(0, self.carried[child][row]))
        scores = self.odds.parent(own, is_root, below, nearness, self.older[able, row]) - against
        chances = np.exp(scores - scores.max())
        chances /= chances.sum()
        order = np.argsort(-chances)
        best = able[int(order[0])]
        length = float(np.square(self.vectors.flat[best]).sum())
        return Choice(
            best, float(chances[order[0]]), able[int(order[1])] if len(able) > 1 else None,
            float(own[order[0]]), float(np.sqrt(self.squared[row, best] / max(length, 1e-30))),
        )  # fmt: skip
