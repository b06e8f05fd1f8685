"""Why a value is predicted: candidates, what speaks for and against the first, and the labelled models around."""

from __future__ import annotations

from typing import Any

import numpy as np

from gnn.dataset.tasks import Task, values_of
from gnn.dataset.temporal_counts import COUNTS
from gnn.features.neighbours import NEAR, Around, Query
from gnn.inference.complete import Atelier, now, origin

SHOWN = 8


def explain(atelier: Atelier, task: Task, row: int) -> dict[str, Any]:
    """Explain what is predicted of one model.

    Args:
        atelier: Learners.
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
    graph = atelier.graph
    around = atelier.around(task)
    completer = atelier.completer(around)
    query = now(graph, np.array([row]))
    table, ranked = completer.rank(around, query)
    order, _ = ranked.ranks()
    names = around.column.names
    held = values_of(graph, task.attribute).held.of(row)
    best = table.features[order[:1]]
    whence = _origin(atelier, query) if task.attribute == "base_model" else {}
    return {
        "model_id": graph.ids[row],
        "attribute": task.attribute,
        "declared": [names[value] for value in held],
        "candidates": [
            {"value": names[ranked.values[at]], "confidence": round(float(ranked.probability[at]), 4)}
            for at in order[:SHOWN]
        ],
        "threshold": completer.calibration.threshold,
        "reasons": _reasons(around, completer.ranker.reasons(best)[0], best[0]),
        "neighbours": _neighbours(around, row, completer.classes(around), completer.values, query),
        **whence,
    }


def _origin(atelier: Atelier, query: Query) -> dict[str, Any]:
    """Return how likely it is that a model has a parent, and why it may name none."""
    whence = origin(atelier, query)
    why = whence.reckoned
    silence = (
        None if why is None else {"derives": round(float(why.derives[0]), 4), "says": round(float(why.says[0]), 4)}
    )
    return {
        "root_probability": round(float(whence.unnamed[0]), 4),
        "derived_probability": round(float(whence.derived[0]), 4),
        "silence": silence,
    }


def _reasons(around: Around, added: Any, features: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    """Sum what each group's features add, and say what the group counts."""
    kinds = ["everyone", *around.groups]
    width = len(COUNTS)
    found: list[dict[str, Any]] = []
    counted = {kind: {"declare": declare, "of": of} for kind, _, declare, of in around.counted(features)}
    for place, kind in enumerate(kinds):
        total = float(added[place * width : (place + 1) * width].sum())
        found.append({"what": kind, "log_odds": round(total, 3), **counted.get(kind, {})})
    rest = len(kinds) * width
    found += [
        {"what": name, "log_odds": round(float(value), 3)}
        for name, value in zip(around.features[rest:], added[rest:], strict=True)
    ]
    return sorted(found, key=lambda entry: -abs(entry["log_odds"]))[:SHOWN]


def _neighbours(around: Around, row: int, classes: Any, values: list[str], query: Any) -> list[dict[str, Any]]:  # noqa: ANN401
    examples = around.examples(query, classes)
    kinds = [name for name in NEAR if name in around.groups]
    found: dict[int, dict[str, Any]] = {}
    for place, other in enumerate(examples.near[0].tolist()):
        if other < 0 or other == row:
            continue
        entry = found.setdefault(
            other,
            {"model_id": around.graph.ids[other], "declares": values[examples.labels[0, place]], "shares": []},
        )
        entry["shares"].append(kinds[examples.kinds[place]])
    return sorted(found.values(), key=lambda entry: (-len(entry["shares"]), entry["model_id"]))[: 2 * SHOWN]
