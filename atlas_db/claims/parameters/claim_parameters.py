"""All tuned constants of loaded claims, as the runs of `load` record them."""

from __future__ import annotations

from dataclasses import dataclass, field

from atlas_db.claims.parameters.declaration_parameters import DECLARATION, DeclarationParameters
from atlas_db.claims.parameters.mention_parameters import MENTION, MentionParameters
from atlas_db.claims.parameters.relation_parameters import RELATION, RelationParameters
from atlas_db.core.parameters import Parameter, parameters_of
from atlas_db.fusion.fusion_parameters import FUSION, FusionParameters


@dataclass(frozen=True, slots=True)
class ClaimParameters:
    """Tuned constants by stage.

    Attributes:
        declaration: What a record states in words that have to be read.
        mention: Entity linking of parents' names.
        relation: Guessed relations.
        fusion: When inferred lineage changes what is declared.
    """

    declaration: DeclarationParameters = field(default=DECLARATION)
    mention: MentionParameters = field(default=MENTION)
    relation: RelationParameters = field(default=RELATION)
    fusion: FusionParameters = field(default=FUSION)


CLAIM = ClaimParameters()


def claim_parameters() -> list[Parameter]:
    """Return every tuned constant of loaded claims."""
    return list(parameters_of(CLAIM))
