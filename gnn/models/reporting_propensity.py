"""Whether silence says anything: a model that names no parent has none, or an author who does not say so.

Training tools have written `base_model` into cards since the summer of 2023 only, others never do: what most models
derive from is not said, however plain it is. That a parent is named is therefore taken for a product: that there is
one, of what the model is called and states; times that it would be said, of habit alone, that is of date, owner and
tool (unlabelled positives selected by attributes of their own: Bekker, Robberts, Davis 2019, ECML PKDD).

Habit is learnt where it shows by itself: of models whose names spell the whole name of an older one which others derive
from. Given a habit that seldom speaks, silence counts for little against what words say; given one that mostly
speaks, for much.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import lightgbm
import numpy as np
from lightgbm.basic import LightGBMError
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from scipy.sparse import csr_array, hstack
from scipy.special import expit

from atlas_db.columnar.graph import Graph
from atlas_db.columnar.repository_names import segments
from atlas_db.core.arrays import Doubles, Flags, Floats, Integers
from atlas_db.core.cpu import available_cores
from atlas_db.core.errors import CompletionError
from atlas_db.core.files import replacing
from gnn.dataset.hashed_tokens import BUCKETS
from gnn.dataset.temporal_counts import PrefixCounter
from gnn.features.neighbours import CompletionQuery, Neighbourhood
from gnn.models.bag_of_words import token_matrix

MIN_CHILDREN = 5
"""Models that derive from one before its name counts as known."""
MIN_NAME_LENGTH = 6
"""Characters of a known name."""
MIN_EXAMPLES = 200
"""Models with a known name in their own below which habit is not learnt."""
MAX_TOOL_TOKENS = 100
"""Most frequent words of what models state that tell tools from each other."""
ROUNDS, EPOCHS, BATCHES, RATE, RIDGE = 150, 3, 80, 0.5, 0.2
MIN_PROPENSITY = 0.01
"""Chance that a parent is said, or is not said, at least."""
FOLDS = (0, 1)
"""Of owners: each half is judged by what was learnt of the other."""
_SETTINGS: dict[str, Any] = {
    "objective": "binary", "learning_rate": 0.08, "num_leaves": 31, "min_data_in_leaf": 50, "verbose": -1,
    "deterministic": True, "force_row_wise": True, "seed": 1,
}  # fmt: skip


class Missingness(NamedTuple):
    """Why a model may name no parent.

    Attributes:
        p_derived: Chance that it has one, as its words have it, whatever it declares, shape (q,).
        p_reported: Chance that one would be named, as the habits of date, owner and tool have it, shape (q,).
    """

    p_derived: Doubles
    p_reported: Doubles

    @property
    def p_root(self) -> Doubles:
        """Chance that there is no parent where none is named (Bayes), shape (q,)."""
        return np.asarray((1 - self.p_derived) / (1 - self.p_derived * self.p_reported))


@dataclass(frozen=True, slots=True, eq=False)
class PropensityModel:
    """What was learnt of habits, and of words, each of one half of the owners.

    Attributes:
        propensity_trees: Trees that say whether a parent would be named.
        tool_tokens: Words that tell tools from each other, as numbers, shape (at most SPOKEN,).
        weights: Of what is heard of models, which says whether there is a parent, shape (2, BUCKETS + 5).
        bias: Shape (2,).
    """

    propensity_trees: tuple[lightgbm.Booster, ...]
    tool_tokens: Integers
    weights: Floats
    bias: Floats

    @classmethod
    def fit(cls, neighbourhood: Neighbourhood) -> PropensityModel | None:
        """Learn from all declarations that are visible; None where too few names show a parent.

        Args:
            neighbourhood: What is visible of whether models declare a parent.
        """
        rows = np.sort(neighbourhood.events.rows)
        yes = neighbourhood.column.categories.index("yes")
        is_reported = neighbourhood.column.codes.first[rows] == yes
        has_known_parent = name_contains_known_parent(neighbourhood.graph, rows)
        fold = _folds(neighbourhood.graph, rows)
        if any((has_known_parent & (fold == side)).sum() < MIN_EXAMPLES for side in FOLDS):
            return None
        metadata_tokens = neighbourhood.metadata_tokens.take(rows).values
        counts = np.bincount(metadata_tokens, minlength=BUCKETS)
        tool_tokens = np.sort(np.argsort(-counts, kind="stable")[:MAX_TOOL_TOKENS])
        query = CompletionQuery(rows, neighbourhood.graph.event_time[rows], np.ones(len(rows), bool))
        propensity_features, derivation_features = (
            _propensity_features(neighbourhood, query, tool_tokens),
            _derivation_features(neighbourhood, query, has_known_parent),
        )
        propensity_trees = tuple(
            _fit_trees(
                propensity_features[has_known_parent & (fold == side)], is_reported[has_known_parent & (fold == side)]
            )
            for side in FOLDS
        )
        p_reported = _cross_fitted(propensity_trees, propensity_features, fold)
        fitted = [
            _fit_derivation(derivation_features, is_reported, p_reported, np.flatnonzero(fold == side))
            for side in FOLDS
        ]
        weights = np.stack([own for own, _ in fitted]).astype(np.float16).astype(np.float32)
        return cls(propensity_trees, tool_tokens, weights, np.array([bias for _, bias in fitted], np.float32))

    def predict_proba(self, neighbourhood: Neighbourhood, query: CompletionQuery) -> Missingness:
        """Return why models may name no parent, by habits of the query's moments: each model's own date.

        Whatever the models themselves declare is not looked at.
        """
        fold = _folds(neighbourhood.graph, query.rows)
        p_reported = _cross_fitted(
            self.propensity_trees, _propensity_features(neighbourhood, query, self.tool_tokens), fold
        )
        derivation_features = _derivation_features(
            neighbourhood, query, name_contains_known_parent(neighbourhood.graph, query.rows)
        )
        p_derived = np.zeros(len(query))
        for side in FOLDS:
            rows = np.flatnonzero(fold == side)
            p_derived[rows] = expit(derivation_features[rows] @ self.weights[1 - side] + self.bias[1 - side])
        return Missingness(p_derived, p_reported)

    def save(self, folder: Path) -> None:
        """Write a checkpoint: trees as text, the rest as tensors, last and at once: without them it is none."""
        folder.mkdir(parents=True, exist_ok=True)
        for side, trees in enumerate(self.propensity_trees):
            trees.save_model(folder / f"propensity-{side}.txt")
        tensors: dict[str, Any] = {
            "tool_tokens": self.tool_tokens, "weights": self.weights.astype(np.float16), "bias": self.bias
        }  # fmt: skip
        with replacing(folder / "propensity.safetensors") as partial:
            save_file(tensors, partial)

    @classmethod
    def load(cls, folder: Path) -> PropensityModel | None:
        """Read a checkpoint; None where there is none.

        Raises:
            CompletionError: It is damaged.
        """
        file = folder / "propensity.safetensors"
        if not file.exists():
            return None
        try:
            tensors = load_file(file)
            propensity_trees = tuple(lightgbm.Booster(model_file=folder / f"propensity-{side}.txt") for side in FOLDS)
            return cls(propensity_trees, tensors["tool_tokens"], tensors["weights"].astype(np.float32), tensors["bias"])
        except (OSError, KeyError, SafetensorError, LightGBMError) as error:
            raise CompletionError(
                f"the checkpoint in {folder} cannot be read ({error})", hint="Learn anew with --retrain"
            ) from error


def name_contains_known_parent(graph: Graph, rows: Integers) -> Flags:
    """Return which models bear the whole name of an older one, between hyphens and the like, that others derive from.

    Args:
        graph: The graph.
        rows: Models, shape (q,).
    """
    names, created = graph.name_keys.lower, graph.created
    oldest: dict[str, float] = {}
    for row in np.flatnonzero(_child_counts(graph) >= MIN_CHILDREN).tolist():
        name = names[row]
        if len(name) >= MIN_NAME_LENGTH:
            oldest[name] = min(oldest.get(name, np.inf), float(created[row]))
    dates = created[rows].tolist()
    return np.array(
        [
            any(oldest.get(part, np.inf) <= date for part in segments(names[row], MIN_NAME_LENGTH))
            for row, date in zip(rows.tolist(), dates, strict=True)
        ],
        bool,
    )


def has_known_children(graph: Graph, rows: Integers) -> Flags:
    """Return of which models others are known to derive.

    Their children bear their names, and who makes bases declares nothing: of them words and silence say little.
    """
    return _child_counts(graph)[rows] >= MIN_CHILDREN


def _child_counts(graph: Graph) -> Integers:
    """Return how many models declare each as their parent, shape (n,)."""
    return np.bincount(graph.parents.values[graph.declared], minlength=len(graph))


def _derivation_features(neighbourhood: Neighbourhood, query: CompletionQuery, has_known_parent: Flags) -> csr_array:
    """Return what is heard of models, shape (q, BUCKETS + 5).

    Words; whether a name bears a known one (`spelling`), is a copy's, and starts with a word that none had before; as
    logarithms, how many had its first two words before, and how many models derive from it.
    """
    rows, labels, names = query.rows, neighbourhood.events, neighbourhood.graph.name_keys
    first_token_count, two_token_count = (
        PrefixCounter(labels, kinds[labels.rows]).count_before(kinds[rows], query.cutoffs)
        for kinds in (names.first_token, names.first_two_tokens)
    )
    child_counts = _child_counts(neighbourhood.graph)[rows]
    extra_features = np.column_stack(
        (
            has_known_parent,
            names.is_copy[rows],
            first_token_count == 0,
            np.log1p(two_token_count),
            np.log1p(child_counts),
        )
    )
    return csr_array(hstack((token_matrix(neighbourhood, query), csr_array(extra_features.astype(np.float32)))))


def _folds(graph: Graph, rows: Integers) -> Integers:
    """Return which half each model is in: by its owner, the same in every store."""
    owners = np.array([crc32(name.encode()) % 2 for name in graph.authors] or [0], np.int64)
    author = graph.author[rows]
    return np.where(author >= 0, owners[author], 0)


def _propensity_features(neighbourhood: Neighbourhood, query: CompletionQuery, tool_tokens: Integers) -> Floats:
    """Return what habit shows in: date, what the owner declared before, words that tell tools, shape (q, features)."""
    yes = np.full(len(query), neighbourhood.column.categories.index("yes"))
    author_counts = neighbourhood.counts_by("author").count_features(
        neighbourhood.group_of("author", query), yes, query.cutoffs, query.cutoffs
    )
    metadata_tokens = neighbourhood.metadata_tokens.take(query.rows)
    column_of_token = np.full(BUCKETS, -1, np.int64)
    column_of_token[tool_tokens] = np.arange(len(tool_tokens))
    out = np.zeros((len(query), 1 + author_counts.shape[1] + len(tool_tokens)), np.float32)
    out[:, 0], out[:, 1 : 1 + author_counts.shape[1]] = query.cutoffs, author_counts
    is_tool_token = column_of_token[metadata_tokens.values] >= 0
    out[
        metadata_tokens.rows[is_tool_token],
        1 + author_counts.shape[1] + column_of_token[metadata_tokens.values[is_tool_token]],
    ] = 1
    return out


def _fit_trees(features: Floats, is_reported: Flags) -> lightgbm.Booster:
    return lightgbm.train(
        {**_SETTINGS, "num_threads": available_cores()},
        lightgbm.Dataset(features, is_reported.astype(np.float32)),
        ROUNDS,
    )


def _cross_fitted(propensity_trees: tuple[lightgbm.Booster, ...], features: Floats, fold: Integers) -> Doubles:
    """Return the chance that a parent would be named, each half judged by the other's trees."""
    out = np.zeros(len(features))
    for side in FOLDS:
        in_fold = fold == side
        if in_fold.any():
            out[in_fold] = np.asarray(propensity_trees[1 - side].predict(features[in_fold]))
    return np.clip(out, MIN_PROPENSITY, 1 - MIN_PROPENSITY)


