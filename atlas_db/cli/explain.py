"""`atlas-db explain`: the reasons for a prediction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from atlas_db.cli.common import (
    FormatOption,
    ModelArgument,
    StoreOption,
    guarded,
    home_of,
    opened,
    settings_for,
    shown_progress,
)
from atlas_db.cli.output import Format, print_text, write_json, write_rows
from atlas_db.core.extras import require_extra

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from atlas_db.api.explain import Explanation

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
    model: ModelArgument,
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
        write_json(explanation.to_dict())
    else:
        write_rows(("value", "confidence"), [asdict(each) for each in explanation.candidates], form)


def _show(explanation: Explanation) -> None:
    if explanation.declared:
        print_text(f"declared: {', '.join(explanation.declared)}")
    _table(("value", "confidence"), explanation.candidates)
    if explanation.attribute == "base_model":
        p_none, p_derived = explanation.no_declaration_probability, explanation.derived_probability
        print_text(f"the author would declare no parent: {p_none}; there is a parent, declared or not: {p_derived}")
    if (missing := explanation.missingness) is not None:
        print_text(
            f"derived from another model, by its tokens: {missing.p_derived}; "
            f"a parent would be reported: {missing.p_reported}"
        )
    _table(("group", "log_odds", "positives", "total"), explanation.reasons)
    _table(("model_id", "value", "groups"), explanation.neighbours)
    if explanation.attribute == "license":
        inherited = explanation.inherited
        print_text("inherited from upstream, whatever its author declares:" if inherited else "nothing inherited")
        _table(("ancestor", "license", "verdict", "clause"), inherited)


def _table(columns: tuple[str, ...], records: Sequence[DataclassInstance]) -> None:
    rows = [asdict(each) for each in records]
    for row in rows:
        row |= {name: ", ".join(value) for name, value in row.items() if isinstance(value, tuple)}
    write_rows(columns, rows, Format.HUMAN)
