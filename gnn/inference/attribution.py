"""Why a value is predicted: candidates, what speaks for and against the first, and the labelled models around."""

from __future__ import annotations

from typing import Any

import numpy as np

from gnn.dataset.tasks import Task, values_of
from gnn.dataset.temporal_counts import COUNTS
from gnn.features.neighbours import NEAR, Around, Query
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
    names = neighbourhood.column.names
    declared = values_of(graph, task.attribute).held.of(row)
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


def _parent_probabilities(session: CompletionSession, query: Query) -> dict[str, Any]:
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


def _reasons(neighbourhood: Around, log_odds: Any, features: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    """Sum what each group's features add, and say what the group counts."""
    group_names = ["everyone", *neighbourhood.groups]
    width = len(COUNTS)
    found: list[dict[str, Any]] = []
    counts_of = {kind: {"positives": declare, "total": of} for kind, _, declare, of in neighbourhood.counted(features)}
    for place, kind in enumerate(group_names):
        total = float(log_odds[place * width : (place + 1) * width].sum())
        found.append({"group": kind, "log_odds": round(total, 3), **counts_of.get(kind, {})})
    rest = len(group_names) * width
    found += [
        {"group": name, "log_odds": round(float(value), 3)}
        for name, value in zip(neighbourhood.features[rest:], log_odds[rest:], strict=True)
    ]
    return sorted(found, key=lambda entry: -abs(entry["log_odds"]))[:MAX_SHOWN]


def _neighbours(neighbourhood: Around, row: int, classes: Any, values: list[str], query: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    examples = neighbourhood.examples(query, classes)
    group_names = [name for name in NEAR if name in neighbourhood.groups]
    found: dict[int, dict[str, Any]] = {}
    for place, other in enumerate(examples.near[0].tolist()):
        if other < 0 or other == row:
            continue
        entry = found.setdefault(
            other,
            {"model_id": neighbourhood.graph.ids[other], "value": values[examples.labels[0, place]], "groups": []},
        )
        entry["groups"].append(group_names[examples.kinds[place]])
    return sorted(found.values(), key=lambda entry: (-len(entry["groups"]), entry["model_id"]))[: 2 * MAX_SHOWN]
