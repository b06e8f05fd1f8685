"""`atlas-db explain`: why a value is predicted."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from atlas_db.cli.common import FormatOption, StoreOption, guarded, home_of, opened, settings_for, shown_progress
from atlas_db.cli.output import Format, say, write_json, write_rows
from atlas_db.core.extras import needs

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
    needs("gnn")
    from atlas_db.api.explain import explain_model

    settings = settings_for(store)
    with opened(settings) as graph, shown_progress() as progress:
        found = explain_model(graph, home_of(settings), model, attribute, progress)
    if form is Format.HUMAN:
        _show(found)
    elif form is Format.JSON:
        write_json(found)
    else:
        write_rows(("value", "confidence"), found["candidates"], form)


def _show(found: dict[str, Any]) -> None:
    if found["declared"]:
        say(f"declared: {', '.join(found['declared'])}")
    write_rows(("value", "confidence"), found["candidates"], Format.HUMAN)
    if "root_probability" in found:
        say(f"names no parent: {found['root_probability']}; has one, named or not: {found['derived_probability']}")
    if found.get("silence"):
        derives, says = found["silence"]["derives"], found["silence"]["says"]
        say(f"by its words it derives from another: {derives}; one like it says so: {says}")
    write_rows(("what", "log_odds", "declare", "of"), found["reasons"], Format.HUMAN)
    write_rows(
        ("model_id", "declares", "shares"),
        [{**row, "shares": ", ".join(row["shares"])} for row in found["neighbours"]],
        Format.HUMAN,
    )
    if "inherited" in found:
        say("inherited from upstream, whatever its author declares:" if found["inherited"] else "nothing inherited")
        write_rows(("ancestor", "license", "verdict", "clause"), found["inherited"], Format.HUMAN)
