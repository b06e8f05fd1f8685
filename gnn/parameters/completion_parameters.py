"""All tuned constants of the completion, as its runs record them."""

from __future__ import annotations

from atlas_db.columnar.date_parameters import DATE
from atlas_db.core.parameters import Parameter, parameters_of
from atlas_db.fusion.fusion_parameters import FUSION
from gnn.parameters.candidate_parameters import CANDIDATE
from gnn.parameters.model_parameters import MODEL
from gnn.parameters.token_parameters import TOKEN


def completion_parameters() -> list[Parameter]:
    """Return every tuned constant of the completion: of dates, tokens, candidates, the learned models, and fusion."""
    return [
        *parameters_of(DATE, "date."),
        *parameters_of(TOKEN, "token."),
        *parameters_of(CANDIDATE, "candidate."),
        *parameters_of(MODEL, "model."),
        *parameters_of(FUSION, "fusion."),
    ]
