"""The attributes to complete, and the leakage masks that hide whatever states the answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from atlas_db.columnar.graph import Column, Graph
from atlas_db.core.arrays import Integers, csr_lists
from atlas_db.core.errors import UsageError, did_you_mean

VERSION = "complete@10"
"""Version of the models and their predictions; a checkpoint of another version is trained again."""
HUB_COMPUTED_TAGS = ("autotrain_compatible", "endpoints_compatible", "text-generation-inference", "conversational")
"""Tags that the Hub computes from task and library."""
AMBIGUOUS_LICENSE_TAGS = ("gemma", "llama2", "llama3")
"""Tags that are both license ids and names of architectures: they do not leak the license."""
LANGUAGE_NAMES = (
    "arabic", "bengali", "bulgarian", "catalan", "chinese", "croatian", "czech", "danish", "dutch", "english",
    "estonian", "finnish", "french", "german", "greek", "hebrew", "hindi", "hungarian", "indonesian", "italian",
    "japanese", "korean", "latvian", "lithuanian", "malay", "multilingual", "norwegian", "persian", "polish",
    "portuguese", "romanian", "russian", "serbian", "slovak", "slovenian", "spanish", "swahili", "swedish", "tamil",
    "telugu", "thai", "turkish", "ukrainian", "urdu", "vietnamese", "yoruba",
)  # fmt: skip
"""Names of languages that cards write instead of language codes."""


@dataclass(frozen=True, slots=True)
class Task:
    """An attribute to complete.

    Attributes:
        attribute: Its name, as the Hub spells it.
        multi_valued: True where a model may have several values.
        relationship: Relationship type of its claims in the graph; empty where it has none.
        node_label: Node label of its values; empty where it has none.
    """

    attribute: str
    multi_valued: bool
    relationship: str
    node_label: str


RELATION = "base_model_relation"
"""How a model is derived from its parents; completed only for models that declare a parent."""
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
"""Whether an author declares any parent; completed before a parent is proposed."""
_LINEAGE_TARGETS = ("base_model", HAS_PARENT.attribute)
CARD_COLUMN, EMBEDDING_COLUMN = "card", "sentences "
"""Name of the column of card tokens, and prefix of the column of embedding tokens: the model's digest follows."""


def masked_attributes(attribute: str) -> frozenset[str]:
    """Return the attributes that must not be used to complete one."""
    return frozenset({*_LINEAGE_TARGETS, RELATION}) if attribute in _LINEAGE_TARGETS else frozenset({attribute})


def uses_lineage(attribute: str) -> bool:
    """Return whether lineage may be used to complete an attribute."""
    return attribute not in _LINEAGE_TARGETS


def leaking_tags(graph: Graph, attribute: str) -> Callable[[str], bool]:
    """Return a predicate that is true for plain tags that leak an attribute, by the values in use.

    | attribute | tags that leak it |
    |---|---|
    | license | license ids, but not those that name architectures, too |
    | pipeline_tag | task names, and what the Hub computes from the task |
    | library_name | libraries, and what the Hub computes from them |
    | base_model_relation | the Hub's names of relations |
    | model_type | names of architectures, which the Hub copies from config.json |
    | language | language codes |
    | datasets | ids of datasets, and their names without owner |
    | base_model | ids of models, and whatever starts with base_model |
    """
    if attribute in _LINEAGE_TARGETS:
        return lambda tag: "/" in tag or tag.startswith("base_model")
    names = set(graph.columns[attribute].categories)
    if attribute == "license":
        names -= set(AMBIGUOUS_LICENSE_TAGS)
    if attribute == "datasets":
        names |= {name.rpartition("/")[2] for name in names}
    if attribute in ("pipeline_tag", "library_name"):
        names |= set(HUB_COMPUTED_TAGS)
        return lambda tag: tag in names or tag.startswith("diffusers:")
    return lambda tag: tag in names


