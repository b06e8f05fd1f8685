"""Parents that a record of the Hub names: in tags, in the expanded `baseModels`, in the card.

Each place is a source of its own. A relation word that the Hub does not define is kept as written beside the guessed
relation, and never becomes part of an id.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any

from atlas_db.claims.parameters.declaration_parameters import DECLARATION
from atlas_db.claims.placeholder_names import names_no_model
from atlas_db.claims.relations import TYPED_RELATIONS, guess_relation
from atlas_db.core.decoding import MalformedError, json_as
from atlas_db.core.records import HubRecord, ParentClaim, ValueClaim
from atlas_db.core.terms import RecordPart, Relation
from ingest.hub.hub_row import ODD
from ingest.normalise.parent_names import NamedParent, parent_names, split_names

MAX_NAME = 512
"""Characters of a name at most; longer ones are dropped with a note."""
MAX_PARENTS = 1024
"""Parents that are read of one part of a record."""
_MAX_WORD = 64
_LABELS = frozenset({"model", "models", "base_model", "hf", "huggingface", "hf_hub", "http", "https"})
"""Words before a colon that name no relation."""
_VERSION_TAG = re.compile(r"(?:latest|main|\d[\w.]*|[bf][fp]?\d+|v\d[\w.]*|i?q\d\w*)", re.IGNORECASE)
_SYNONYMS = {
    **dict.fromkeys(("finetuned", "fine tune", "fine tuned", "finetuning", "fine tuning", "sft"), Relation.FINETUNE),
    **dict.fromkeys(("lora", "qlora", "dora", "peft", "adapters", "adaptor"), Relation.ADAPTER),
    **dict.fromkeys(
        ("quantization", "quantised", "quantisation", "quantize", "quant", "gguf", "gptq", "awq", "exl2", "mlx", "int4",
         "int8", "fp8", "4bit", "8bit", "4 bit", "8 bit"), Relation.QUANTIZED,
    ),
    **dict.fromkeys(("merged", "merges", "merging", "mergekit"), Relation.MERGE),
}  # fmt: skip
"""Words for the Hub's relations, in lower case with spaces between their parts."""


@lru_cache(maxsize=2**14)
def split_relation(text: str) -> NamedParent:
    """Split what follows `base_model:` in a tag into the parent's name and the relation before it.

    A word before a colon is a relation where an id with owner follows it, or where it means one of the Hub's own. Else
    the colon belongs to the name, as in `llama3:8b`. A relation without a name names nothing.
    """
    word, colon, rest = text.partition(":")
    word, rest = word.strip(), rest.strip()
    if not colon or "/" in word or rest.startswith("//") or word.lower() in _LABELS or len(word) > _MAX_WORD:
        return NamedParent(text)
    known = _known_relation(word) is not None
    if known or not word or "/" in rest or (word.isalpha() and rest and _VERSION_TAG.fullmatch(rest) is None):
        return NamedParent("" if _known_relation(rest) is not None else rest, word)
    return NamedParent(text)


@lru_cache(maxsize=2**12)
def _known_relation(word: str) -> Relation | None:
    """Return the relation of the Hub that a word is or means."""
    lower = re.sub(r"[\s_-]+", " ", word.strip().lower())
    return Relation(lower) if lower in TYPED_RELATIONS else _SYNONYMS.get(lower)