def _fit_derivation(
    features: csr_array, is_reported: Flags, p_reported: Doubles, rows: Integers
) -> tuple[Doubles, float]:
    """Fit the chance that there is a parent: a logistic of words, times habit, is the chance that one is named.

    Maximum likelihood with AdaGrad (Duchi, Hazan, Singer 2011).

    Args:
        features: Derivation features, shape (n, features).
        is_reported: Whether each names a parent, shape (n,).
        p_reported: Chance that it would, if it had one, shape (n,).
        rows: Models to learn from.
    """
    rng = np.random.default_rng(1)
    weights, squared_gradients = np.zeros(features.shape[1]), np.full(features.shape[1], 1e-10)
    bias, squared_bias_gradient = 0.0, 1e-10
    for _ in range(EPOCHS):
        for batch_rows in np.array_split(rng.permutation(rows), BATCHES):
            batch, propensity = features[batch_rows], p_reported[batch_rows]
            p_derived = expit(batch @ weights + bias)
            p_observed = np.clip(p_derived * propensity, 1e-6, 1 - 1e-6)
            residual = (
                (p_observed - is_reported[batch_rows])
                / (p_observed * (1 - p_observed))
                * propensity
                * p_derived
                * (1 - p_derived)
                / len(batch_rows)
            )
            gradient = batch.T @ residual + RIDGE / len(rows) * weights
            squared_gradients += gradient**2
            weights -= RATE * gradient / np.sqrt(squared_gradients)
            squared_bias_gradient += residual.sum() ** 2
            bias -= RATE * residual.sum() / np.sqrt(squared_bias_gradient)
    return weights, float(bias)
