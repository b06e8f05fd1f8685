"""Attribution of a prediction: candidates, contributions of features to the first one, and labelled neighbours."""

from __future__ import annotations

from typing import Any

import numpy as np

from atlas_db.core.arrays import Floats, Integers
from gnn.dataset.neighbourhood import Neighbourhood
from gnn.dataset.query import CompletionQuery
from gnn.dataset.tasks import Task, target_column
from gnn.dataset.temporal_counts import COUNT_FEATURES
from gnn.features.candidate_table import NETWORK_FEATURES, CandidateTableBuilder
from gnn.features.neighbours import neighbour_groupings, sample_neighbours
from gnn.inference.complete import CompletionSession, latest_query, parent_prior

MAX_SHOWN = 8
"""Candidates and reasons listed, and half of the neighbours listed, at most."""


def explain_prediction(session: CompletionSession, task: Task, row: int) -> dict[str, Any]:
    """Return the reasons for what is predicted of one model.

    Args:
        session: The models of all attributes.
        task: The attribute.
        row: Row of the model.

    Returns:
        A dictionary with these keys:

        - `declared`: values that the model declares
        - `candidates`: `value` and `confidence`, the highest score first
        - `threshold`: confidence from which a value is written
        - `reasons`: for each `group`, the `log_odds` that it adds to the first candidate (SHAP values summed over its
          features). The candidate is the value in `positives` of its `total` declarations
        - `neighbours`: labelled models that the network attends to, with `value` and shared `groups`

        For `base_model` also:

        - `no_declaration_probability`: that the author would declare no parent
        - `derived_probability`: that there is a parent, declared or not
        - `missingness`: `p_derived` and `p_reported` by the propensity model; None where that could not be fitted

    Raises:
        CompletionError: There is too little to learn from, or a checkpoint is damaged.
    """
    graph = session.graph
    neighbourhood = session.neighbourhood(task)
    attribute_model = session.attribute_model(neighbourhood)
    query = latest_query(graph, np.array([row]))
    table, ranked = attribute_model.rank(neighbourhood, query)
    order, _ = ranked.order_and_rank()
    names = neighbourhood.column.categories
    declared = target_column(graph, task.attribute).codes.row(row)
    best_features = table.features[order[:1]]
    prior = _parent_probabilities(session, query) if task.attribute == "base_model" else {}
    return {
        "model_id": graph.ids[row],
        "attribute": task.attribute,
        "declared": [names[value] for value in declared],
        "candidates": [
            {"value": names[ranked.values[at]], "confidence": round(float(ranked.probability[at]), 4)}
            for at in order[:MAX_SHOWN]
        ],
        "threshold": attribute_model.calibration.threshold,
        "reasons": _reasons(neighbourhood, attribute_model.ranker.shap_values(best_features)[0], best_features[0]),
        "neighbours": _neighbours(
            neighbourhood, row, attribute_model.class_of_value(neighbourhood), attribute_model.values, query
        ),
        **prior,
    }


def _parent_probabilities(session: CompletionSession, query: CompletionQuery) -> dict[str, Any]:
    """Return the probability that a model has a parent, and why it may declare none."""
    prior = parent_prior(session, query)
    missingness = prior.missingness
    probabilities = None
    if missingness is not None:
        probabilities = {
            "p_derived": round(float(missingness.p_derived[0]), 4),
            "p_reported": round(float(missingness.p_reported[0]), 4),
        }
    return {
        "no_declaration_probability": round(float(prior.p_unreported[0]), 4),
        "derived_probability": round(float(prior.p_derived[0]), 4),
        "missingness": probabilities,
    }


def _reasons(neighbourhood: Neighbourhood, log_odds: Floats, features: Floats) -> list[dict[str, Any]]:
    """Return the largest contributions to a candidate, those of a group's features summed, with the group's counts.

    Args:
        neighbourhood: The groups.
        log_odds: SHAP values of one candidate, shape (features,).
        features: Its features, shape (features,).
    """
    builder = neighbourhood.derived(CandidateTableBuilder)
    group_names = neighbourhood.group_names
    width = len(COUNT_FEATURES)
    reasons: list[dict[str, Any]] = []
    counts = builder.group_counts(features[None])
    for number, kind in enumerate(group_names):
        contribution = float(log_odds[number * width : (number + 1) * width].sum())
        reason: dict[str, Any] = {"group": kind, "log_odds": round(contribution, 3)}
        if total := int(counts.total[0, number]):
            reason |= {"positives": int(counts.positives[0, number]), "total": total}
        reasons.append(reason)
    # Without a network, the candidate has none of its features.
    names = [*builder.feature_names, *NETWORK_FEATURES]
    rest = len(group_names) * width
    reasons += [
        {"group": name, "log_odds": round(float(value), 3)}
        for name, value in zip(names[rest:], log_odds[rest:].tolist(), strict=False)
    ]
    return sorted(reasons, key=lambda entry: -abs(entry["log_odds"]))[:MAX_SHOWN]


def _neighbours(
    neighbourhood: Neighbourhood, row: int, class_of_value: Integers, values: list[str], query: CompletionQuery
) -> list[dict[str, Any]]:
    """Return the labelled neighbours of a model, those of the most shared groups first."""
    examples = sample_neighbours(neighbourhood, query, class_of_value)
    group_names = neighbour_groupings(neighbourhood)
    entries: dict[int, dict[str, Any]] = {}
    for column, other in enumerate(examples.neighbours[0].tolist()):
        if other < 0 or other == row:
            continue
        entry = entries.setdefault(
            other,
            {"model_id": neighbourhood.graph.ids[other], "value": values[examples.labels[0, column]], "groups": []},
        )
        entry["groups"].append(group_names[examples.kinds[column]])
    return sorted(entries.values(), key=lambda entry: (-len(entry["groups"]), entry["model_id"]))[: 2 * MAX_SHOWN]
