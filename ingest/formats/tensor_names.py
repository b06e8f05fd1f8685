"""Canonical names of tensors, whatever wrapper or file format they come from."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from typing import Any

from ingest.formats.declared_names import MAX_NAME_LENGTH, declarations, model_names

_COMMON_PREFIXES = ("backbone", "language_model", "model", "transformer")
"""Prefixes that are taken away although some models without a head have parts of that name."""
_PREFIXES = frozenset((*_COMMON_PREFIXES, "_orig_mod", "module", *declarations().prefixes))
"""Prefixes of a model within a model with a head (transformers, `base_model_prefix`).

A model that is saved without a head has names without the prefix.
"""
_WRAPPERS = re.compile(r"^(?:base_model\.model\.|_orig_mod\.|module\.)+")
_LAYER = re.compile(r"\.\d+(?=\.|$)")
_VOCABULARY = frozenset((*declarations().vocabulary, "lm_head.weight"))
"""Ends of names of tables with a row a token, whose rows grow with the vocabulary."""

PART_PATTERNS = tuple(
    re.compile("|".join(patterns.split()))
    for patterns in (
        r"embed_tokens \bwte\b word_embeddings \bshared\.",
        r"q_proj k_proj query key qkv c_attn q_lin k_lin \.q\b \.k\b",
        r"v_proj o_proj out_proj value att\w*\.(?:output\.|c_proj|dense) v_lin out_lin \.v\b \.o\b",
        r"gate_proj up_proj fc1 lin1 intermediate c_fc h_to_4h \bwi(?:_\d)?\b \bw[13]\b",
        r"down_proj fc2 lin2 output[._]dense mlp\.c_proj 4h_to_h \bwo\b \bw2\b",
        r"lm_head embed_out",
    )
)
"""Parts of a network, by names of tensors; the first pattern that fits counts.

In order: embeddings, query and key, value and output, matrices into the MLP, matrices out of it, output embedding.
"""


def canonical_name(name: str) -> str:
    """Return a tensor's name without wrappers: `model.layers.0.mlp.up_proj.weight` → `layers.0.mlp.up_proj.weight`."""
    return _split_prefixes(_WRAPPERS.sub("", name))[1]


def canonical_names(names: Iterable[str], config: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Return the canonical names of all tensors of a model, by name as stored.

    They are the names in memory of the newest transformers, without prefixes. Where two tensors would get one name, the
    one with fewer prefixes gets it, and the others keep their last prefix.

    Args:
        names: Names as stored.
        config: `config.json`, empty where there is none.

    Returns:
        One name for each; several where the tensor consists of equal parts, in order.
    """
    declared = model_names(config)
    made = {name: declared.in_memory(_WRAPPERS.sub("", name)) for name in names}
    split = {each: _split_prefixes(each) for found in made.values() for each in found}
    fewest: dict[str, int] = {}
    for prefixes, rest in split.values():
        fewest[rest] = min(fewest.get(rest, len(prefixes)), len(prefixes))
    taken = Counter(rest for prefixes, rest in split.values() if len(prefixes) == fewest[rest])

    def final(name: str) -> str:
        prefixes, rest = split[name]
        keeps = prefixes and (len(prefixes) > fewest[rest] or taken[rest] > 1)
        return f"{prefixes[-1]}.{rest}" if keeps else rest

    return {name: tuple(final(each) for each in found) for name, found in made.items()}


def _split_prefixes(name: str) -> tuple[list[str], str]:
    """Return the known prefixes that begin a name, in order, and the rest."""
    parts = name.split(".")
    count = next((place for place, part in enumerate(parts[:-1]) if part not in _PREFIXES), len(parts) - 1)
    return parts[:count], ".".join(parts[count:])


def without_layer(name: str) -> str:
    """Return a name with its numbers replaced by a star: equal in all layers."""
    return _LAYER.sub(".*", name)


def is_in_block(name: str) -> bool:
    """Whether a tensor belongs to a numbered block; heads, poolers and patch embeddings do not."""
    return _LAYER.search(name) is not None


@cache
def part_index(name: str) -> int:
    """Return the index in `PART_PATTERNS` of a tensor's part, or -1, also for a name that is too long to look at."""
    if len(name) > MAX_NAME_LENGTH:
        return -1
    return next((place for place, pattern in enumerate(PART_PATTERNS) if pattern.search(name)), -1)


@lru_cache(2**16)
def is_vocabulary(name: str) -> bool:
    """Whether a tensor has a row a token."""
    parts = name.split(".")
    return any(".".join(parts[-count:]) in _VOCABULARY for count in range(2, len(parts) + 1))
