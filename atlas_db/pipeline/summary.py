"""Summary of the atlas after a run: models by source of each attribute, edges by status, verdicts, findings."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from atlas_db.core.terms import Source, Status
from atlas_db.store.bolt import Store
from cypher.query_library import default_rows
from gnn.dataset.tasks import TASKS


def summarise(store: Store) -> dict[str, Any]:
    """Return counts of the atlas, each from a shipped query.

    Returns:
        A dictionary with these keys, and the query of each in brackets:

        - `models`: number of models
        - `claims`: models with a claim, by attribute and source, and `unknown` ones (`coverage`)
        - `lineage`: edges by status (`edge_counts`)
        - `verdicts`: models by verdict (`verdicts`)
        - `findings`: findings by rule (`findings_by_rule`)
    """
    names = {**{task.relationship: task.attribute for task in TASKS.values()}, "CITES": "paper"}
    claims: dict[str, dict[str, int | None]] = defaultdict(lambda: dict.fromkeys(map(str, Source), 0))
    for row in default_rows(store, "coverage"):
        claims[names[row["attribute"]]][row["source"]] = row["models"]
    lineage = dict.fromkeys(map(str, Status), 0)
    for row in default_rows(store, "edge_counts"):
        lineage[row["status"]] += row["edges"]
    verdicts = {row["verdict"]: row["models"] for row in default_rows(store, "verdicts")}
    models = sum(verdicts.values())
    for name, counts in claims.items():
        # A model without a named parent may have none: it is not unknown.
        claimed = (counts["declared"] or 0) + (counts["predicted"] or 0)
        counts["unknown"] = None if name == "base_model" else max(0, models - claimed)
    return {
        "models": models,
        "claims": dict(claims),
        "lineage": lineage,
        "verdicts": verdicts,
        "findings": default_rows(store, "findings_by_rule"),
    }
