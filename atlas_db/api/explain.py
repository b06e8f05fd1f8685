"""Reasons for a prediction of a model; for a licence also the terms that it inherits from its ancestors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from atlas_db.columnar.graph import rows_of
from atlas_db.core.terms import Progress
from atlas_db.licenses.audit import AuditOptions, audit_models
from atlas_db.store.bolt import Store
from atlas_db.store.connect import ensure_schema
from gnn.dataset.assemble import assemble_graph
from gnn.dataset.tasks import tasks_for
from gnn.inference.attribution import explain_prediction
from gnn.inference.complete import CHECKPOINTS, CompletionSession


def explain_model(
    store: Store, home: Path, model: str, attribute: str, progress: Progress = lambda *_: None
) -> dict[str, Any]:
    """Explain one prediction.

    Args:
        store: The store.
        home: Home folder with the checkpoints; a missing one is trained.
        model: Model id.
        attribute: The attribute.
        progress: Called with stage, done and total.

    Returns:
        The keys of `gnn.inference.attribution.explain_prediction`. For a licence also `inherited`: the terms of each
        ancestor, with `ancestor`, `license`, `verdict` and `clause`.

    Raises:
        UsageError: There is no such attribute.
        CompletionError: There is no such model, or too little to learn from.
    """
    (task,) = tasks_for([attribute])
    graph = assemble_graph(store, home, [task])
    (row,) = rows_of(graph, [model])
    session = CompletionSession(graph, home / CHECKPOINTS / ensure_schema(store), progress=progress)
    explanation = explain_prediction(session, task, int(row))
    if attribute == "license":
        report = audit_models(store, [model], AuditOptions())
        explanation["inherited"] = [
            {name: each[name] for name in ("ancestor", "license", "verdict", "clause")}
            for each in (*report.findings, *report.obligations)
        ]
    return explanation
