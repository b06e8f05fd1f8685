"""Why a value is predicted of a model; of a licence also what is inherited, whatever its author would declare."""

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
        home: Home folder, with the checkpoints; what is missing there is learnt.
        model: Model id.
        attribute: The attribute.
        progress: Told of stage, done and total.

    Returns:
        What `gnn.inference.attribution.explain` returns; of a licence, `inherited` has the terms of everything
        above the model, each with `ancestor`, `license`, `verdict`, `clause`.

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
