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
from gnn.features.neighbours import CompletionQuery, Neighbourhood

SEEN = 60_000
"""Newest declarations that are learnt from."""
VALUES = 64
"""Most frequent values that words speak for; beyond, a weight a word and value would be too many."""
VIEWS = (("with_metadata", True), ("cold_start", False))
MIN_PROBABILITY = 1e-6


def token_matrix(neighbourhood: Neighbourhood, query: CompletionQuery) -> csr_array:
    """Return the words of models, rows of length one, shape (q, BUCKETS)."""
    name_tokens, metadata_tokens = (
        neighbourhood.token_table.take(query.rows),
        neighbourhood.metadata_tokens.take(np.where(query.metadata_visible, query.rows, -1)),
    )
    rows = np.concatenate((name_tokens.rows, metadata_tokens.rows))
    # 32-bit indices are all that scikit-learn takes.
    indices = (rows.astype(np.int32), np.concatenate((name_tokens.values, metadata_tokens.values)).astype(np.int32))
    matrix = csr_array((np.ones(len(rows), np.float32), indices), shape=(len(query), BUCKETS))
    return (
        diags_array((1 / np.sqrt(np.maximum(name_tokens.counts + metadata_tokens.counts, 1))).astype(np.float32))
        @ matrix
    )


def fit_one_vs_rest(
    neighbourhood: Neighbourhood, rows: Integers, values: Integers, with_metadata: bool, threads: int
) -> Any:  # noqa: ANN401
    """Fit one logistic regression a value (one against the rest).

    Args:
        neighbourhood: What is visible.
        rows: Models, shape (n,).
        values: What they declare, at least two kinds, shape (n,).
        with_metadata: Whether what they state may be looked at.
        threads: Cores to use.
    """
    query = CompletionQuery(rows, neighbourhood.graph.created[rows], np.full(len(rows), with_metadata))
    classifier = SGDClassifier(loss="log_loss", alpha=1e-6, max_iter=5, tol=None, random_state=1, n_jobs=threads)
    return classifier.fit(token_matrix(neighbourhood, query), values)


@dataclass(frozen=True, slots=True, eq=False)
class BagOfWordsClassifier:
    """What words say of values, once with what a model states and once without.

    Attributes:
        values: Values that words speak for, by their names.
        weights: By view: weights `with_metadata` and `cold_start`, shape (values, BUCKETS), and biases
            `with_metadata bias` and `cold_start bias`, shape (values,).
    """

    values: list[str]
    weights: dict[str, Floats]

    @classmethod
    def fit(cls, neighbourhood: Neighbourhood, chosen: Flags, threads: int) -> BagOfWordsClassifier:
        """Learn from declarations.

        Args:
            neighbourhood: What is visible.
            chosen: Declarations that may be learnt from, shape (declarations,).
            threads: Cores to use.
        """
        counts = np.bincount(neighbourhood.events.values[chosen], minlength=neighbourhood.events.num_values)
        frequent = np.argsort(-counts, kind="stable")[:VALUES]
        frequent = np.sort(frequent[counts[frequent] > 0])
        class_of_value = np.full(neighbourhood.events.num_values, -1, np.int64)
        class_of_value[frequent] = np.arange(len(frequent))
        picked = np.flatnonzero(chosen & (class_of_value[neighbourhood.events.values] >= 0))[-SEEN:]
        rows, values = neighbourhood.events.rows[picked], class_of_value[neighbourhood.events.values[picked]]
        weights: dict[str, Floats] = {}
        if len(np.unique(values)) < 2:
            frequent = frequent[:0]
        for view, with_metadata in VIEWS if len(frequent) else ():
            classifier = fit_one_vs_rest(neighbourhood, rows, values, with_metadata, threads)
            # Of two kinds scikit-learn keeps the weights of the second alone.
            weight, bias = classifier.coef_, classifier.intercept_
            if len(classifier.classes_) == 2:
                weight, bias = np.concatenate((-weight, weight)), np.concatenate((-bias, bias))
            weights[view] = np.zeros((len(frequent), BUCKETS), np.float32)
            weights[f"{view} bias"] = np.full(len(frequent), -20.0, np.float32)
            # Halves, as in a checkpoint: what is read again says the same.
            weights[view][classifier.classes_] = weight.astype(np.float16)
            weights[f"{view} bias"][classifier.classes_] = bias.astype(np.float16)
        return cls([neighbourhood.column.categories[value] for value in frequent], weights)

    def class_of_value(self, neighbourhood: Neighbourhood) -> Integers:
        """Return our number of each value of the graph, -1 for those that words do not speak for."""
        return neighbourhood.value_positions(self.values)

    def predict_log_proba(self, neighbourhood: Neighbourhood, query: CompletionQuery) -> Floats:
        """Return log-probabilities, shape (q, values)."""
        out = np.zeros((len(query), len(self.values)), np.float32)
        for view, with_metadata in VIEWS if self.values else ():
            rows = np.flatnonzero(query.metadata_visible == with_metadata)
            log_odds = (
                token_matrix(neighbourhood, query.subset(rows)) @ self.weights[view].T + self.weights[f"{view} bias"]
            )
            probability = 1 / (1 + np.exp(-np.clip(log_odds, -30, 30)))
            probability /= np.maximum(probability.sum(1, keepdims=True), 1e-9)
            out[rows] = np.log(np.maximum(probability, MIN_PROBABILITY))
        return out

    def save(self, file: Path) -> None:
        """Write the weights, as halves."""
        save_file({name: table.astype(np.float16) for name, table in self.weights.items()}, file)

    @classmethod
    def load(cls, file: Path, values: list[str]) -> BagOfWordsClassifier:
        """Read the weights."""
        return cls(values, {name: table.astype(np.float32) for name, table in load_file(file).items()})
