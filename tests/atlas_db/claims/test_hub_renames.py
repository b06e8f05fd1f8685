"""Tests of `atlas_db/claims/hub_renames.py`."""

from __future__ import annotations

from atlas_db.claims.declared_parents import ParentDeclaration
from atlas_db.claims.hub_renames import OwnerRename, Rename, find_renames
from atlas_db.core.terms import RecordPart, Relation


def declared(
    child: str, name: str, part: RecordPart, listed: bool | None = None, date: str = "2026-05-01"
) -> ParentDeclaration:
    return ParentDeclaration(child, name, part, Relation.FINETUNE, 1.0, "typed", date, date, None, listed=listed)


def card(child: str, *names: str, date: str = "2026-05-01") -> list[ParentDeclaration]:
    return [declared(child, name, RecordPart.CARD, False, date) for name in names]


def tags(child: str, *names: str, date: str = "2026-05-01") -> list[ParentDeclaration]:
    return [declared(child, name, RecordPart.TAGS, None, date) for name in names]


def test_one_name_left_on_each_side_is_one_repository() -> None:
    kept = [declared("k/id", "x/same", RecordPart.CARD, True), *tags("k/id", "x/same")]
    found = find_renames([*kept, *card("k/id", "old/any-name"), *tags("k/id", "new/other-word")])
    assert found.repositories == {"old/any-name": Rename("new/other-word", 1, "2026-05-01", "2026-05-01")}


def test_several_names_are_paired_by_their_likeness() -> None:
    found = find_renames([*card("k/id", "old/river-7b", "old/pond-v2"), *tags("k/id", "new/Pond-v2", "new/river7b")])
    assert {old: rename.new for old, rename in found.repositories.items()} == {
        "old/river-7b": "new/river7b", "old/pond-v2": "new/Pond-v2",
    }  # fmt: skip


def test_what_could_be_paired_in_two_ways_is_not() -> None:
    assert (
        find_renames([*card("k/id", "old/alpha", "old/omega"), *tags("k/id", "new/river", "new/brook")]).repositories
        == {}
    )
    assert find_renames([*card("k/id", "old/alpha", "old/omega"), *tags("k/id", "new/river")]).repositories == {}
    assert find_renames(card("k/id", "old/gone")).repositories == {}
    # A path is no id that the Hub could have redirected.
    assert find_renames([*card("k/id", "./out/alpha"), *tags("k/id", "new/river")]).repositories == {}


def test_the_newest_renaming_counts_and_later_ones_are_followed() -> None:
    found = find_renames(
        [
            *card("k/a", "old/m", date="2025-01-01"), *tags("k/a", "mid/m", date="2025-01-01"),
            *card("k/b", "mid/m"), *tags("k/b", "new/m"),
            *card("k/c", "mid/m", date="2026-06-01"), *tags("k/c", "new/m", date="2026-06-01"),
        ]
    )  # fmt: skip
    assert found.repositories["old/m"] == Rename("new/m", 1, "2025-01-01", "2025-01-01")
    assert found.repositories["mid/m"] == Rename("new/m", 2, "2026-05-01", "2026-06-01")


def test_two_ids_that_were_swapped_end_the_search() -> None:
    there = [*card("k/a", "a/m"), *tags("k/a", "b/m")]
    back = [*card("k/b", "b/m", date="2026-06-01"), *tags("k/b", "a/m", date="2026-06-01")]
    found = find_renames([*there, *back])
    assert {old: rename.new for old, rename in found.repositories.items()} == {"a/m": "b/m", "b/m": "a/m"}


def test_an_owner_whose_repositories_all_moved_has_another_name() -> None:
    moved = [*card("k/a", "old/a", "old/b"), *tags("k/a", "new/A", "new/b")]
    assert find_renames(moved).owners == {"old": OwnerRename("new", 2, "2026-05-01")}
    # One repository alone may have been given away, and an owner who is still listed has the old name.
    assert find_renames([*card("k/a", "old/a"), *tags("k/a", "new/a")]).owners == {}
    assert find_renames([*moved, *tags("k/b", "Old/c")]).owners == {}
    assert find_renames([*moved, *tags("k/b", "Old/c", date="2025-01-01")]).owners != {}
