"""Boosted trees that say of every candidate value how well it is spoken for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightgbm
import numpy as np

from atlas_db.core.arrays import Doubles, Flags, Floats, Integers
from gnn.candidates.inverted_index import top_k_per_group
from gnn.features.neighbours import CLASS_SCORE_FEATURES

ROUNDS = 200
CASCADE = ((25, 24), (80, 8))
"""So many trees choose so many of the candidates in a list, which alone are judged by those that follow."""
CASCADE_GAP = 10.0
"""Log-odds that those are behind, at each step, which are not chosen."""
MIN_PARALLEL_CANDIDATES = 30_000
"""Candidates from which on more than one core learns."""
_SETTINGS: dict[str, Any] = {
    "learning_rate": 0.08, "feature_fraction": 0.4, "bagging_fraction": 0.7,
    "bagging_freq": 1, "lambda_l2": 5.0, "verbose": -1, "deterministic": True, "force_row_wise": True, "seed": 1,
}  # fmt: skip
_POINTWISE: dict[str, Any] = {"objective": "binary", "num_leaves": 63}
"""Each candidate by itself: there are few, and most models declare one of them."""
_LISTWISE: dict[str, Any] = {
    "objective": "lambdarank", "num_leaves": 127, "lambdarank_truncation_level": 15, "lambdarank_norm": False,
}  # fmt: skip
"""Each among the others of its model (Burges 2010, LambdaMART): there are many, all but one or two of them wrong.

For parents, on the months before the test split: hits@1 .566, hits@10 .796, against .541 and .779 with XE-NDCG (Bruch
2021) and .557 and .789 with single candidates; for datasets and languages hits@1 .016 and .013 above XE-NDCG.
"""


class Ranker:
    """Two ensembles of trees, one that hears the network and one that does not.

    Their mean is the score of candidates by themselves: on the months before the test split it beat either by .001 to
    .009 at equal coverage. Lists of candidates are scored without the network, which there added nothing (hits@1 +.001
    [-.013, +.012]): trees that hear it are learnt only to be compared.
    """

    def __init__(self, tabular: lightgbm.Booster, stacked: lightgbm.Booster | None, *, listwise: bool) -> None:
        self._tabular = tabular
        self._stacked = stacked
        self._listwise = listwise

    @classmethod
    def fit(
        cls, features: Floats, truth: Flags, group_index: Integers, threads: int, *, listwise: bool,
        with_stacked: bool = True,
    ) -> Ranker:  # fmt: skip
        """Learn from candidates.

        Args:
            features: Shape (c, features), the network's last.
            truth: Whether each candidate is declared, shape (c,).
            group_index: Model of each candidate, ascending, shape (c,).
            threads: Cores to use.
            listwise: Whether a candidate is judged among the others of its model, or by itself.
            with_stacked: Whether trees that hear the network are learnt, too.
        """
        # Threads that wait for each other cost more than a small table takes.
        threads = threads if len(truth) >= MIN_PARALLEL_CANDIDATES else 1
        settings = {
            **_SETTINGS,
            **(_LISTWISE if listwise else _POINTWISE),
            "num_threads": threads,
            "min_data_in_leaf": int(np.clip(len(truth) // 2000, 3, 60)),
        }
        group_sizes = np.unique(group_index, return_counts=True)[1] if listwise else None

        def boosted(part: Floats) -> lightgbm.Booster:
            return lightgbm.train(settings, lightgbm.Dataset(part, truth.astype(np.float32), group=group_sizes), ROUNDS)

        return cls(
            boosted(features[:, : -len(CLASS_SCORE_FEATURES)]),
            boosted(features) if with_stacked else None,
            listwise=listwise,
        )

    def score(self, features: Floats, group_index: Integers) -> Doubles:
        """Return scores above 0, shape (c,): those of one model are comparable.

        In lists, the first trees choose whom the others judge, too; those that are not chosen keep their order.

        Args:
            features: Shape (c, features), the network's last.
            group_index: Model of each candidate, ascending, shape (c,).
        """
        if not self._listwise:
            return self.stacked_score(features)
        out = self._partial_score(features, 0, CASCADE[0][0]) - CASCADE_GAP * len(CASCADE)
        chosen = np.arange(len(group_index))
        for (trees, most), (until, _) in zip(CASCADE, (*CASCADE[1:], (ROUNDS, 0)), strict=True):
            chosen = chosen[top_k_per_group(group_index[chosen], out[chosen].astype(np.float32), most)]
            out[chosen] += CASCADE_GAP + self._partial_score(features[chosen], trees, until)
        return self._positive(out)

    def _partial_score(self, features: Floats, start: int, stop: int) -> Doubles:
        """Return what some of the trees that know nothing of the network say."""
        # Its columns come last, so that they need not be cut off.
        return np.asarray(
            self._tabular.predict(
                features, start_iteration=start, num_iteration=stop - start, predict_disable_shape_check=True
            ),
            np.float64,
        )

    def stacked_score(self, features: Floats) -> Doubles:
        """Return the mean of both ensembles."""
        both = (
            self._required_stacked.predict(features),
            self._tabular.predict(features[:, : -len(CLASS_SCORE_FEATURES)]),
        )
        return self._positive(np.mean(np.asarray(both, np.float64), 0))

    @property
    def _required_stacked(self) -> lightgbm.Booster:
        if self._stacked is None:
            raise ValueError("no trees that hear the network were learnt")
        return self._stacked

    def tabular_score(self, features: Floats) -> Doubles:
        """Return the scores of the trees that do not hear the network."""
        return self._positive(np.asarray(self._tabular.predict(features[:, : -len(CLASS_SCORE_FEATURES)]), np.float64))

    def _positive(self, scores: Doubles) -> Doubles:
        return np.exp(np.clip(scores, -30, 30)) if self._listwise else scores

    def shap_values(self, features: Floats) -> Floats:
        """Return what each feature adds to a candidate's log-odds (SHAP values of trees), shape (c, features)."""
        if not self._listwise:
            return np.asarray(self._required_stacked.predict(features, pred_contrib=True))[:, :-1]
        contributions = np.asarray(self._tabular.predict(features[:, : -len(CLASS_SCORE_FEATURES)], pred_contrib=True))[
            :, :-1
        ]
        return np.pad(contributions, ((0, 0), (0, len(CLASS_SCORE_FEATURES))))

    def save(self, folder: Path) -> None:
        """Write what is asked for scores, as text."""
        self._tabular.save_model(folder / "tabular.txt")
        if not self._listwise:
            self._required_stacked.save_model(folder / "stacked.txt")

    @classmethod
    def load(cls, folder: Path, *, listwise: bool) -> Ranker:
        """Read what was written."""
        tabular, stacked = (folder / f"{name}.txt" for name in ("tabular", "stacked"))
        stacked_trees = None if listwise else lightgbm.Booster(model_file=stacked)
        return cls(lightgbm.Booster(model_file=tabular), stacked_trees, listwise=listwise)
