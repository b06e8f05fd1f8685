"""`atlas-db explain`: why a value is predicted."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from atlas_db.cli.common import FormatOption, StoreOption, guarded, home_of, needs, opened, settings_for, shown_progress
from atlas_db.cli.output import Format, say, write_json, write_rows

HELP = """Explain what is predicted of a model: candidates, what speaks for the first, and who is around.

A group's log-odds are what its counts add to the first candidate; below them stand the labelled models that the network
attends to. For a licence, what the model inherits from upstream is shown beside it: the prediction is what its author
would declare, not what is permitted.

Examples:

  atlas-db explain TheBloke/Llama-2-7B-GGUF license

  atlas-db explain me/model base_model --format json
"""


@guarded
def explain(
    model: Annotated[str, typer.Argument(help="Model id.", show_default=False)],
    attribute: Annotated[str, typer.Argument(help="Attribute.", show_default=False)],
    store: StoreOption = None,
    form: FormatOption = Format.HUMAN,
) -> None:
    """Explain a prediction."""
    needs("gnn", "torch", "lightgbm")
    from atlas_db.store.opening import ensure_schema
    from gnn.graph import read_graph, rows_of
    from gnn.tasks import tasks_of

    settings = settings_for(store)
    (task,) = tasks_of([attribute])
    with opened(settings) as graph, shown_progress() as progress:
        whole = read_graph(graph)
        (row,) = rows_of(whole, [model])
        from gnn.complete import CHECKPOINTS, Atelier
        from gnn.explain import explain as explain_row

        folder = home_of(settings) / CHECKPOINTS / ensure_schema(graph)
        found = explain_row(Atelier(whole, folder, progress=progress), task, int(row))
        if attribute == "license":
            found["inherited"] = _inherited(graph, model)
    if form is Format.HUMAN:
        _show(found)
    elif form is Format.JSON:
        write_json(found)
    else:
        write_rows(("value", "confidence"), found["candidates"], form)


def _inherited(graph: Any, model: str) -> list[dict[str, Any]]:  # noqa: ANN401
    """What the audit finds upstream, whatever the author declares."""
    from atlas_db.licenses.audit import AuditOptions, audit_models

    report = audit_models(graph, [model], AuditOptions("default", 0.0, None), [])
    return [
        {"ancestor": row["ancestor"], "license": row["license"], "verdict": row["verdict"], "clause": row["clause"]}
        for row in (*report.findings, *report.obligations)
    ]


def _show(found: dict[str, Any]) -> None:
    if found["declared"]:
        say(f"declared: {', '.join(found['declared'])}")
    write_rows(("value", "confidence"), found["candidates"], Format.HUMAN)
    write_rows(("what", "log_odds", "declare", "of"), found["reasons"], Format.HUMAN)
    write_rows(
        ("model_id", "declares", "shares"),
        [{**row, "shares": ", ".join(row["shares"])} for row in found["neighbours"]],
        Format.HUMAN,
    )
    if "inherited" in found:
        say("inherited from upstream, whatever its author declares:" if found["inherited"] else "nothing inherited")
        write_rows(("ancestor", "license", "verdict", "clause"), found["inherited"], Format.HUMAN)
