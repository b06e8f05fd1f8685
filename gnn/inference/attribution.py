"""Why a value is predicted: candidates, what speaks for and against the first, and the labelled models around."""

from __future__ import annotations

from typing import Any

import numpy as np

from atlas_db.core.arrays import Integers
from gnn.dataset.tasks import Task, target_column
from gnn.dataset.temporal_counts import COUNT_FEATURES
from gnn.features.neighbours import NUM_NEIGHBOURS, CompletionQuery, Neighbourhood
from gnn.inference.complete import CompletionSession, latest_query, parent_prior

MAX_SHOWN = 8


def explain_prediction(session: CompletionSession, task: Task, row: int) -> dict[str, Any]:
    """Explain what is predicted of one model.

    Args:
        session: Learners.
        task: The attribute.
        row: The model.

    Returns:
        `declared` values; `candidates` with confidence, the best first; `reasons`, which are groups with the log-odds
        that they add to the first candidate (SHAP values summed over the group's features) and what they count; the
        labelled `neighbours` that the network attends to; the `threshold` from which a value is written. Of
        `base_model` also `root_probability` (that its author would name no parent), `derived_probability` (that there
        is one, named or not), and `silence`: by words the chance that the model derives from another, by habit that one
        like it says so; None where too few names show a parent.

    Raises:
        CompletionError: There is too little to learn from.
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
    """Return how likely it is that a model has a parent, and why it may name none."""
    prior = parent_prior(session, query)
    missingness = prior.missingness
    probabilities = None
    if missingness is not None:
        probabilities = {
            "p_derived": round(float(missingness.p_derived[0]), 4),
            "p_reported": round(float(missingness.p_reported[0]), 4),
        }
    return {
        "root_probability": round(float(prior.p_unreported[0]), 4),
        "derived_probability": round(float(prior.p_derived[0]), 4),
        "missingness": probabilities,
    }


def _reasons(neighbourhood: Neighbourhood, log_odds: Any, features: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    """Sum what each group's features add, and say what the group counts."""
    group_names = ["all models", *neighbourhood.groupings]
    width = len(COUNT_FEATURES)
    found: list[dict[str, Any]] = []
    counts_of = {
        kind: {"positives": declare, "total": of} for kind, _, declare, of in neighbourhood.group_counts(features)
    }
    for place, kind in enumerate(group_names):
        total = float(log_odds[place * width : (place + 1) * width].sum())
        found.append({"group": kind, "log_odds": round(total, 3), **counts_of.get(kind, {})})
    rest = len(group_names) * width
    found += [
        {"group": name, "log_odds": round(float(value), 3)}
        for name, value in zip(neighbourhood.feature_names[rest:], log_odds[rest:], strict=True)
    ]
    return sorted(found, key=lambda entry: -abs(entry["log_odds"]))[:MAX_SHOWN]


def _neighbours(
    neighbourhood: Neighbourhood, row: int, class_of_value: Integers, values: list[str], query: CompletionQuery
) -> list[dict[str, Any]]:
    examples = neighbourhood.sample_neighbours(query, class_of_value)
    group_names = [name for name in NUM_NEIGHBOURS if name in neighbourhood.groupings]
    found: dict[int, dict[str, Any]] = {}
    for place, other in enumerate(examples.neighbours[0].tolist()):
        if other < 0 or other == row:
            continue
        entry = found.setdefault(
            other,
            {"model_id": neighbourhood.graph.ids[other], "value": values[examples.labels[0, place]], "groups": []},
        )
        entry["groups"].append(group_names[examples.kinds[place]])
    return sorted(found.values(), key=lambda entry: (-len(entry["groups"]), entry["model_id"]))[: 2 * MAX_SHOWN]
