"""What can be completed, and what must be hidden while it is learnt: whatever states the answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from atlas_db.columnar.graph import Column, Graph
from atlas_db.core.arrays import Integers, csr_lists
from atlas_db.core.errors import UsageError

VERSION = "complete@8"
"""What learnt and what predicted; a checkpoint of another version is learnt anew."""
COMPUTED = ("autotrain_compatible", "endpoints_compatible", "text-generation-inference", "conversational")
"""Tags that the Hub computes from task and library."""
NAMESAKES = ("gemma", "llama2", "llama3")
"""Tags that are licence ids and names of architectures at once: they state no licence."""


LANGUAGES = (
    "arabic", "bengali", "bulgarian", "catalan", "chinese", "croatian", "czech", "danish", "dutch", "english",
    "estonian", "finnish", "french", "german", "greek", "hebrew", "hindi", "hungarian", "indonesian", "italian",
    "japanese", "korean", "latvian", "lithuanian", "malay", "multilingual", "norwegian", "persian", "polish",
    "portuguese", "romanian", "russian", "serbian", "slovak", "slovenian", "spanish", "swahili", "swedish", "tamil",
    "telugu", "thai", "turkish", "ukrainian", "urdu", "vietnamese", "yoruba",
)  # fmt: skip
"""Names of languages that cards use for their codes."""


@dataclass(frozen=True, slots=True)
class Task:
    """An attribute to complete.

    Attributes:
        attribute: Its name, as the Hub spells it.
        many: True where a model may have several.
        relation: The claim that carries it in the graph; empty for lineage.
        label: Label of its values' nodes.
    """

    attribute: str
    multi_valued: bool
    relationship: str
    node_label: str


RELATION = "base_model_relation"
"""How a model is made from its parents, as an author may type it; asked only of models that declare a parent."""
TASKS = {
    task.attribute: task
    for task in (
        Task("license", False, "HAS_LICENSE", "License"),
        Task("pipeline_tag", False, "HAS_TASK", "Task"),
        Task("library_name", False, "USES_LIBRARY", "Library"),
        Task("model_type", False, "HAS_ARCHITECTURE", "Architecture"),
        Task("language", True, "IN_LANGUAGE", "Language"),
        Task("datasets", True, "TRAINED_ON", "Dataset"),
        Task("base_model", True, "CLAIMS_PARENT", "Model"),
        Task(RELATION, False, "HAS_RELATION", "Relation"),
    )
}
HAS_PARENT = Task("has_base_model", False, "", "")
"""Whether an author would declare a parent at all: asked before one is proposed."""
_LINEAGE = ("base_model", HAS_PARENT.attribute)


CARD, SENTENCES = "card", "sentences "
"""Columns of what cards say: their words, and what a sentence model makes of them, which ends in the model's digest."""


def masked_attributes(attribute: str) -> frozenset[str]:
    """Return the attributes that may not be looked at while one is learnt."""
    return frozenset({*_LINEAGE, RELATION}) if attribute in _LINEAGE else frozenset({attribute})


def uses_lineage(attribute: str) -> bool:
    """Return whether lineage may be looked at while an attribute is learnt."""
    return attribute not in _LINEAGE


def leaking_tags(graph: Graph, attribute: str) -> Callable[[str], bool]:
    """Return whether a plain tag states an attribute, by the values that are in use.

    | attribute | tags that state it |
    |---|---|
    | license | licence ids, but those that name architectures too |
    | pipeline_tag | task names, and what the Hub computes from the task |
    | library_name | libraries, and what the Hub computes from them |
    | base_model_relation | the Hub's words for relations |
    | model_type | names of architectures, which the Hub copies from config.json |
    | language | language codes |
    | datasets | ids of datasets, and their names without owner |
    | base_model | ids of models, and whatever starts with base_model |
    """
    if attribute in _LINEAGE:
        return lambda tag: "/" in tag or tag.startswith("base_model")
    names = set(graph.columns[attribute].categories)
    if attribute == "license":
        names -= set(NAMESAKES)
    if attribute == "datasets":
        names |= {name.rpartition("/")[2] for name in names}
    if attribute in ("pipeline_tag", "library_name"):
        names |= set(COMPUTED)
        return lambda tag: tag in names or tag.startswith("diffusers:")
    return lambda tag: tag in names


