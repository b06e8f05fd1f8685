"""Boosted trees that say of every candidate value how well it is spoken for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt

from gnn.around import NET
from gnn.graph import Doubles, Floats

ROUNDS = 200
PARALLEL = 30_000
"""Candidates from which on more than one core learns."""
_SETTINGS: dict[str, Any] = {
    "objective": "binary", "num_leaves": 63, "learning_rate": 0.08, "feature_fraction": 0.4, "bagging_fraction": 0.7,
    "bagging_freq": 1, "lambda_l2": 5.0, "verbose": -1, "deterministic": True, "force_row_wise": True, "seed": 1,
}  # fmt: skip


class Ranker:
    """Two ensembles of trees, one that hears the network and one that does not; their mean is the score.

    On the months before the test split the mean beat either by .001 to .009 at equal coverage.
    """

    def __init__(self, hearing: lightgbm.Booster, deaf: lightgbm.Booster) -> None:
        self._hearing = hearing
        self._deaf = deaf

    @classmethod
    def fit(cls, features: Floats, truth: npt.NDArray[np.bool_], threads: int) -> Ranker:
        """Learn from candidates.

        Args:
            features: Shape (c, features), the network's last.
            truth: Whether each candidate is declared, shape (c,).
            threads: Cores to use.
        """
        # Threads that wait for each other cost more than a small table takes.
        threads = threads if len(truth) >= PARALLEL else 1
        settings = {**_SETTINGS, "num_threads": threads, "min_data_in_leaf": int(np.clip(len(truth) // 2000, 3, 60))}
        boosters = [
            lightgbm.train(settings, lightgbm.Dataset(part, truth.astype(np.float32)), ROUNDS)
            for part in (features, features[:, : -len(NET)])
        ]
        return cls(*boosters)

    def score(self, features: Floats) -> Doubles:
        """Return scores, 0..1, shape (c,)."""
        return (np.asarray(self._hearing.predict(features)) + self.without_net(features)) / 2

    def without_net(self, features: Floats) -> Doubles:
        """Return the scores of the trees that do not hear the network: the baseline to beat."""
        return np.asarray(self._deaf.predict(features[:, : -len(NET)]), np.float64)

    def reasons(self, features: Floats) -> Floats:
        """Return what each feature adds to a candidate's log-odds (SHAP values of trees), shape (c, features)."""
        return np.asarray(self._hearing.predict(features, pred_contrib=True))[:, :-1]

    def save(self, folder: Path) -> None:
        """Write both ensembles as text."""
        self._hearing.save_model(folder / "hearing.txt")
        self._deaf.save_model(folder / "deaf.txt")

    @classmethod
    def load(cls, folder: Path) -> Ranker:
        """Read both ensembles."""
        return cls(*(lightgbm.Booster(model_file=folder / f"{name}.txt") for name in ("hearing", "deaf")))
