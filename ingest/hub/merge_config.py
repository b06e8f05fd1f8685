"""Merge configurations of mergekit (`mergekit_config.yml`): which models were merged, how, and with what weights.

Format: https://github.com/arcee-ai/mergekit, `mergekit/config.py` for merges and `mergekit/moe/config.py` for mixtures.
A model is written `path@revision+lora@revision`, or as a mapping of these parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from atlas_db.cards.front_matter import parse_yaml
from atlas_db.core.records import MergeTerm

MAX_MODELS = 256
"""Models of one merge that are read."""
_DOCUMENT = re.compile(r"^---[ \t]*\r?$", re.MULTILINE)
_SLERP = frozenset({"slerp", "nuslerp", "multislerp"})
_MIXTURE = "mixture_of_experts"


def merge_terms(text: str) -> tuple[list[tuple[str, MergeTerm]], str]:
    """Return the models that a merge configuration names, in order, and why it cannot be read, else an empty text.

    Models that one document of a configuration makes and another uses are no parents.

    Args:
        text: The configuration as YAML; several documents are the steps of one merge (mergekit-multi).
    """
    documents: list[dict[str, Any]] = []
    for part in _DOCUMENT.split(text):
        if part.strip():
            document, problem = parse_yaml(part)
            if problem:
                return [], problem
            documents.append(document)
    made = {document["name"] for document in documents if isinstance(document.get("name"), str)}
    found: dict[str, MergeTerm] = {}
    for document in documents:
        for name, term in _terms_of(document):
            if name not in made and len(found) < MAX_MODELS:
                found[name] = _joined(found.get(name), term)
    return list(found.items()), "" if found else "it names no model"


def _joined(known: MergeTerm | None, term: MergeTerm) -> MergeTerm:
    """Join two mentions of a model. A weight that differs between slices is not one number."""
    if known is None:
        return term
    weight = term.weight if known.weight is None and known.base else known.weight
    same = term.weight is None or known.weight is None or known.weight == term.weight
    density = known.density if known.density is not None else term.density
    return MergeTerm(known.method, weight if same else None, density, known.base or term.base)


def _terms_of(document: dict[str, Any]) -> Iterator[tuple[str, MergeTerm]]:
    """Yield the models of one document: the base model first."""
    experts = [*_list(document.get("experts")), *_list(document.get("shared_experts"))]
    stated = document.get("merge_method")
    method = stated if isinstance(stated, str) else _MIXTURE if experts else ""
    bases = _model_names(document.get("base_model"))
    for name in bases:
        position = _slerp_weight(method, document.get("parameters"))
        yield name, MergeTerm(method, None if position is None else round(1.0 - position, 12), None, base=True)
    for entry in experts:
        if isinstance(entry, dict):
            yield from ((name, MergeTerm(method)) for name in _model_names(entry.get("source_model")))
    for entry, parameters in _sources(document):
        weight = _number("weight", entry.get("parameters"), *parameters)
        density = _number("density", entry.get("parameters"), *parameters)
        for name in _model_names(entry.get("model")):
            slerp = None if name in bases else _slerp_weight(method, *parameters)
            yield name, MergeTerm(method, slerp if weight is None else weight, density)


def _sources(document: dict[str, Any]) -> Iterator[tuple[dict[str, Any], tuple[Any, ...]]]:
    """Yield the models of a document that have parameters, each with the parameters that hold for all."""
    shared = document.get("parameters")
    modules = document.get("modules")
    inner = [each for each in modules.values() if isinstance(each, dict)] if isinstance(modules, dict) else []
    for level in (document, *inner):
        for entry in _list(level.get("models")):
            if isinstance(entry, dict):
                yield entry, (level.get("parameters"), shared)
        for piece in _list(level.get("slices")):
            if isinstance(piece, dict):
                for entry in _list(piece.get("sources")):
                    if isinstance(entry, dict):
                        yield entry, (piece.get("parameters"), level.get("parameters"), shared)


def _slerp_weight(method: str, *places: Any) -> float | None:  # noqa: ANN401
    """Return the share that SLERP gives the other model, `t`; the base has 1 - t."""
    return _number("t", *places) if method in _SLERP else None


def _model_names(value: Any) -> list[str]:  # noqa: ANN401
    """Return the names in a reference to a model: the model, and the adapter that is applied to it."""
    if isinstance(value, str):
        return [name.strip() for name in value.split("+") if name.strip()]
    if isinstance(value, dict):
        names = []
        for key in ("model", "path", "lora"):
            names += _model_names(value.get(key))
        return names
    return []


def _number(name: str, *places: Any) -> float | None:  # noqa: ANN401
    """Return a parameter from the first of the places that has it, where it is one number."""
    for place in places:
        if isinstance(place, dict) and name in place:
            value = place[name]
            entries = _list(value)
            if len(entries) == 1 and isinstance(entries[0], dict) and "filter" not in entries[0]:
                value = entries[0].get("value")
            return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
    return None


def _list(value: Any) -> list[Any]:  # noqa: ANN401
    return value if isinstance(value, list) else []