def add_parents(
    names: Iterable[NamedParent], record: HubRecord, part: RecordPart, tags: Sequence[str], library: object
) -> None:
    """Add the claims of one part of a record on parents.

    Args:
        names: The parents named, in order.
        record: The record; claims and notes are added to it.
        part: The part that names them.
        tags: Tags for guessing relations.
        library: Library for guessing relations.
    """
    unique: dict[str, NamedParent] = {}
    for each in names:
        if len(unique) == MAX_PARENTS:
            record.notes.append((ODD, f"base_model: of very many names {MAX_PARENTS:,} are read"))
            break
        if len(each.name) > MAX_NAME:
            record.notes.append(("oversized_value", f"base_model of {len(each.name)} characters"))
        elif names_no_model(each.name):
            record.notes.append(("no_model_name", f"base_model {each.name[:80]!r} names no model"))
        elif each.name not in unique or not unique[each.name].relation:
            unique[each.name] = each
    guess: tuple[Relation, float, str] | None = None
    for each in unique.values():
        word = each.relation.strip()
        relation = _known_relation(word)
        if relation is not None and word.lower() == relation:
            record.parents.append(ParentClaim(each.name, relation, 1.0, "typed", part))
            # The relation counts as stated by the tags, whose next snapshot ends it.
            stated = RecordPart.TAGS if part is RecordPart.BASE_MODELS else part
            record.claims.append(ValueClaim("HAS_RELATION", relation.value, 1.0, stated))
        elif relation is not None:
            record.parents.append(
                ParentClaim(each.name, relation, DECLARATION.relation_by_word, "word", part, word[:_MAX_WORD])
            )
        else:
            if guess is None:
                text = library if isinstance(library, str) else None
                guess = guess_relation(record.id.rpartition("/")[2], tags, text, len(unique))
            record.parents.append(ParentClaim(each.name, *guess, part, word[:_MAX_WORD]))


def tag_parents(texts: Iterable[str]) -> list[NamedParent]:
    """Return the parents that tags name: what follows `base_model:` in each, one or several names with a relation."""
    found = []
    for text in texts:
        named = split_relation(text)
        found += [NamedParent(name, named.relation) for name in split_names(named.name) or [named.name]]
    return found


def read_base_models(value: Any, record: HubRecord, tags: Sequence[str], library: object) -> None:  # noqa: ANN401
    """Read the expanded `baseModels`: `{relation, models: [{id}]}`, a list of ids or of such objects, or JSON text."""
    if isinstance(value, str):
        # A text that is not JSON is an id itself, as some exports keep it.
        with suppress(MalformedError):
            value = json_as(value, object)
    names: list[NamedParent] = []
    for entry in value[:MAX_PARENTS] if isinstance(value, list) else [value]:
        word = entry.get("relation") if isinstance(entry, dict) else None
        models = entry.get("models") if isinstance(entry, dict) and "models" in entry else entry
        relation = word if isinstance(word, str) else ""
        names += [each if each.relation else each._replace(relation=relation) for each in parent_names(models)]
    add_parents(names, record, RecordPart.BASE_MODELS, tags, library)


def card_parents(data: dict[str, Any]) -> list[NamedParent]:
    """Return the parents that the front matter of a card names, with the relation stated for each.

    `base_model_relation` is one word for all, a list with one word a parent, or a mapping of ids to words.
    """
    names = [_with_own_relation(each) for each in parent_names(data.get("base_model"))]
    stated = data.get("base_model_relation")
    if isinstance(stated, dict) and isinstance(word := stated.get("relation"), str):
        stated = word
    if isinstance(stated, list):
        words = [word if isinstance(word, str) else "" for word in stated]
        if len(words) != len(names):
            # Lists of other lengths cannot be paired; they count where they say one thing.
            words = [words[0] if len(set(words)) == 1 else ""] * len(names) if words else [""] * len(names)
        return [_with(each, word) for each, word in zip(names, words, strict=True)]
    if isinstance(stated, dict):
        return [_with(each, word if isinstance(word := stated.get(each.name), str) else "") for each in names]
    return [_with(each, stated if isinstance(stated, str) else "") for each in names]


def _with_own_relation(each: NamedParent) -> NamedParent:
    """Return a name without a relation of the Hub before it, as in `adapter:a/b` or `base_model:quantized:a/b`."""
    named = split_relation(each.name.removeprefix("base_model:"))
    return each._replace(name=named.name, relation=named.relation) if _known_relation(named.relation) else each


def _with(each: NamedParent, word: str) -> NamedParent:
    return each if each.relation else each._replace(relation=word)
