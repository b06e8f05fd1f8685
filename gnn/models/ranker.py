"""Gradient-boosted trees (LightGBM) that score the candidate values of a model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np

from atlas_db.core.arrays import Doubles, Flags, Floats, Integers
from gnn.candidates.inverted_index import top_k_per_group
from gnn.features.candidate_table import NETWORK_FEATURES
from gnn.parameters.model_parameters import MODEL

_RANKER = MODEL.ranker
_SETTINGS: dict[str, Any] = {
    "feature_fraction": _RANKER.feature_share, "bagging_fraction": _RANKER.row_share, "bagging_freq": 1,
    "lambda_l2": _RANKER.l2_penalty, "verbose": -1, "deterministic": True, "force_col_wise": True, "seed": 1,
}  # fmt: skip
_POINTWISE: dict[str, Any] = {
    "objective": "binary", "num_leaves": _RANKER.pointwise_leaves, "learning_rate": _RANKER.pointwise_learning_rate,
}  # fmt: skip
"""Each candidate is scored by itself: there are few, and most models declare one of them."""
_LISTWISE: dict[str, Any] = {
    "objective": "lambdarank", "num_leaves": _RANKER.listwise_leaves,
    "learning_rate": _RANKER.listwise_learning_rate, "lambdarank_norm": False,
    "lambdarank_truncation_level": _RANKER.listwise_truncation,
}  # fmt: skip
"""Candidates are ranked within their model (LambdaMART, Burges 2010): there are many, and all but one or two are wrong.

