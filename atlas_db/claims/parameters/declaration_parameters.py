"""Confidences of what a record states in words that have to be read."""

from __future__ import annotations

from dataclasses import dataclass

from atlas_db.core.parameters import parameter

_BY_JUDGEMENT = "set by judgement"


@dataclass(frozen=True, slots=True)
class DeclarationParameters:
    """How far the reading of a field is trusted.

    Attributes:
        known_license: Confidence of a licence that was written in another way, and is in the catalogue.
        unknown_license: The same of one that is not in the catalogue.
        relation_by_word: Confidence of a relation read from a word that means one of the Hub's.
        min_unowned_name: Fewest characters of a name without owner in a list; `7b` or `v2` behind a comma is none.
        converted: Confidence that a GGUF file is a quantization of the source that it names.
        base_of_source: Confidence of the relation to a base model in a GGUF file. The converter copies the base models
            of the model that it converts, so a step can lie between.
        trained_from: Confidence of the relation to the checkpoint that kohya's trainer started from.
        merged_from: Confidence that a model is a merge of those that its header names.
    """

    known_license: float = parameter(0.95, "probability", _BY_JUDGEMENT)
    unknown_license: float = parameter(0.9, "probability", _BY_JUDGEMENT)
    relation_by_word: float = parameter(0.9, "probability", _BY_JUDGEMENT)
    min_unowned_name: int = parameter(4, "characters", _BY_JUDGEMENT)
    converted: float = parameter(0.95, "probability", _BY_JUDGEMENT)
    base_of_source: float = parameter(0.6, "probability", _BY_JUDGEMENT)
    trained_from: float = parameter(0.9, "probability", _BY_JUDGEMENT)
    merged_from: float = parameter(0.95, "probability", _BY_JUDGEMENT)


DECLARATION = DeclarationParameters()
