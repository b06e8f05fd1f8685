"""Logistic regression over words alone: what names, owners, lineage and tags say of a value, nobody counted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file
from scipy.sparse import csr_array, diags_array
from sklearn.linear_model import SGDClassifier

from atlas_db.core.arrays import Flags, Floats, Integers
from gnn.dataset.hashed_tokens import BUCKETS
from gnn.features.neighbours import Around, Query

SEEN = 60_000
"""Newest declarations that are learnt from."""
VALUES = 64
"""Most frequent values that words speak for; beyond, a weight a word and value would be too many."""
VIEWS = (("told", True), ("bare", False))
FLOOR = 1e-6


def words(around: Around, query: Query) -> csr_array:
    """Return the words of models, rows of length one, shape (q, BUCKETS)."""
    first, second = around.known.some(query.rows), around.told.some(np.where(query.told, query.rows, -1))
    rows = np.concatenate((first.rows, second.rows))
    # 32-bit indices are all that scikit-learn takes.
    where = (rows.astype(np.int32), np.concatenate((first.values, second.values)).astype(np.int32))
    table = csr_array((np.ones(len(rows), np.float32), where), shape=(len(query), BUCKETS))
    return diags_array((1 / np.sqrt(np.maximum(first.counts + second.counts, 1))).astype(np.float32)) @ table


def logistic(around: Around, rows: Integers, values: Integers, told: bool, threads: int) -> Any:  # noqa: ANN401
    """Fit one logistic regression a value (one against the rest).

    Args:
        around: What is visible.
        rows: Models, shape (n,).
        values: What they declare, at least two kinds, shape (n,).
        told: Whether what they state may be looked at.
        threads: Cores to use.
    """
    learnt = Query(rows, around.graph.created[rows], np.full(len(rows), told))
    model = SGDClassifier(loss="log_loss", alpha=1e-6, max_iter=5, tol=None, random_state=1, n_jobs=threads)
    return model.fit(words(around, learnt), values)


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """What words say of values, once with what a model states and once without.

    Attributes:
        values: Values that words speak for, by their names.
        weights: By view: weights `told` and `bare`, shape (values, BUCKETS), and biases `told bias` and `bare bias`.
    """

    values: list[str]
    weights: dict[str, Floats]

    @classmethod
    def fit(cls, around: Around, chosen: Flags, threads: int) -> Linear:
        """Learn from declarations.

        Args:
            around: What is visible.
            chosen: Declarations that may be learnt from, shape (declarations,).
            threads: Cores to use.
        """
        counts = np.bincount(around.labels.values[chosen], minlength=around.labels.size)
        best = np.argsort(-counts, kind="stable")[:VALUES]
        best = np.sort(best[counts[best] > 0])
        place = np.full(around.labels.size, -1, np.int64)
        place[best] = np.arange(len(best))
        picked = np.flatnonzero(chosen & (place[around.labels.values] >= 0))[-SEEN:]
        rows, values = around.labels.rows[picked], place[around.labels.values[picked]]
        weights: dict[str, Floats] = {}
        if len(np.unique(values)) < 2:
            best = best[:0]
        for view, told in VIEWS if len(best) else ():
            model = logistic(around, rows, values, told, threads)
            # Of two kinds scikit-learn keeps the weights of the second alone.
            coef, bias = model.coef_, model.intercept_
            if len(model.classes_) == 2:
                coef, bias = np.concatenate((-coef, coef)), np.concatenate((-bias, bias))
            weights[view] = np.zeros((len(best), BUCKETS), np.float32)
            weights[f"{view} bias"] = np.full(len(best), -20.0, np.float32)
            # Halves, as in a checkpoint: what is read again says the same.
            weights[view][model.classes_] = coef.astype(np.float16)
            weights[f"{view} bias"][model.classes_] = bias.astype(np.float16)
        return cls([around.column.names[value] for value in best], weights)

    def classes(self, around: Around) -> Integers:
        """Return our number of each value of the graph, -1 for those that words do not speak for."""
        return around.numbers(self.values)

    def scores(self, around: Around, query: Query) -> Floats:
        """Return log-probabilities, shape (q, values)."""
        out = np.zeros((len(query), len(self.values)), np.float32)
        for view, told in VIEWS if self.values else ():
            rows = np.flatnonzero(query.told == told)
            odds = words(around, query.part(rows)) @ self.weights[view].T + self.weights[f"{view} bias"]
            chance = 1 / (1 + np.exp(-np.clip(odds, -30, 30)))
            chance /= np.maximum(chance.sum(1, keepdims=True), 1e-9)
            out[rows] = np.log(np.maximum(chance, FLOOR))
        return out

    def save(self, file: Path) -> None:
        """Write the weights, as halves."""
        save_file({name: table.astype(np.float16) for name, table in self.weights.items()}, file)

    @classmethod
    def load(cls, file: Path, values: list[str]) -> Linear:
        """Read the weights."""
        return cls(values, {name: table.astype(np.float32) for name, table in load_file(file).items()})
