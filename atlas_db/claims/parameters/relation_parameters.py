"""Confidences of guessed relations between a model and its parents."""

from __future__ import annotations

from dataclasses import dataclass

from atlas_db.core.parameters import parameter

_BY_JUDGEMENT = "set by judgement; the declared relations of 2025 are too few to fit it"


@dataclass(frozen=True, slots=True)
class RelationParameters:
    """Confidence of each rule that guesses a relation.

    Attributes:
        quantized_by_both: Quantized, by tags and name.
        quantized_by_tags: Quantized, by tags alone.
        quantized_by_name: Quantized, by the name alone.
        quantized_by_bits: Quantized, by a tag of a bit width alone.
        adapter_by_library: Adapter, by the library or the tag `peft`.
        adapter_by_tags: Adapter, by other tags.
        adapter_by_name: Adapter, by the name.
        merge_by_tags: Merge of several parents, by tags.
        merge_by_tags_of_one: Merge that names one parent, by tags.
        merge_by_name: Merge of several parents, by the name.
        merge_by_parents: Merge, because several parents are named.
        finetune: Fine-tune, where no other rule applies.
    """

    quantized_by_both: float = parameter(0.97, "probability", _BY_JUDGEMENT)
    quantized_by_tags: float = parameter(0.9, "probability", _BY_JUDGEMENT)
    quantized_by_name: float = parameter(0.85, "probability", _BY_JUDGEMENT)
    quantized_by_bits: float = parameter(0.6, "probability", _BY_JUDGEMENT)
    adapter_by_library: float = parameter(0.95, "probability", _BY_JUDGEMENT)
    adapter_by_tags: float = parameter(0.9, "probability", _BY_JUDGEMENT)
    adapter_by_name: float = parameter(0.75, "probability", _BY_JUDGEMENT)
    merge_by_tags: float = parameter(0.95, "probability", _BY_JUDGEMENT)
    merge_by_tags_of_one: float = parameter(0.7, "probability", _BY_JUDGEMENT)
    merge_by_name: float = parameter(0.8, "probability", _BY_JUDGEMENT)
    merge_by_parents: float = parameter(0.6, "probability", _BY_JUDGEMENT)
    finetune: float = parameter(0.8, "probability", _BY_JUDGEMENT)


RELATION = RelationParameters()