For parents, on the months before the test split: hits@1 .566 and hits@10 .796. With XE-NDCG (Bruch 2021) they were .541
and .779, pointwise .557 and .789. For datasets and languages hits@1 was .016 and .013 above XE-NDCG.
"""


class Ranker:
    """Two ensembles of trees: `tabular` without the network's features, `stacked` with them.

    Where there is a network, a pointwise score is the mean of both; else it is that of the tabular trees. A listwise
    score uses the tabular trees only, because the network added nothing there (hits@1 +.001 [-.013, +.012]). Stacked
    trees are then trained for the comparison in an evaluation alone.

    Args:
        tabular: Trees without the network's features.
        stacked: Trees with them; None where they were not trained.
        listwise: Whether candidates are ranked within their model.
    """

    def __init__(self, tabular: lightgbm.Booster, stacked: lightgbm.Booster | None, *, listwise: bool) -> None:
        self._tabular = tabular
        self._stacked = stacked
        self._listwise = listwise

    @classmethod
    def fit(
        cls, features: Sequence[Floats], truth: Flags, group_index: Integers, threads: int, *, listwise: bool,
        has_network: bool, with_stacked: bool,
    ) -> Ranker:  # fmt: skip
        """Train on candidates.

        Args:
            features: Features of the candidates, the network's last, in parts that follow each other, shape (c part,
                features) each. Tables that are one block in memory are not copied.
            truth: Whether each candidate is declared, shape (c,).
            group_index: Model of each candidate, ascending, shape (c,).
            threads: Cores to use.
            listwise: Whether candidates are ranked within their model, instead of each by itself.
            has_network: Whether the last features are those of a network.
            with_stacked: Whether stacked trees are trained, too.
        """
        # On a small table, threads that wait for each other cost more than the training.
        threads = threads if len(truth) >= _RANKER.min_parallel_candidates else 1
        leaf_rows = np.clip(len(truth) // _RANKER.rows_per_leaf, _RANKER.min_leaf_rows, _RANKER.max_min_leaf_rows)
        trees = _RANKER.listwise_trees if listwise else _RANKER.pointwise_trees
        settings = {
            **_SETTINGS,
            **(_LISTWISE if listwise else _POINTWISE),
            "num_threads": threads,
            "min_data_in_leaf": int(leaf_rows),
        }
        group_sizes = np.unique(group_index, return_counts=True)[1] if listwise else None

        def boosted(parts: Sequence[Floats]) -> lightgbm.Booster:
            dataset = lightgbm.Dataset(list(parts), truth.astype(np.float32), group=group_sizes)
            return lightgbm.train(settings, dataset, trees)

        stacked = boosted(features) if with_stacked else None
        tabular = [part[:, : -len(NETWORK_FEATURES)] for part in features] if has_network else features
        return cls(boosted(tabular), stacked, listwise=listwise)

    def score(self, features: Floats, group_index: Integers) -> Doubles:
        """Return scores above 0, shape (c,), which are comparable within a model.

        Listwise scores come from a cascade: the first trees choose which candidates the later trees score, too.
        Candidates that are not chosen keep their order, below those that are.

        Args:
            features: Features of the candidates, the network's last, shape (c, features).
            group_index: Model of each candidate, ascending, shape (c,).
        """
        if not self._listwise:
            return self.tabular_score(features) if self._stacked is None else self.stacked_score(features)
        cascade = _RANKER.cascade
        out = self._tabular_output(features, 0, cascade[0][0]) - _RANKER.cascade_gap * len(cascade)
        chosen = np.arange(len(group_index))
        for (trees, candidates), (stop, _) in zip(cascade, (*cascade[1:], (_RANKER.listwise_trees, 0)), strict=True):
            chosen = chosen[top_k_per_group(group_index[chosen], out[chosen].astype(np.float32), candidates)]
            out[chosen] += _RANKER.cascade_gap + self._tabular_output(features[chosen], trees, stop)
        return self._positive(out)

    def _tabular_output(self, features: Floats, start: int = 0, stop: int = 0) -> Doubles:
        """Return what the tabular trees predict, or a range of them, shape (c,): listwise, their summed log-odds."""
        # The network's columns come last, so that they need not be cut off.
        found = self._tabular.predict(
            features, start_iteration=start, num_iteration=stop - start or -1, predict_disable_shape_check=True
        )
        return np.asarray(found, np.float64)

    def stacked_score(self, features: Floats) -> Doubles:
        """Return the mean score of both ensembles, shape (c,).

        Raises:
            ValueError: No stacked trees were trained.
        """
        stacked = np.asarray(self._required_stacked.predict(features), np.float64)
        return self._positive((stacked + self._tabular_output(features)) / 2)

    @property
    def _required_stacked(self) -> lightgbm.Booster:
        if self._stacked is None:
            raise ValueError("no trees with the network's features were trained")
        return self._stacked

    def tabular_score(self, features: Floats) -> Doubles:
        """Return the score of the trees without the network's features, shape (c,)."""
        return self._positive(self._tabular_output(features))

    def _positive(self, scores: Doubles) -> Doubles:
        return np.exp(np.clip(scores, -30, 30)) if self._listwise else scores

    def shap_values(self, features: Floats) -> Floats:
        """Return what each feature adds to a candidate's log-odds, shape (c, features).

        They are SHAP values of the trees (Lundberg and Lee 2017); the network's are zero where the score uses none.
        """
        if not self._listwise and self._stacked is not None:
            return np.asarray(self._stacked.predict(features, pred_contrib=True))[:, :-1]
        contributions = np.asarray(
            self._tabular.predict(features, pred_contrib=True, predict_disable_shape_check=True)
        )[:, :-1]
        return np.pad(contributions, ((0, 0), (0, features.shape[1] - contributions.shape[1])))

    def save(self, folder: Path) -> None:
        """Write the ensembles that `score` needs, as LightGBM's text format."""
        self._tabular.save_model(folder / "tabular.txt")
        if not self._listwise and self._stacked is not None:
            self._stacked.save_model(folder / "stacked.txt")

    @classmethod
    def load(cls, folder: Path, *, listwise: bool, with_stacked: bool) -> Ranker:
        """Return the ranker that `save` wrote.

        Args:
            folder: The folder.
            listwise: Whether candidates are ranked within their model.
            with_stacked: Whether stacked trees were saved.

        Raises:
            lightgbm.basic.LightGBMError: A file cannot be read.
        """
        stacked = lightgbm.Booster(model_file=folder / "stacked.txt") if with_stacked else None
        return cls(lightgbm.Booster(model_file=folder / "tabular.txt"), stacked, listwise=listwise)
