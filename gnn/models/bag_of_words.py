"""Logistic regression on hashed tokens of names, owners, lineage, tags and cards; it uses no counts of declarations."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file
from scipy.sparse import csr_array
from sklearn.linear_model import SGDClassifier

from atlas_db.core.arrays import Flags, Floats, Integers, join_lists
from gnn.dataset.neighbourhood import Neighbourhood
from gnn.dataset.query import CompletionQuery
from gnn.parameters.model_parameters import MODEL
from gnn.parameters.token_parameters import TOKEN

_BAG_OF_WORDS = MODEL.bag_of_words
VIEWS = (("with_metadata", True), ("cold_start", False))
"""Names of the two sets of weights, and whether each sees the metadata tokens of a model."""


def token_matrix(neighbourhood: Neighbourhood, query: CompletionQuery) -> csr_array:
    """Return the token counts of models, each row scaled to unit length, shape (q, TOKEN.buckets).

    A row has 1 / sqrt(n) for each of a model's n tokens; metadata tokens count where they are visible.

    Args:
        neighbourhood: Visible declarations, and the tokens of every model.
        query: Models, shape (q,).
    """
    name_tokens = neighbourhood.token_table.take(query.rows)
    metadata_tokens = neighbourhood.metadata_tokens.take(np.where(query.metadata_visible, query.rows, -1))
    tokens = join_lists([name_tokens, metadata_tokens])
    lengths = np.sqrt(np.maximum(tokens.counts, 1))
    # scikit-learn takes 32-bit indices only.
    parts = np.ones(len(tokens.values), np.float32), tokens.values.astype(np.int32), tokens.indptr.astype(np.int32)
    matrix = csr_array(parts, shape=(len(query), TOKEN.buckets))
    matrix.sum_duplicates()
    matrix.data *= np.repeat((1 / lengths).astype(np.float32), np.diff(matrix.indptr))
    return matrix


def fit_one_vs_rest(
    neighbourhood: Neighbourhood, rows: Integers, values: Integers, with_metadata: bool, threads: int
) -> SGDClassifier:
    """Return a logistic regression for each value against the rest, fitted by stochastic gradient descent.

    Args:
        neighbourhood: Visible declarations, and the tokens of every model.
        rows: Models, shape (n,).
        values: Declared value of each, of two kinds at least, shape (n,).
        with_metadata: Whether metadata tokens are visible.
        threads: Cores to use.
    """
    query = CompletionQuery(rows, neighbourhood.graph.created[rows], np.full(len(rows), with_metadata))
    classifier = SGDClassifier(
        loss="log_loss", alpha=_BAG_OF_WORDS.l2_penalty, max_iter=_BAG_OF_WORDS.epochs, tol=None, random_state=1,
        n_jobs=threads,
    )  # fmt: skip
    return classifier.fit(token_matrix(neighbourhood, query), values)


@dataclass(frozen=True, eq=False)
class BagOfWordsClassifier:
    """Logistic regression on tokens in two views, with metadata and in a cold start.

    Attributes:
        values: Names of the values that it has weights for.
        weights: By view, `with_metadata` and `cold_start`, shape (values, TOKEN.buckets); their biases under
            `with_metadata bias` and `cold_start bias`, shape (values,). Empty where there are fewer than two values.
    """

    values: list[str]
    weights: dict[str, Floats]

    @classmethod
    def fit(cls, neighbourhood: Neighbourhood, chosen: Flags, threads: int) -> BagOfWordsClassifier:
        """Return a classifier of the most frequent values, fitted to the newest declarations.

        Args:
            neighbourhood: Visible declarations, and the tokens of every model.
            chosen: Declarations to learn from, shape (declarations,).
            threads: Cores to use.
        """
        events = neighbourhood.events
        counts = np.bincount(events.values[chosen], minlength=events.num_values)
        frequent = np.argsort(-counts, kind="stable")[: _BAG_OF_WORDS.max_values]
        frequent = np.sort(frequent[counts[frequent] > 0])
        class_of_value = np.full(events.num_values, -1, np.int64)
        class_of_value[frequent] = np.arange(len(frequent))
        picked = np.flatnonzero(chosen & (class_of_value[events.values] >= 0))[-_BAG_OF_WORDS.max_declarations :]
        rows, classes = events.rows[picked], class_of_value[events.values[picked]]
        if len(np.unique(classes)) < 2:
            return cls([], {})
        weights: dict[str, Floats] = {}
        for view, with_metadata in VIEWS:
            classifier = fit_one_vs_rest(neighbourhood, rows, classes, with_metadata, threads)
            # For two classes scikit-learn holds the weights of the second only.
            weight, bias = classifier.coef_, classifier.intercept_
            if len(classifier.classes_) == 2:
                weight, bias = np.concatenate((-weight, weight)), np.concatenate((-bias, bias))
            weights[view] = np.zeros((len(frequent), TOKEN.buckets), np.float32)
            weights[f"{view} bias"] = np.full(len(frequent), _BAG_OF_WORDS.unseen_log_odds, np.float32)
            # Rounded to half precision, as in a checkpoint: it predicts the same when it is loaded again.
            weights[view][classifier.classes_] = weight.astype(np.float16)
            weights[f"{view} bias"][classifier.classes_] = bias.astype(np.float16)
        return cls([neighbourhood.column.categories[value] for value in frequent], weights)

    @cached_property
    def _weights_by_token(self) -> dict[str, Floats]:
        """Weights by view, shape (TOKEN.buckets, values): a sparse product would copy a transposed table each time."""
        return {view: np.ascontiguousarray(self.weights[view].T) for view, _ in VIEWS}

    def class_of_value(self, neighbourhood: Neighbourhood) -> Integers:
        """Return the class of each value of the graph, -1 for values without weights, shape (graph values,)."""
        return neighbourhood.value_positions(self.values)

    def predict_log_proba(self, neighbourhood: Neighbourhood, query: CompletionQuery) -> Floats:
        """Return log-probabilities, shape (q, values).

        The one-against-rest probabilities of a model are divided by their sum.

        Args:
            neighbourhood: Visible declarations, and the tokens of every model.
            query: Models, shape (q,).
        """
        out = np.zeros((len(query), len(self.values)), np.float32)
        limit = _BAG_OF_WORDS.max_log_odds
        for view, with_metadata in VIEWS if self.values else ():
            rows = np.flatnonzero(query.metadata_visible == with_metadata)
            if not len(rows):
                continue
            log_odds = token_matrix(neighbourhood, query.subset(rows)) @ self._weights_by_token[view]
            log_odds = log_odds + self.weights[f"{view} bias"]
            probability = 1 / (1 + np.exp(-np.clip(log_odds, -limit, limit)))
            probability /= np.maximum(probability.sum(1, keepdims=True), 1e-9)
            out[rows] = np.log(np.maximum(probability, _BAG_OF_WORDS.min_probability))
        return out

    def save(self, file: Path) -> None:
        """Write the weights in half precision."""
        save_file({name: table.astype(np.float16) for name, table in self.weights.items()}, file)

    @classmethod
    def load(cls, file: Path, values: list[str]) -> BagOfWordsClassifier:
        """Return the classifier of a file.

        Args:
            file: What `save` wrote.
            values: Names of its values.

        Raises:
            safetensors.SafetensorError: The file is damaged.
        """
        return cls(values, {name: table.astype(np.float32) for name, table in load_file(file).items()})
