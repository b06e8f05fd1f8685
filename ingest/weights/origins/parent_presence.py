"""Whether a model's likeliest parent is one, or a relative, because the parent is not among the models.

A conditional logit over candidates cannot say that the parent is absent. So each choice is tested once more: whether
the chosen model is an ancestor at all, and whether it is the parent itself. Three facts part ancestors and siblings:

- Squared distances of independent trainings add up along a tree. So a parent has a pendant edge of length nothing, and
  a sibling has not. The Gromov product is `(c|x)_p = (d²(p, c) + d²(p, x) - d²(c, x)) / 2`. It is the length of
  the path that c and another model x share, seen from p (Buneman 1974, the four-point condition). It is 0 for some x
  where p is the parent. Where it is not, it is at least the pendant edge of p for all x.
- Elements that c and x have in common, bit for bit, were changed by neither. So p has them, too, if it is the parent.
- Steps have a direction: norms grow, and low-rank steps have a rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import NamedTuple

import msgspec
import numpy as np

from atlas_db.core.arrays import Doubles, Integers
from atlas_db.core.decoding import prepared
from atlas_db.core.errors import ScorerError
from ingest.weights.pairwise.residual_containment import UNWEIGHTED_SHARE
from ingest.weights.parameters.origin_parameters import ORIGIN
from ingest.weights.samples.aligned_samples import Vectors
from ingest.weights.tree.family_state import FamilyState
from ingest.weights.tree.incremental_tree import IncrementalTree, ParentChoice
from ingest.weights.tree.quickscorer import QuickScorer, TreeNodes, compile_trees
from ingest.weights.tree.scorer import sigmoid

VERSION = "presence_scorer@2"

FEATURES = (
    "least_path_cosine", "second_path_cosine", "sibling_path_cosine", "grandparent_path_cosine", "pendant_cosine",
    "tensor_path_cosine", "greatest_tensor_path_cosine", "evenness_of_paths",
    "grandparent_residual_share", "outside_residual_share", "least_outside_residual_share",
    "equal_against", "equal_against_ratio", "equal_share", "precedence_log_odds", "dated_earlier", "choice_log_odds",
    "containment_log_odds", "is_root", "frozen_share", "low_rank", "log_distance_over_step",
    "log_distance_over_second", "log_relative_distance", "log_children", "log_siblings_over", "log_models",
)  # fmt: skip
"""Columns of `presence_features`."""


class Presence(NamedTuple):
    """What is held of a chosen parent.

    Attributes:
        is_ancestor: Probability that it is an ancestor, 0..1; the rest is a common origin that is not here.
        is_parent: Probability that it is the parent itself, at most `is_ancestor`.
        false_alarm_rate: Share of pairs of siblings and cousins that look as much like child and ancestor (a p-value).
    """

    is_ancestor: float
    is_parent: float
    false_alarm_rate: float


class _Ensemble(msgspec.Struct, forbid_unknown_fields=True):
    ancestor: list[TreeNodes]
    direct: list[TreeNodes]
    null: list[float]


@prepared
class PresenceFile(msgspec.Struct, forbid_unknown_fields=True):
    """The file of fitted models, written by `benchmarks/zoo/fit_presence.py`.

    Attributes:
        version: `VERSION` of the code that fitted them.
        features: `FEATURES` of that code.
        fitted_on: Families that they were fitted on.
        metrics: Metrics of the fit on families left out, by name.
        samples: Fits by size of samples, `weights` and `fingerprint`. Each holds boosted trees for the log-odds of an
            ancestor, and of a parent given an ancestor. `null` has quantiles of the former among relatives that are no
            ancestors, ascending.
    """

    version: str
    features: tuple[str, ...]
    fitted_on: str
    metrics: dict[str, float]
    samples: dict[str, _Ensemble]


class PresenceScorer(NamedTuple):
    """Fitted models for one size of samples.

    Attributes:
        ancestor: Log-odds of an ancestor.
        direct: Log-odds of the parent, given an ancestor.
        null: Quantiles of the former among relatives that are no ancestors, ascending, shape (q,).
    """

    ancestor: QuickScorer
    direct: QuickScorer
    null: Doubles

    def presence(self, features: Doubles) -> Presence:
        """Return what is held of one choice. Its features have the shape (27,)."""
        log_odds = self.ancestor.score(features[None])
        is_ancestor = float(sigmoid(log_odds)[0])
        is_direct = float(sigmoid(self.direct.score(features[None]))[0])
        above = len(self.null) - int(np.searchsorted(self.null, log_odds[0], side="left"))
        return Presence(is_ancestor, is_ancestor * is_direct, (1 + above) / (1 + len(self.null)))


@cache
def load_presence_scorer(large: bool) -> PresenceScorer:
    """Return the scorer for large samples (read from weights) or small ones (fingerprints alone).

    Raises:
        ScorerError: The packaged models do not fit this code.
    """
    body = (files("ingest.weights.origins") / "data" / "presence_scorer.json").read_bytes()
    found = msgspec.json.decode(body, type=PresenceFile)
    if (found.version, found.features) != (VERSION, FEATURES):
        raise ScorerError(
            f"presence_scorer.json is {found.version}, or has other features than {VERSION}",
            hint="Fit it anew: python -m benchmarks.zoo.fit_presence",
        )
    fit = found.samples["weights" if large else "fingerprint"]
    return PresenceScorer(compile_trees(fit.ancestor), compile_trees(fit.direct), np.array(fit.null))


def parent_presences(family: FamilyState, tree: IncrementalTree) -> dict[int, Presence]:
    """Return what is held of every chosen parent of a tree, by row of the child."""
    return {row: parent_presence(family, tree, row, choice) for row, choice in tree.choices.items()}


def parent_presence(family: FamilyState, tree: IncrementalTree, row: int, choice: ParentChoice) -> Presence:
    """Return what is held of one chosen parent. Arguments are those of `presence_features`.

    Of two models without a third, which came first is known by weights and dates alone. So the probability is at most
    what these give.
    """
    scorer = load_presence_scorer(family.samples.is_resampled)
    features = presence_features(family, tree, row, choice)
    found = scorer.presence(features)
    if features[0] != ORIGIN.unknown_cosine:
        return found
    first = float(sigmoid(family.precedence_log_odds[choice.parent, row]))
    return found._replace(is_ancestor=found.is_ancestor * first, is_parent=found.is_parent * first)


def presence_features(family: FamilyState, tree: IncrementalTree, row: int, choice: ParentChoice) -> Doubles:
    """Return what separates a chosen parent from a relative.

    Args:
        family: The family.
        tree: Its tree.
        row: The child.
        choice: The choice that is tested.

    Returns:
        Shape (27,), columns `FEATURES`.
    """
    parent, sq_distance = choice.parent, tree.sq_distance
    others = _third_models(family, tree, row, parent)
    length = max(float(sq_distance[row, parent]), 1e-30)
    near = others[np.argsort(sq_distance[row, others], kind="stable")[: ORIGIN.max_third_models]]
    base = int(tree.residual_base[parent])
    step = float(sq_distance[parent, base]) if base >= 0 else length
    second = float(sq_distance[row, others].min(initial=np.inf))
    share = min(max(choice.probability, 1e-6), 1 - 1e-6)
    siblings = others[tree.residual_base[others] == parent]
    typical = float(np.median(sq_distance[siblings, parent])) if len(siblings) else length
    cosines = _path_cosines(sq_distance, parent, row, others, siblings, base)
    return np.array([
        *cosines,
        *_tensor_path_cosines(tree.vectors, parent, row, _comparable(sq_distance, parent, row, near)),
        _evenness(cosines[0], cosines[2]),
        *_residual_shares(tree, parent, row, near),
        *_equal_elements(tree.vectors, row, parent, near),
        np.clip(family.tests.precedence_by_weights[parent, row], -8, 8),
        _dated_earlier(family.samples.dates, parent, row, siblings),
        np.log(share / (1 - share)),
        np.clip(choice.containment_log_odds, -8, 8),
        float(base < 0),
        family.tests.frozen_share[row, parent],
        float(not np.isnan(family.tests.difference_ranks.rank(row, parent))),
        np.clip(np.log(length / max(step, 1e-30)) / 2, -4, 4),
        np.clip(np.log(length / max(second, 1e-30)) / 2, -4, 4) if np.isfinite(second) else 0.0,
        np.log(max(choice.distance, 1e-6)),
        np.log1p(float((tree.residual_base == parent).sum())),
        np.clip(np.log(typical / length) / 2, -4, 4),
        np.log(len(others) + 2),
    ])  # fmt: skip


def _third_models(family: FamilyState, tree: IncrementalTree, row: int, parent: int) -> Integers:
    """Return other trained models that do not come from the child: one of each set of duplicates, no merges."""
    relations = family.relations
    barred = {row, parent, *tree.descendants(row)}
    rows = np.array(
        [at for at in relations.candidate_parents() if at not in relations.merges and at not in relations.copies],
        np.int64,
    )
    rows = rows[[at not in barred for at in rows.tolist()]] if len(rows) else rows
    return np.asarray(rows[(tree.sq_distance[rows, row] > 0) & (tree.sq_distance[rows, parent] > 0)])


def _path_cosines(
    sq_distance: Doubles, parent: int, row: int, others: Integers, siblings: Integers, base: int
) -> tuple[float, float, float, float, float]:
    """Return how much the paths from a parent to its child and to other models have in common, as cosines.

    The cosine of c - p and x - p is the Gromov product over the lengths of both paths.

    Returns:
        The least and the second least over the others. The median over the parent's other children. That of the path
        to the parent's own parent. The median over pairs of the parent's other children and its parent.
    """
    comparable = _comparable(sq_distance, parent, row, others)
    cosines = np.sort(_cosines(sq_distance, parent, row, comparable))
    least, second = np.append(cosines, [ORIGIN.unknown_cosine, ORIGIN.unknown_cosine])[:2].tolist()
    among = float(np.median(_cosines(sq_distance, parent, row, siblings))) if len(siblings) else ORIGIN.unknown_cosine
    above = float(_cosines(sq_distance, parent, row, np.array([base]))[0]) if base >= 0 else ORIGIN.unknown_cosine
    around = np.append(siblings, base) if base >= 0 else siblings
    pairs = [
        float(each)
        for place, other in enumerate(around[: ORIGIN.max_third_models].tolist())
        for each in _cosines(sq_distance, parent, other, around[place + 1 : ORIGIN.max_third_models])
    ]
    return least, second, among, above, float(np.median(pairs)) if pairs else ORIGIN.unknown_cosine


def _evenness(least: float, median: float) -> float:
    """Return the least cosine over the median: near 1 if all paths share one way, low where drift is shared by some."""
    if ORIGIN.unknown_cosine in (least, median) or median < ORIGIN.min_cosine:
        return 0.0
    return float(np.clip(least / median, -1, 2))


def _comparable(sq_distance: Doubles, parent: int, row: int, others: Integers) -> Integers:
    """Return the others whose path from a parent is neither much shorter nor much longer than that to the child."""
    ratio = sq_distance[parent, others] / max(float(sq_distance[parent, row]), 1e-30)
    return np.asarray(others[(ratio < ORIGIN.max_length_ratio) & (ratio > 1 / ORIGIN.max_length_ratio)])


def _tensor_path_cosines(vectors: Vectors, parent: int, row: int, others: Integers) -> tuple[float, float]:
    """Return the median and the greatest decile over tensors of the second least cosine of paths in that tensor.

    A sibling that changed some tensors only, as merged low-rank updates do, gives itself away in these.
    """
    if len(others) < ORIGIN.min_third_models:
        return ORIGIN.unknown_cosine, ORIGIN.unknown_cosine
    to_child = vectors.values[row] - vectors.values[parent]
    steps = vectors.values[others] - vectors.values[parent]
    products = vectors.tensor_means((steps * to_child).sum(-1))[0]
    lengths = vectors.tensor_means(np.square(steps).sum(-1))[0] * vectors.tensor_means(np.square(to_child).sum(-1))[0]
    there = (lengths > 0).all(0)
    if not there.any():
        return ORIGIN.unknown_cosine, ORIGIN.unknown_cosine
    cosines = products[:, there] / np.sqrt(lengths[:, there])
    second = np.sort(cosines, axis=0)[ORIGIN.min_third_models - 1]
    return float(np.median(second)), float(np.quantile(second, 0.9))


def _dated_earlier(dates: Sequence[str], parent: int, row: int, siblings: Integers) -> float:
    """Return 1 where a parent is dated before its child, -1 where it is dated after, 0 where either has no date.

    A date that most children contradict is the parent's fault. It is evidence against none of them.
    """
    if not dates[parent] or not dates[row]:
        return 0.0
    others = [dates[at] for at in siblings.tolist() if dates[at]]
    if len(others) >= ORIGIN.min_third_models and sum(each < dates[parent] for each in others) > len(others) / 2:
        return 0.0
    return float((dates[row] > dates[parent]) - (dates[row] < dates[parent]))


def _residual_shares(tree: IncrementalTree, parent: int, row: int, near: Integers) -> tuple[float, float, float]:
    """Return how much of the residual of the step to a child models outside the parent's descendants contain.

    They are seen from the parent. Drift that trainings share lies in the large singular values of a step, which are
    left out of its residual (`residual_containment`). What another model still contains of it is a way from an origin
    that both come from. A model that comes from the parent contains nothing of that way, whatever the child is.

    Returns:
        The share that the parent's own parent contains; the median and the least over all models outside.
    """
    base = int(tree.residual_base[parent])
    others = np.union1d(near, [base]) if base >= 0 and base != row else near
    others = _comparable(tree.sq_distance, parent, row, others[~np.isin(others, list(tree.descendants(parent)))])
    if not len(others):
        return ORIGIN.unknown_cosine, ORIGIN.unknown_cosine, ORIGIN.unknown_cosine
    measured = tree.measured_step(row, parent)
    shares = np.zeros(len(others)) if measured is None else np.clip(measured[others, UNWEIGHTED_SHARE], -1, 1)
    above = shares[others == base]
    return float(above[0]) if len(above) else ORIGIN.unknown_cosine, float(np.median(shares)), float(shares.min())


def _cosines(sq_distance: Doubles, parent: int, row: int, others: Integers) -> Doubles:
    """Return cosines of the paths from a parent to a model and to others, shape (others,)."""
    products = (sq_distance[parent, row] + sq_distance[parent, others] - sq_distance[row, others]) / 2
    lengths = np.sqrt(np.maximum(sq_distance[parent, row] * sq_distance[parent, others], 1e-60))
    return np.asarray(np.clip(products / lengths, -1, 1))


def _equal_elements(vectors: Vectors, row: int, parent: int, others: Integers) -> tuple[float, float, float]:
    """Return how many elements contradict a parent: those that the child and another model share against it.

    Returns:
        The greatest share of such elements over the others. The logarithm of its ratio to the lesser of two shares:
        those where the parent agrees with one of both, against the other. The share that child and parent have in
        common.
    """
    child, above = vectors.flat[row], vectors.flat[parent]
    with_parent = child == above
    common = float(with_parent.mean())
    if not len(others):
        return 0.0, 0.0, common
    theirs = vectors.flat[others]
    with_child, both = theirs == child, theirs == above
    against = (with_child & ~with_parent).mean(1)
    usual = np.minimum((with_parent & ~with_child).mean(1), (both & ~with_parent).mean(1))
    floor = 4 / len(child)
    ratio = np.log((against + floor) / (usual + floor))
    worst = int(np.argmax(against))
    return float(against[worst]), float(np.clip(ratio.max(), -6, 6)), common
