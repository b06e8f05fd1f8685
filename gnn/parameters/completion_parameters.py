"""All tuned constants of the completion, with what changing them by a quarter does to predictions."""

from __future__ import annotations

from functools import cache

from atlas_db.columnar.date_parameters import DATE
from atlas_db.core.parameters import (
    Change,
    Parameter,
    ShownParameter,
    parameters_of,
    read_sensitivity,
    shown_parameters,
)
from atlas_db.fusion.fusion_parameters import FUSION
from gnn.parameters.candidate_parameters import CANDIDATE
from gnn.parameters.evaluation_parameters import EVALUATION
from gnn.parameters.model_parameters import MODEL
from gnn.parameters.token_parameters import TOKEN

PARAMETER_CLASSES = {"date.": DATE, "token.": TOKEN, "candidate.": CANDIDATE, "model.": MODEL, "fusion.": FUSION}
"""Parameter class of each first part of a constant's name."""
UNMEASURED = {
    "token.embedding_words": "needs a sentence model",
    "token.projections": "needs a sentence model",
    "token.top_components": "needs a sentence model",
    **{each.name: "sets the test" for each in parameters_of(EVALUATION.split, "evaluation.split.")},
}
"""Why the change of a constant is not measured."""


def completion_parameters() -> list[Parameter]:
    """Return every tuned constant of the completion: of dates, tokens, candidates, the learned models, and fusion."""
    return [each for prefix, group in PARAMETER_CLASSES.items() for each in parameters_of(group, prefix)]


@cache
def completion_sensitivity() -> dict[str, Change]:
    """Return the measured sensitivities by parameter: what `benchmarks/completion_sensitivity.py` wrote."""
    return read_sensitivity("gnn.parameters")


def shown_completion_parameters() -> list[ShownParameter]:
    """Return every constant of the completion and of its evaluation, with unit, origin and sensitivity."""
    known = [*completion_parameters(), *parameters_of(EVALUATION, "evaluation.")]
    return shown_parameters(known, completion_sensitivity(), UNMEASURED)
