"""Comparison of two models: trait by trait, and their texts character by character (Laufer 2025, figure 4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from rapidfuzz.distance import Levenshtein

from atlas_db.analysis.groupings import drift_direction, traits_as_text
from atlas_db.columnar.graph import MULTI_VALUED
from atlas_db.columnar.typed_columns import data_frame
from atlas_db.core.terms import Source
from atlas_db.lineage.traversal import properties_of
from atlas_db.store.bolt import Store
from atlas_db.store.statements import Statement, live_claims

if TYPE_CHECKING:
    import pandas as pd

SINGLE = ("license", "pipeline_tag", "library_name", "model_type", "num_params", "card_length", "gated")
SETS = (*MULTI_VALUED, "tags", "parents")
MAX_CARD_CHARACTERS = 20_000
"""Characters of a card that are compared; the rest is ignored."""
_VALUES = live_claims(tuple(rel for rel, _ in MULTI_VALUED.values()))
_PARENTS = Statement(
    "MATCH (m:Model {id: $id})-[r:DERIVED_FROM {active: true}]->(p:Model) RETURN p.id AS id ORDER BY id"
)


class Trait(NamedTuple):
    """One trait of two models.

    Attributes:
        name: The trait, as the Hub spells it.
        left: Value or values of the first model; None or empty where it declares none.
        right: Value or values of the second model.
        change: same, differs, gained or dropped; for licences also tighter, looser, lateral or unclear.
    """

    name: str
    left: Any
    right: Any
    change: str


class EditSpan(NamedTuple):
    """One operation of an edit script.

    Attributes:
        tag: equal, replace, delete or insert.
        left: Substring of the first text.
        right: Substring of the second text.
    """

    tag: str
    left: str
    right: str


@dataclass(frozen=True, slots=True)
class ModelComparison:
    """Differences of two models.

    Attributes:
        left: Id of the first.
        right: Id of the second.
        traits: All traits.
        metadata: Edit script of their metadata as text.
        card: Edit script of their cards; empty where a card is missing.
        similarity: 1 - Levenshtein distance / length of the longer text, of `metadata` and, where there are two
            cards, of `card` (Laufer 2025, definition 6.3).
    """

    left: str
    right: str
    traits: list[Trait]
    metadata: list[EditSpan]
    card: list[EditSpan]
    similarity: dict[str, float]

    def to_frame(self) -> pd.DataFrame:
        """Return one row a trait: `name`, `left`, `right`, `change`."""
        return data_frame((trait._asdict() for trait in self.traits), Trait._fields)

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison as JSON values."""
        return {
            "left": self.left,
            "right": self.right,
            "similarity": self.similarity,
            "traits": [trait._asdict() for trait in self.traits],
            "metadata": [span._asdict() for span in self.metadata],
            "card": [span._asdict() for span in self.card],
        }


def traits_of(store: Store, model: str) -> dict[str, Any]:
    """Return the traits of a model; traits with several values are sorted lists.

    Raises:
        ModelNotFoundError: There is no such model.
    """
    props = properties_of(store, model)
    found: dict[str, Any] = {name: props.get(name) for name in SINGLE}
    values = [row for row in store.read(_VALUES, id=model) if row["source"] == Source.DECLARED]
    for name, (rel, _) in MULTI_VALUED.items():
        found[name] = sorted(row["value"] for row in values if row["rel"] == rel)
    found["tags"] = sorted(props.get("tags") or [])
    found["parents"] = [row["id"] for row in store.read(_PARENTS, id=model)]
    return found


def compare_models(store: Store, left: str, right: str, cards: Mapping[str, str]) -> ModelComparison:
    """Compare two models.

    Args:
        store: The store.
        left: First model id.
        right: Second model id.
        cards: Texts of cards, by model id; a missing one is not compared.

    Raises:
        ModelNotFoundError: One of them does not exist.
    """
    a, b = traits_of(store, left), traits_of(store, right)
    traits = [Trait(name, a[name], b[name], _change(name, a[name], b[name])) for name in (*SINGLE, *SETS)]
    texts = [traits_as_text(each) for each in (a, b)]
    bodies = [cards.get(name, "")[:MAX_CARD_CHARACTERS] for name in (left, right)]
    similarity = {"metadata": Levenshtein.normalized_similarity(*texts)}
    if all(bodies):
        similarity["card"] = Levenshtein.normalized_similarity(*bodies)
    return ModelComparison(
        left, right, traits, edit_script(*texts), edit_script(bodies[0], bodies[1]) if all(bodies) else [], similarity
    )


def _change(name: str, left: object, right: object) -> str:
    if left == right:
        return "same"
    if name == "license":
        return drift_direction(*(value if isinstance(value, str) else None for value in (left, right)))
    if not left or not right:
        return "dropped" if left else "gained"
    return "differs"


def edit_script(left: str, right: str) -> list[EditSpan]:
    """Return the shortest edit script from one text to another, by characters (Levenshtein operations)."""
    found = Levenshtein.opcodes(left, right)
    return [EditSpan(op.tag, left[op.src_start : op.src_end], right[op.dest_start : op.dest_end]) for op in found]
