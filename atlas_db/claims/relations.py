"""Relation of a model to its parents: as typed by its author, else a guess with a confidence below 1.

The precedence is that of the Hub: an adapter of a merge is an adapter, a quantized merge is quantized. The confidences
of guesses are set by judgement, because the declared relations of 2025 are too few to fit them.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from atlas_db.claims.parameters.relation_parameters import RELATION
from atlas_db.core.terms import Relation

TYPED_RELATIONS = frozenset({Relation.FINETUNE, Relation.ADAPTER, Relation.QUANTIZED, Relation.MERGE})
_QUANTIZED_TAGS = frozenset(
    {"gguf", "ggml", "awq", "gptq", "exl2", "exl3", "hqq", "aqlm", "quip", "eetq", "autogptq", "autoawq", "llama-cpp",
     "gguf-my-repo", "quantized", "pruna-ai", "compressed-tensors", "imatrix", "onnx-quantized", "mlx-my-repo"}
)  # fmt: skip
_BIT_TAGS = frozenset({"1-bit", "2-bit", "3-bit", "4-bit", "5-bit", "6-bit", "8-bit", "4bit", "8bit", "int8", "int4"})
_ADAPTER_TAGS = frozenset({"lora", "adapter", "qlora", "dora", "adapter-transformers", "loras"})
_ADAPTER_LIBRARIES = frozenset({"peft", "adapter-transformers"})
_MERGE_TAGS = frozenset({"merge", "mergekit", "lazymergekit", "mergekit-moe", "frankenmerge", "automerger"})
_QUANTIZED_NAME = re.compile(
    r"(?:^|[-_. ])(?:gguf|ggml|awq|gptq|exl2|exl3|hqq|aqlm|eetq|bnb|i?q[2-8](?:_[0-9k][a-z_]*)?|w[48]a(?:8|16)|fp8|nf4"
    r"|int[48]|[2-8](?:\.[0-9]+)?[-_ ]?bits?|[2-8](?:\.[0-9]+)?bpw|quantized|quants?)(?:$|[-_. ])",
    re.IGNORECASE,
)
_ADAPTER_NAME = re.compile(r"(?:^|[-_. ])(?:q?lora|dora|adapter|peft)s?(?:$|[-_. ])", re.IGNORECASE)
_MERGE_NAME = re.compile(r"(?:^|[-_. ])(?:merged?|slerp|ties|dare|frankenmerge|passthrough)(?:$|[-_. ])", re.IGNORECASE)


def guess_relation(name: str, tags: Collection[str], library: str | None, parents: int) -> tuple[Relation, float, str]:
    """Guess the relation of a model to the parents that it names.

    Args:
        name: Repository part of the model's id.
        tags: Its tags.
        library: Its library_name.
        parents: Number of parents that it names.

    Returns:
        Relation, confidence below 1, and its source.
    """
    lower = {tag.lower() for tag in tags}
    quantized = _guess_quantized(bool(lower & _QUANTIZED_TAGS), _QUANTIZED_NAME.search(name) is not None)
    if quantized is not None:
        return quantized
    if library in _ADAPTER_LIBRARIES or "peft" in lower:
        return Relation.ADAPTER, RELATION.adapter_by_library, "library"
    if lower & _ADAPTER_TAGS:
        return Relation.ADAPTER, RELATION.adapter_by_tags, "tags"
    if _ADAPTER_NAME.search(name):
        return Relation.ADAPTER, RELATION.adapter_by_name, "name"
    if lower & _MERGE_TAGS:
        return Relation.MERGE, RELATION.merge_by_tags if parents > 1 else RELATION.merge_by_tags_of_one, "tags"
    if parents > 1:
        named = _MERGE_NAME.search(name) is not None
        return Relation.MERGE, RELATION.merge_by_name if named else RELATION.merge_by_parents, "parents"
    if lower & _BIT_TAGS:
        return Relation.QUANTIZED, RELATION.quantized_by_bits, "tags"
    return Relation.FINETUNE, RELATION.finetune, "default"


def _guess_quantized(by_tags: bool, by_name: bool) -> tuple[Relation, float, str] | None:
    if by_tags and by_name:
        return Relation.QUANTIZED, RELATION.quantized_by_both, "tags+name"
    if by_tags:
        return Relation.QUANTIZED, RELATION.quantized_by_tags, "tags"
    return (Relation.QUANTIZED, RELATION.quantized_by_name, "name") if by_name else None
