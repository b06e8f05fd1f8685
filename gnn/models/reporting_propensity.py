"""Reporting propensity: whether a missing parent means that a model has none, or that its author reports none.

Training tools have written `base_model` into cards only since the summer of 2023, and some still do not. What most
models derive from is therefore not declared. A declared parent is modelled as a product of two probabilities:

    P(declared) = P(derived | tokens) * P(reported | date, owner, tool)

The second factor is the propensity of learning from positive and unlabelled data. Positives are selected at random
given their attributes (SAR-EM: Bekker, Robberts, Davis 2019, ECML PKDD). It is fitted where the first factor is near
one. There the model's name contains the whole name of an older model that others derive from. With a low propensity, a
missing parent is weak evidence of being a root; with a high one it is strong.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from zlib import crc32

import lightgbm
import numpy as np
from lightgbm.basic import LightGBMError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file
from scipy.sparse import csr_array, hstack
from scipy.special import expit

from atlas_db.columnar.graph import Graph
from atlas_db.columnar.repository_names import segments
from atlas_db.core.arrays import Doubles, Flags, Floats, Integers
from atlas_db.core.cpu import available_cores
from atlas_db.core.errors import CompletionError
from atlas_db.core.files import replacing
from gnn.dataset.neighbourhood import Neighbourhood
from gnn.dataset.query import CompletionQuery
from gnn.dataset.tasks import VERSION
from gnn.dataset.temporal_counts import PrefixCounter
from gnn.models.bag_of_words import token_matrix
from gnn.parameters.model_parameters import MODEL
from gnn.parameters.token_parameters import TOKEN

_PROPENSITY = MODEL.propensity
FOLDS = (0, 1)
"""Halves of the owners: each half is predicted by models that were fitted to the other."""
EXTRA_FEATURES = (
    "name contains a known parent", "name is a copy's", "first token is new", "models with the same first two tokens",
    "children",
)  # fmt: skip
"""Derivation features after the token counts; the last two as log(1 + count)."""
_TREE_SETTINGS: dict[str, Any] = {
    "objective": "binary", "learning_rate": _PROPENSITY.tree_learning_rate, "num_leaves": _PROPENSITY.tree_leaves,
    "min_data_in_leaf": _PROPENSITY.min_leaf_rows, "verbose": -1, "deterministic": True, "force_col_wise": True,
    "seed": 1,
}  # fmt: skip


class Missingness(NamedTuple):
    """Why models may declare no parent.

    Attributes:
        p_derived: Probability that there is a parent, given tokens alone, shape (q,).
        p_reported: Propensity: probability that a parent would be declared, given date, owner and tool, shape (q,).
    """

    p_derived: Doubles
    p_reported: Doubles

    @property
    def p_root(self) -> Doubles:
        """Probability that there is no parent where none is declared, shape (q,).

        By Bayes: (1 - p_derived) / (1 - p_derived * p_reported).
        """
        return np.asarray((1 - self.p_derived) / (1 - self.p_derived * self.p_reported))


@dataclass(frozen=True, slots=True, eq=False)
class PropensityModel:
    """Propensity and derivation models, one of each for each half of the owners (cross-fitting).

    Attributes:
        propensity_trees: Trees for P(reported), one ensemble a fold.
        tool_tokens: Most frequent metadata tokens, which identify training tools, shape (tokens,).
        weights: Logistic weights for P(derived), shape (2, TOKEN.buckets + len(EXTRA_FEATURES)).
        bias: Their biases, shape (2,).
    """

    propensity_trees: tuple[lightgbm.Booster, ...]
    tool_tokens: Integers
    weights: Floats
    bias: Floats

    @classmethod
    def fit(cls, neighbourhood: Neighbourhood) -> PropensityModel | None:
        """Return the models, fitted to all visible declarations; None where too few names contain a known parent.

        Args:
            neighbourhood: Visible declarations of whether models have a parent.
        """
        rows = np.sort(neighbourhood.events.rows)
        yes = neighbourhood.column.categories.index("yes")
        is_reported = neighbourhood.column.codes.first[rows] == yes
        has_known_parent = name_contains_known_parent(neighbourhood.graph, rows)
        fold = _folds(neighbourhood.graph, rows)
        if any((has_known_parent & (fold == side)).sum() < _PROPENSITY.min_examples for side in FOLDS):
            return None
        counts = np.bincount(neighbourhood.metadata_tokens.take(rows).values, minlength=TOKEN.buckets)
        tool_tokens = np.sort(np.argsort(-counts, kind="stable")[: _PROPENSITY.max_tool_tokens])
        query = CompletionQuery(rows, neighbourhood.graph.event_time[rows], np.ones(len(rows), bool))
        propensity_features = _propensity_features(neighbourhood, query, tool_tokens)
        derivation_features = _derivation_features(neighbourhood, query, has_known_parent)
        in_folds = [has_known_parent & (fold == side) for side in FOLDS]
        propensity_trees = tuple(_fit_trees(propensity_features[part], is_reported[part]) for part in in_folds)
        p_reported = _cross_fitted(propensity_trees, propensity_features, fold)
        fitted = [
            _fit_derivation(derivation_features, is_reported, p_reported, np.flatnonzero(fold == side))
            for side in FOLDS
        ]
        weights = np.stack([own for own, _ in fitted]).astype(np.float16).astype(np.float32)
        return cls(propensity_trees, tool_tokens, weights, np.array([bias for _, bias in fitted], np.float32))

    def predict_proba(self, neighbourhood: Neighbourhood, query: CompletionQuery) -> Missingness:
        """Return why models may declare no parent; what they declare themselves is not used.

        Args:
            neighbourhood: Visible declarations of whether models have a parent.
            query: Models, shape (q,); their cutoffs date the propensity, so that they should be the models' own dates.
        """
        graph = neighbourhood.graph
        fold = _folds(graph, query.rows)
        propensity_features = _propensity_features(neighbourhood, query, self.tool_tokens)
        p_reported = _cross_fitted(self.propensity_trees, propensity_features, fold)
        has_known_parent = name_contains_known_parent(graph, query.rows)
        derivation_features = _derivation_features(neighbourhood, query, has_known_parent)
        p_derived = np.zeros(len(query))
        for side in FOLDS:
            rows = np.flatnonzero(fold == side)
            p_derived[rows] = expit(derivation_features[rows] @ self.weights[1 - side] + self.bias[1 - side])
        return Missingness(p_derived, p_reported)

    def save(self, folder: Path) -> None:
        """Write a checkpoint: trees as text, the rest as safetensors."""
        folder.mkdir(parents=True, exist_ok=True)
        for side, trees in enumerate(self.propensity_trees):
            trees.save_model(folder / f"propensity-{side}.txt")
        tensors: dict[str, Any] = {
            "tool_tokens": self.tool_tokens, "weights": self.weights.astype(np.float16), "bias": self.bias
        }  # fmt: skip
        # Written last and atomically: a folder without it is no checkpoint.
        with replacing(folder / "propensity.safetensors") as partial:
            save_file(tensors, partial, metadata={"version": VERSION})

    @classmethod
    def load(cls, folder: Path) -> PropensityModel | None:
        """Return the models of a checkpoint; None where there is none, or one of another version.

        Raises:
            CompletionError: The checkpoint is damaged.
        """
        file = folder / "propensity.safetensors"
        if not file.exists():
            return None
        try:
            with safe_open(file, framework="numpy") as opened:
                version = (opened.metadata() or {}).get("version")
            if version != VERSION:
                return None
            tensors = load_file(file)
            propensity_trees = tuple(lightgbm.Booster(model_file=folder / f"propensity-{side}.txt") for side in FOLDS)
            return cls(propensity_trees, tensors["tool_tokens"], tensors["weights"].astype(np.float32), tensors["bias"])
        except (OSError, KeyError, SafetensorError, LightGBMError) as error:
            raise CompletionError(
                f"the checkpoint in {folder} cannot be read ({error})", hint="Learn anew with --retrain"
            ) from error


def name_contains_known_parent(graph: Graph, rows: Integers) -> Flags:
    """Return whether each model's name contains the whole name of an older model that others derive from, shape (q,).

    Only parts between separators such as hyphens count.

    Args:
        graph: The graph.
        rows: Models, shape (q,).
    """
    names, created = graph.name_keys.lower, graph.created
    oldest: dict[str, float] = {}
    for row in np.flatnonzero(_child_counts(graph) >= _PROPENSITY.min_children).tolist():
        name = names[row]
        if len(name) >= _PROPENSITY.min_name_length:
            oldest[name] = min(oldest.get(name, np.inf), float(created[row]))
    dates = created[rows].tolist()
    return np.array(
        [
            any(oldest.get(part, np.inf) <= date for part in segments(names[row], _PROPENSITY.min_name_length))
            for row, date in zip(rows.tolist(), dates, strict=True)
        ],
        bool,
    )


def has_known_children(graph: Graph, rows: Integers) -> Flags:
    """Return whether enough models declare each model as their parent, shape (q,).

    For these, tokens and a missing parent are weak evidence: the names of their children contain theirs, and authors of
    base models declare no parent.
    """
    return _child_counts(graph)[rows] >= _PROPENSITY.min_children


def _child_counts(graph: Graph) -> Integers:
    """Return how many models declare each model as their parent, shape (models,)."""
    return np.bincount(graph.parents.values[graph.declared], minlength=len(graph))


def _derivation_features(neighbourhood: Neighbourhood, query: CompletionQuery, has_known_parent: Flags) -> csr_array:
    """Return token counts and `EXTRA_FEATURES` of models, shape (q, TOKEN.buckets + len(EXTRA_FEATURES)).

    Args:
        neighbourhood: Visible declarations, tokens and names of every model.
        query: Models, shape (q,); names are counted up to their cutoffs.
        has_known_parent: Whether each name contains a known parent's, shape (q,).
    """
    rows, events, names = query.rows, neighbourhood.events, neighbourhood.graph.name_keys
    first_token_count, two_token_count = (
        PrefixCounter(events, keys[events.rows]).count_before(keys[rows], query.cutoffs)
        for keys in (names.first_token, names.first_two_tokens)
    )
    child_counts = _child_counts(neighbourhood.graph)[rows]
    extra_features = np.column_stack((
        has_known_parent, names.is_copy[rows], first_token_count == 0, np.log1p(two_token_count),
        np.log1p(child_counts),
    ))  # fmt: skip
    return csr_array(hstack((token_matrix(neighbourhood, query), csr_array(extra_features.astype(np.float32)))))


def _folds(graph: Graph, rows: Integers) -> Integers:
    """Return the fold of each model, shape (q,): by its owner, the same in every store."""
    owners = np.array([crc32(name.encode()) % 2 for name in graph.authors] or [0], np.int64)
    author = graph.author[rows]
    return np.where(author >= 0, owners[author], 0)


def _propensity_features(neighbourhood: Neighbourhood, query: CompletionQuery, tool_tokens: Integers) -> Floats:
    """Return date, earlier declarations of the owner, and presence of each tool token, shape (q, features)."""
    yes = np.full(len(query), neighbourhood.column.categories.index("yes"))
    author_counts = neighbourhood.counts_by("author").count_features(
        neighbourhood.group_of("author", query), query.cutoffs, query.cutoffs, np.arange(len(query)), yes
    )
    metadata_tokens = neighbourhood.metadata_tokens.take(query.rows)
    first_tool_column = 1 + author_counts.shape[1]
    column_of_token = np.full(TOKEN.buckets, -1, np.int64)
    column_of_token[tool_tokens] = np.arange(len(tool_tokens))
    out = np.zeros((len(query), first_tool_column + len(tool_tokens)), np.float32)
    out[:, 0], out[:, 1:first_tool_column] = query.cutoffs, author_counts
    columns = column_of_token[metadata_tokens.values]
    is_tool_token = columns >= 0
    out[metadata_tokens.rows[is_tool_token], first_tool_column + columns[is_tool_token]] = 1
    return out


def _fit_trees(features: Floats, is_reported: Flags) -> lightgbm.Booster:
    dataset = lightgbm.Dataset(features, is_reported.astype(np.float32))
    return lightgbm.train({**_TREE_SETTINGS, "num_threads": available_cores()}, dataset, _PROPENSITY.trees)


def _cross_fitted(propensity_trees: tuple[lightgbm.Booster, ...], features: Floats, fold: Integers) -> Doubles:
    """Return the propensity of each model by the trees of the other fold, shape (q,)."""
    out = np.zeros(len(features))
    for side in FOLDS:
        in_fold = fold == side
        if in_fold.any():
            out[in_fold] = np.asarray(propensity_trees[1 - side].predict(features[in_fold]))
    return np.clip(out, _PROPENSITY.min_propensity, 1 - _PROPENSITY.min_propensity)


def _fit_derivation(
    features: csr_array, is_reported: Flags, p_reported: Doubles, rows: Integers
) -> tuple[Doubles, float]:
    """Return weights and bias of P(derived) = sigmoid(features @ weights + bias), shape (features,) and scalar.

    They maximise the likelihood of P(declared) = P(derived) * P(reported), the second factor given. AdaGrad (Duchi,
    Hazan, Singer 2011) is written out: the features are a sparse matrix, and nothing else here needs torch.

    Args:
        features: Derivation features, shape (n, features).
        is_reported: Whether each model declares a parent, shape (n,).
        p_reported: Propensity of each, shape (n,).
        rows: Models to learn from, shape (m,).
    """
    rng = np.random.default_rng(1)
    weights, squared_gradients = np.zeros(features.shape[1]), np.full(features.shape[1], 1e-10)
    bias, squared_bias_gradient = 0.0, 1e-10
    for _ in range(_PROPENSITY.epochs):
        for batch_rows in np.array_split(rng.permutation(rows), _PROPENSITY.batches):
            batch, propensity = features[batch_rows], p_reported[batch_rows]
            p_derived = expit(batch @ weights + bias)
            p_declared = np.clip(p_derived * propensity, 1e-6, 1 - 1e-6)
            slope = (p_declared - is_reported[batch_rows]) / (p_declared * (1 - p_declared))
            # Derivative of the mean negative log-likelihood by each model's log-odds of being derived.
            residual = slope * propensity * p_derived * (1 - p_derived) / len(batch_rows)
            gradient = batch.T @ residual + _PROPENSITY.l2_penalty / len(rows) * weights
            squared_gradients += gradient**2
            weights -= _PROPENSITY.learning_rate * gradient / np.sqrt(squared_gradients)
            squared_bias_gradient += residual.sum() ** 2
            bias -= _PROPENSITY.learning_rate * residual.sum() / np.sqrt(squared_bias_gradient)
    return weights, float(bias)