def leaking_tokens(graph: Graph, attribute: str) -> Callable[[str], bool]:
    """Return a predicate that is true for card tokens that leak an attribute: a word, or two with a space between.

    | attribute | tokens that leak it |
    |---|---|
    | license | its leaking tags; license ids and their parts (`apache`, `mit`); whatever contains `licen` |
    | pipeline_tag, library_name, model_type | its leaking tags, also with a space instead of the hyphen |
    | language | codes, and names of languages |
    | datasets, base_model | ids, names without owner, links to them |
    """
    if attribute in _LINEAGE_TARGETS:
        names = {identifier.rpartition("/")[2].lower() for identifier in graph.ids}
    else:
        names = {
            part.lower() for name in graph.columns[attribute].categories for part in (name, name.rpartition("/")[2])
        }
    if attribute == "license":
        names |= {part for name in names for part in name.split("-") if len(part) > 1 and part.isalpha()}
    if attribute == "language":
        names |= set(LANGUAGE_NAMES)
    leaks_as_tag = leaking_tags(graph, attribute)

    def leaks(token: str) -> bool:
        parts = token.removeprefix("result ").split(" ")
        if attribute == "license" and "licen" in token:
            return True
        return "-".join(parts) in names or any(
            part in names or leaks_as_tag(part) or part.rpartition("/")[2] in names for part in parts
        )

    return leaks


def leakage_masks(graph: Graph, attribute: str) -> dict[str, Callable[[str], bool]]:
    """Return predicates that are true for tokens that leak an attribute, by column.

    Embedding tokens are masked for lineage alone; for other attributes the embedded text has no leaking words.
    """
    found: dict[str, Callable[[str], bool]] = {"tags": leaking_tags(graph, attribute)}
    if CARD_COLUMN in graph.columns:
        found[CARD_COLUMN] = leaking_tokens(graph, attribute)
    if not uses_lineage(attribute):
        found |= {name: lambda _: True for name in graph.columns if name.startswith(EMBEDDING_COLUMN)}
    return found


def target_column(graph: Graph, attribute: str) -> Column:
    """Return the declared values of an attribute; those of `base_model` are rows of models.

    The categories of `datasets` are the declared ones, then the listed ones that no model declares. Edges inferred from
    weights are features, not declarations, so they are no target.
    """
    if attribute == HAS_PARENT.attribute:
        has_parent = np.bincount(graph.parents.rows[graph.declared], minlength=len(graph)) > 0
        recorded = np.flatnonzero(~graph.placeholder)
        return Column(["no", "yes"], csr_lists(len(graph), recorded, has_parent[recorded].astype(np.int64)))
    if attribute == "base_model":
        kept = graph.declared
        return Column(graph.ids, csr_lists(len(graph), graph.parents.rows[kept], graph.parents.values[kept]))
    own = graph.columns[attribute]
    if attribute == "datasets":
        declared = set(own.categories)
        return Column(
            [*own.categories, *(name for name in graph.listed_datasets.names if name not in declared)], own.codes
        )
    return own


def rows_missing(graph: Graph, attribute: str) -> Integers:
    """Return the rows of recorded models without the attribute; without a relation, only those with a parent."""
    is_missing = (target_column(graph, attribute).codes.counts == 0) & ~graph.placeholder
    if attribute == RELATION:
        is_missing &= np.bincount(graph.parents.rows[graph.declared], minlength=len(graph)) > 0
    return np.flatnonzero(is_missing)


def tasks_for(attributes: Sequence[str]) -> list[Task]:
    """Return the tasks for the named attributes, or all tasks where none is named.

    Raises:
        UsageError: There is no such attribute.
    """
    if unknown := sorted(set(attributes) - set(TASKS)):
        raise UsageError(
            f"there is no attribute {unknown[0]!r} to complete",
            hint=f"{did_you_mean(unknown[0], TASKS)} Attributes: {', '.join(TASKS)}".strip(),
        )
    return [TASKS[name] for name in attributes] or list(TASKS.values())
