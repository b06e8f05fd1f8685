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

import msgspec

from atlas_db.claims.relations import TYPED_RELATIONS, guess_relation
from atlas_db.core.records import HubRecord, ParentClaim, ValueClaim
from atlas_db.core.terms import RecordPart, Relation
from ingest.normalise.parent_names import NamedParent, names_no_model, parent_names

MAX_NAME = 512
"""Characters of a name at most; longer ones are dropped with a note."""
_MAX_WORD = 64
_WORD = re.compile(r"[A-Za-z][A-Za-z _-]*")
_VERSION_TAG = re.compile(r"(?:latest|main|\d[\w.]*|[bf][fp]?\d+|v\d[\w.]*|i?q\d\w*)", re.IGNORECASE)
_SYNONYMS = {
    "finetuned": Relation.FINETUNE, "fine-tune": Relation.FINETUNE, "fine-tuned": Relation.FINETUNE,
    "fine_tune": Relation.FINETUNE, "fine tune": Relation.FINETUNE, "lora": Relation.ADAPTER, "peft": Relation.ADAPTER,
    "adapters": Relation.ADAPTER, "quantization": Relation.QUANTIZED, "quantised": Relation.QUANTIZED,
    "quantisation": Relation.QUANTIZED, "quantize": Relation.QUANTIZED, "quant": Relation.QUANTIZED,
    "gguf": Relation.QUANTIZED, "merged": Relation.MERGE, "merges": Relation.MERGE,
}  # fmt: skip
_BY_WORD = 0.9
"""Confidence of a relation read from a word that means one of the Hub's; set by judgement."""


@lru_cache(maxsize=2**14)
def split_relation(text: str) -> NamedParent:
    """Split what follows `base_model:` in a tag into the parent's name and the relation before it.

    A word before a colon is a relation where an id with owner follows it, or where it is one of the Hub's own. Else the
    colon belongs to the name, as in `llama3:8b`.
    """
    word, _, rest = text.partition(":")
    if not rest.strip() or rest.startswith("//") or _WORD.fullmatch(word) is None:
        return NamedParent(text)
    known = word.lower() in TYPED_RELATIONS or word.lower() in _SYNONYMS
    if known or "/" in rest or _VERSION_TAG.fullmatch(rest) is None:
        return NamedParent(rest, word)
    return NamedParent(text)


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
        if names_no_model(each.name):
            record.notes.append(("no_model_name", f"base_model {each.name[:80]!r} names no model"))
        elif len(each.name) > MAX_NAME:
            record.notes.append(("oversized_value", f"base_model of {len(each.name)} characters"))
        elif each.name not in unique or not unique[each.name].relation:
            unique[each.name] = each
    guess: tuple[Relation, float, str] | None = None
    for each in unique.values():
        word = each.relation.strip()
        lower = word.lower()
        if lower in TYPED_RELATIONS:
            relation = Relation(lower)
            record.parents.append(ParentClaim(each.name, relation, 1.0, "typed", part))
            # The relation counts as stated by the tags, whose next snapshot ends it.
            stated = RecordPart.TAGS if part is RecordPart.BASE_MODELS else part
            record.claims.append(ValueClaim("HAS_RELATION", relation.value, 1.0, stated))
            continue
        if lower in _SYNONYMS:
            record.parents.append(ParentClaim(each.name, _SYNONYMS[lower], _BY_WORD, "word", part, word[:_MAX_WORD]))
            continue
        if guess is None:
            text = library if isinstance(library, str) else None
            guess = guess_relation(record.id.rpartition("/")[2], tags, text, len(unique))
        record.parents.append(ParentClaim(each.name, *guess, part, word[:_MAX_WORD]))


def read_base_models(value: Any, record: HubRecord, tags: Sequence[str], library: object) -> None:  # noqa: ANN401
    """Read the expanded `baseModels`: `{relation, models: [{id}]}`, a list of ids or of such objects, or JSON text."""
    if isinstance(value, str):
        # A text that is not JSON is an id itself, as some exports keep it.
        with suppress(msgspec.DecodeError, RecursionError):
            value = msgspec.json.decode(value)
    names: list[NamedParent] = []
    for entry in value if isinstance(value, list) else [value]:
        word = entry.get("relation") if isinstance(entry, dict) else None
        models = entry.get("models") if isinstance(entry, dict) and "models" in entry else entry
        relation = word if isinstance(word, str) else ""
        names += [each if each.relation else each._replace(relation=relation) for each in parent_names(models)]
    add_parents(names, record, RecordPart.BASE_MODELS, tags, library)


def card_parents(data: dict[str, Any]) -> list[NamedParent]:
    """Return the parents that the front matter of a card names, with the relation stated for each.

    `base_model_relation` is one word for all, a list with one word a parent, or a mapping of ids to words.
    """
    names = parent_names(data.get("base_model"))
    stated = data.get("base_model_relation")
    if isinstance(stated, list):
        words = [word if isinstance(word, str) else "" for word in stated]
        if len(words) != len(names):
            # Lists of other lengths cannot be paired; they count where they say one thing.
            words = [words[0] if len(set(words)) == 1 else ""] * len(names) if words else [""] * len(names)
        return [_with(each, word) for each, word in zip(names, words, strict=True)]
    if isinstance(stated, dict):
        return [_with(each, word if isinstance(word := stated.get(each.name), str) else "") for each in names]
    return [_with(each, stated if isinstance(stated, str) else "") for each in names]


def _with(each: NamedParent, word: str) -> NamedParent:
    return each if each.relation else each._replace(relation=word)
