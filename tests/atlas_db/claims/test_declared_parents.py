"""Tests of `atlas_db/claims/declared_parents.py`."""

from __future__ import annotations

from typing import Any

from atlas_db.claims.declared_parents import merge_declared_parents, parent_declarations, snapshots_of
from atlas_db.core.records import ParentClaim
from atlas_db.core.terms import RecordPart, Relation

GUESSED = ParentClaim("o/base", Relation.FINETUNE, 0.8, "default", RecordPart.TAGS)
TYPED = ParentClaim("o/base", Relation.ADAPTER, 1.0, "typed", RecordPart.CARD)


def merged(*records: tuple[ParentClaim, str]) -> dict[str, Any]:
    """Merge records of one model in the order given."""
    node: dict[str, Any] = {"id": "o/child", "snapshots": []}
    for claim, as_of in records:
        old = dict(node)
        node["snapshots"] = sorted({*node["snapshots"], f"{claim.part}@{as_of}"})
        merge_declared_parents(node, old, [claim], as_of)
    return node


def test_declarations_do_not_depend_on_the_order_of_records() -> None:
    assert merged((GUESSED, "2024-01"), (TYPED, "2024-02")) == merged((TYPED, "2024-02"), (GUESSED, "2024-01"))


def test_each_part_keeps_its_own_relation_and_dates() -> None:
    card, tags = parent_declarations(merged((TYPED, "2024-01"), (GUESSED, "2024-02")))
    assert (card.part, card.relation, card.relation_confidence, card.by) == (
        RecordPart.CARD, Relation.ADAPTER, 1.0, "typed"
    )  # fmt: skip
    assert (tags.part, tags.relation, tags.first_seen, tags.valid_to) == (
        RecordPart.TAGS, Relation.FINETUNE, "2024-02", None
    )  # fmt: skip


def test_a_typed_relation_wins_over_a_newer_guess_of_the_same_part() -> None:
    typed = TYPED._replace(part=RecordPart.TAGS)
    (found,) = parent_declarations(merged((typed, "2024-01"), (GUESSED, "2024-02")))
    assert (found.relation, found.relation_confidence, found.by) == (Relation.ADAPTER, 1.0, "typed")
    assert (found.first_seen, found.last_seen, found.valid_to) == ("2024-01", "2024-02", None)


def test_the_two_lists_of_the_hub_end_each_other() -> None:
    expanded = GUESSED._replace(part=RecordPart.BASE_MODELS)
    node = merged((expanded, "2024-01"))
    node["snapshots"].append("tags@2024-03")
    (found,) = parent_declarations(node)
    assert found.valid_to == "2024-03"
    both = parent_declarations(merged((expanded, "2024-01"), (GUESSED, "2024-03")))
    assert [each.valid_to for each in both] == [None, None]


def test_a_card_is_held_against_the_hubs_list_of_the_same_date_only() -> None:
    node: dict[str, Any] = {"id": "o/child", "snapshots": ["card@2024-01", "tags@2024-01"]}
    card = TYPED._replace(name="https://hf.co/O/base")
    merge_declared_parents(node, {}, [GUESSED, card, TYPED._replace(name="o/dropped")], "2024-01")
    listed = {each.name: each.listed for each in parent_declarations(node) if each.part is RecordPart.CARD}
    assert listed == {"https://hf.co/O/base": True, "o/dropped": False}
    node["snapshots"] = ["card@2024-01", "tags@2024-02"]
    assert {each.listed for each in parent_declarations(node)} == {None}


def test_a_name_that_a_later_snapshot_no_longer_states_has_an_end() -> None:
    node = merged((GUESSED, "2024-01"))
    node["snapshots"].append("tags@2024-03")
    old = dict(node)
    merge_declared_parents(node, old, [], "2024-03")
    (found,) = parent_declarations(node)
    assert found.valid_to == "2024-03"
    assert node["base_model"] is None


def test_snapshots_are_sorted_by_part() -> None:
    assert snapshots_of({"snapshots": ["card@1", "tags@1", "tags@2"]}) == {
        RecordPart.CARD: ["1"],
        RecordPart.TAGS: ["1", "2"],
    }
    assert parent_declarations({"id": "o/none"}) == []
