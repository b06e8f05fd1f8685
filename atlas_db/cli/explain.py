"""`atlas-db explain`: the reasons for a prediction."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from atlas_db.cli.common import FormatOption, StoreOption, guarded, home_of, opened, settings_for, shown_progress
from atlas_db.cli.output import Format, print_text, write_json, write_rows
from atlas_db.core.extras import require_extra

HELP = """Explain what is predicted for a model: candidates, reasons for the first one, and labelled neighbours.

The log-odds of a group are what its counts add to the first candidate. The neighbours are the labelled models that the
network attends to. For a licence, the terms inherited from upstream are shown, too: the prediction is what the author
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
    require_extra("gnn")
    from atlas_db.api.explain import explain_model

    settings = settings_for(store)
    with opened(settings) as graph, shown_progress() as progress:
        explanation = explain_model(graph, home_of(settings), model, attribute, progress)
    if form is Format.HUMAN:
        _show(explanation)
    elif form is Format.JSON:
        write_json(explanation)
    else:
        write_rows(("value", "confidence"), explanation["candidates"], form)


def _show(explanation: dict[str, Any]) -> None:
    if explanation["declared"]:
        print_text(f"declared: {', '.join(explanation['declared'])}")
    write_rows(("value", "confidence"), explanation["candidates"], Format.HUMAN)
    if "root_probability" in explanation:
        p_root, p_derived = explanation["root_probability"], explanation["derived_probability"]
        print_text(f"author declares no parent: {p_root}; there is a parent, declared or not: {p_derived}")
    if explanation.get("missingness"):
        p_derived, p_reported = (explanation["missingness"][name] for name in ("p_derived", "p_reported"))
        print_text(f"derived from another model, by its tokens: {p_derived}; a parent would be reported: {p_reported}")
    write_rows(("group", "log_odds", "positives", "total"), explanation["reasons"], Format.HUMAN)
    write_rows(
        ("model_id", "value", "groups"),
        [{**row, "groups": ", ".join(row["groups"])} for row in explanation["neighbours"]],
        Format.HUMAN,
    )
    if "inherited" in explanation:
        print_text(
            "inherited from upstream, whatever its author declares:"
            if explanation["inherited"]
            else "nothing inherited"
        )
        write_rows(("ancestor", "license", "verdict", "clause"), explanation["inherited"], Format.HUMAN)
