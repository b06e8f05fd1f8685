"""All tuned constants of the completion, as its runs record them."""

from __future__ import annotations

from atlas_db.core.parameters import Parameter, parameters_of
from gnn.parameters.candidate_parameters import CANDIDATE
from gnn.parameters.model_parameters import MODEL
from gnn.parameters.token_parameters import TOKEN


def completion_parameters() -> list[Parameter]:
    """Return every tuned constant of the completion: of tokens, of candidates, and of the learned models."""
    return [
        *parameters_of(TOKEN, "token."),
        *parameters_of(CANDIDATE, "candidate."),
        *parameters_of(MODEL, "model."),
    ]