def leaking_tokens(graph: Graph, attribute: str) -> Callable[[str], bool]:
    """Return whether words of a card state an attribute: one word, or two with a space between.

    | attribute | words that state it |
    |---|---|
    | license | what its tags say; licence ids and their parts (`apache`, `mit`); whatever has `licen` in it |
    | pipeline_tag, library_name, model_type | what its tags say, also with a space for the hyphen |
    | language | codes, and names of languages |
    | datasets, base_model | ids, names without owner, links to them |
    """
    if attribute in _LINEAGE:
        names = {identifier.rpartition("/")[2].lower() for identifier in graph.ids}
    else:
        names = {
            part.lower() for name in graph.columns[attribute].categories for part in (name, name.rpartition("/")[2])
        }
    if attribute == "license":
        names |= {part for name in names for part in name.split("-") if len(part) > 1 and part.isalpha()}
    if attribute == "language":
        names |= set(LANGUAGES)
    tag = leaking_tags(graph, attribute)

    def states(said: str) -> bool:
        parts = said.removeprefix("result ").split(" ")
        if attribute == "license" and "licen" in said:
            return True
        return "-".join(parts) in names or any(
            part in names or tag(part) or part.rpartition("/")[2] in names for part in parts
        )

    return states


def leakage_masks(graph: Graph, attribute: str) -> dict[str, Callable[[str], bool]]:
    """Return which words of tags and cards state an attribute, by column; a sentence model's only may state lineage."""
    found: dict[str, Callable[[str], bool]] = {"tags": leaking_tags(graph, attribute)}
    if CARD in graph.columns:
        found[CARD] = leaking_tokens(graph, attribute)
    if not uses_lineage(attribute):
        found |= {name: lambda _: True for name in graph.columns if name.startswith(SENTENCES)}
    return found


def target_column(graph: Graph, attribute: str) -> Column:
    """Return the declared values of an attribute; of `base_model`, indices of models that the edges lead to.

    Of `datasets`, those of the Hub's list that nobody declares come after the declared ones.

    Edges that the weights alone speak for are no declarations: they are looked at, not learnt.
    """
    if attribute == HAS_PARENT.attribute:
        has = np.bincount(graph.parents.rows[graph.declared], minlength=len(graph)) > 0
        seen = np.flatnonzero(~graph.placeholder)
        return Column(["no", "yes"], csr_lists(len(graph), seen, has[seen].astype(np.int64)))
    if attribute == "base_model":
        kept = graph.declared
        return Column(graph.ids, csr_lists(len(graph), graph.parents.rows[kept], graph.parents.values[kept]))
    own = graph.columns[attribute]
    if attribute == "datasets":
        known = set(own.categories)
        return Column(
            [*own.categories, *(name for name in graph.listed_datasets.names if name not in known)], own.codes
        )
    return own


def rows_missing(graph: Graph, attribute: str) -> Integers:
    """Return the models with a record that do not declare an attribute; a relation, only where there is a parent."""
    lacks = (target_column(graph, attribute).codes.counts == 0) & ~graph.placeholder
    if attribute == RELATION:
        lacks &= np.bincount(graph.parents.rows[graph.declared], minlength=len(graph)) > 0
    return np.flatnonzero(lacks)


def tasks_for(attributes: Sequence[str]) -> list[Task]:
    """Return the tasks of attributes; all where none is named.

    Raises:
        UsageError: There is no such attribute.
    """
    if unknown := sorted(set(attributes) - set(TASKS)):
        raise UsageError(f"cannot complete {', '.join(unknown)}", hint=f"Attributes: {', '.join(TASKS)}")
    return [TASKS[name] for name in attributes] or list(TASKS.values())
