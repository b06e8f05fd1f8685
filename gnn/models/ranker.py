"""Boosted trees that say of every candidate value how well it is spoken for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightgbm
import numpy as np

from atlas_db.core.arrays import Doubles, Flags, Floats, Integers
from gnn.candidates.inverted_index import best
from gnn.features.neighbours import NET

ROUNDS = 200
STEPS = ((25, 24), (80, 8))
"""So many trees choose so many of the candidates in a list, which alone are judged by those that follow."""
BEHIND = 10.0
"""Log-odds that those are behind, at each step, which are not chosen."""
PARALLEL = 30_000
"""Candidates from which on more than one core learns."""
_SETTINGS: dict[str, Any] = {
    "learning_rate": 0.08, "feature_fraction": 0.4, "bagging_fraction": 0.7,
    "bagging_freq": 1, "lambda_l2": 5.0, "verbose": -1, "deterministic": True, "force_row_wise": True, "seed": 1,
}  # fmt: skip
_ALONE: dict[str, Any] = {"objective": "binary", "num_leaves": 63}
"""Each candidate by itself: there are few, and most models declare one of them."""
_AMONG: dict[str, Any] = {
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

    def __init__(self, deaf: lightgbm.Booster, hearing: lightgbm.Booster | None, *, among: bool) -> None:
        self._deaf = deaf
        self._hearing = hearing
        self._among = among

    @classmethod
    def fit(
        cls, features: Floats, truth: Flags, places: Integers, threads: int, *, among: bool,
        hearing: bool = True,
    ) -> Ranker:  # fmt: skip
        """Learn from candidates.

        Args:
            features: Shape (c, features), the network's last.
            truth: Whether each candidate is declared, shape (c,).
            places: Model of each candidate, ascending, shape (c,).
            threads: Cores to use.
            among: Whether a candidate is judged among the others of its model, or by itself.
            hearing: Whether trees that hear the network are learnt, too.
        """
        # Threads that wait for each other cost more than a small table takes.
        threads = threads if len(truth) >= PARALLEL else 1
        settings = {
            **_SETTINGS,
            **(_AMONG if among else _ALONE),
            "num_threads": threads,
            "min_data_in_leaf": int(np.clip(len(truth) // 2000, 3, 60)),
        }
        groups = np.unique(places, return_counts=True)[1] if among else None

        def learnt(part: Floats) -> lightgbm.Booster:
            return lightgbm.train(settings, lightgbm.Dataset(part, truth.astype(np.float32), group=groups), ROUNDS)

        return cls(learnt(features[:, : -len(NET)]), learnt(features) if hearing else None, among=among)

    def score(self, features: Floats, places: Integers) -> Doubles:
        """Return scores above 0, shape (c,): those of one model are comparable.

        In lists, the first trees choose whom the others judge, too; those that are not chosen keep their order.

        Args:
            features: Shape (c, features), the network's last.
            places: Model of each candidate, ascending, shape (c,).
        """
        if not self._among:
            return self.with_net(features)
        out = self._some(features, 0, STEPS[0][0]) - BEHIND * len(STEPS)
        chosen = np.arange(len(places))
        for (trees, most), (until, _) in zip(STEPS, (*STEPS[1:], (ROUNDS, 0)), strict=True):
            chosen = chosen[best(places[chosen], out[chosen].astype(np.float32), most)]
            out[chosen] += BEHIND + self._some(features[chosen], trees, until)
        return self._positive(out)

    def _some(self, features: Floats, start: int, stop: int) -> Doubles:
        """Return what some of the trees that know nothing of the network say."""
        # Its columns come last, so that they need not be cut off.
        return np.asarray(
            self._deaf.predict(
                features, start_iteration=start, num_iteration=stop - start, predict_disable_shape_check=True
            ),
            np.float64,
        )

    def with_net(self, features: Floats) -> Doubles:
        """Return the mean of both ensembles."""
        both = (self._heard.predict(features), self._deaf.predict(features[:, : -len(NET)]))
        return self._positive(np.mean(np.asarray(both, np.float64), 0))

    @property
    def _heard(self) -> lightgbm.Booster:
        if self._hearing is None:
            raise ValueError("no trees that hear the network were learnt")
        return self._hearing

    def without_net(self, features: Floats) -> Doubles:
        """Return the scores of the trees that do not hear the network."""
        return self._positive(np.asarray(self._deaf.predict(features[:, : -len(NET)]), np.float64))

    def _positive(self, scores: Doubles) -> Doubles:
        return np.exp(np.clip(scores, -30, 30)) if self._among else scores

    def reasons(self, features: Floats) -> Floats:
        """Return what each feature adds to a candidate's log-odds (SHAP values of trees), shape (c, features)."""
        if not self._among:
            return np.asarray(self._heard.predict(features, pred_contrib=True))[:, :-1]
        heard = np.asarray(self._deaf.predict(features[:, : -len(NET)], pred_contrib=True))[:, :-1]
        return np.pad(heard, ((0, 0), (0, len(NET))))

    def save(self, folder: Path) -> None:
        """Write what is asked for scores, as text."""
        self._deaf.save_model(folder / "deaf.txt")
        if not self._among:
            self._heard.save_model(folder / "hearing.txt")

    @classmethod
    def load(cls, folder: Path, *, among: bool) -> Ranker:
        """Read what was written."""
        deaf, hearing = (folder / f"{name}.txt" for name in ("deaf", "hearing"))
        heard = None if among else lightgbm.Booster(model_file=hearing)
        return cls(lightgbm.Booster(model_file=deaf), heard, among=among)
