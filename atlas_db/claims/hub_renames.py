"""Renamings that the Hub shows: a card names a parent by its former id, the Hub's list names it by that of today.

The Hub follows its own redirects when it lists the parents of a card. So a name that the card alone has, and one that
the list alone has, are one repository where no other pairing is possible.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import NamedTuple

from atlas_db.claims.declared_parents import HUB_LISTS, ParentDeclaration
from atlas_db.claims.parameters.mention_parameters import MENTION
from atlas_db.claims.repository_ids import is_repository_id, repository_name
from atlas_db.core.terms import RecordPart

_MAX_RENAMES = 8
"""Renamings that are followed in a row."""


class Rename(NamedTuple):
    """A repository that got another id.

    Attributes:
        new: Its id today.
        children: Models whose card and list show it.
        first_seen: Date of the first snapshot that shows it.
        last_seen: Date of the last one.
    """

    new: str
    children: int
    first_seen: str
    last_seen: str


class OwnerRename(NamedTuple):
    """An owner who got another name, with all repositories.

    Attributes:
        new: The name today.
        repositories: Repositories of equal name that show it.
        last_seen: Date of the last snapshot that shows it.
    """

    new: str
    repositories: int
    last_seen: str


class HubRenames(NamedTuple):
    """Renamings that the Hub shows.

    Attributes:
        repositories: By the former id in lower case.
        owners: By the former name in lower case.
    """

    repositories: Mapping[str, Rename]
    owners: Mapping[str, OwnerRename]


def find_renames(declarations: Iterable[ParentDeclaration]) -> HubRenames:
    """Return the renamings that declarations show.

    Args:
        declarations: All declarations of any models.
    """
    all_declarations = list(declarations)
    children = {each.child for each in all_declarations if each.listed is False}
    of_child: dict[str, list[ParentDeclaration]] = defaultdict(list)
    for each in all_declarations:
        if each.child in children:
            of_child[each.child].append(each)
    observed: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for each_child in of_child.values():
        for old, new, date in _pairs_of_child(each_child):
            observed[old.lower()][new].append(date)
    found = {}
    for old_id, candidates in observed.items():
        new, dates = max(candidates.items(), key=lambda item: (max(item[1]), len(item[1]), item[0]))
        found[old_id] = Rename(new, len(dates), min(dates), max(dates))
    return HubRenames(
        {old: _follow(old, rename, found) for old, rename in found.items()}, _find_owners(found, all_declarations)
    )


def _find_owners(found: Mapping[str, Rename], declarations: Iterable[ParentDeclaration]) -> dict[str, OwnerRename]:
    """Return the owners of whom several repositories moved under their names, and none is listed any more."""
    moved: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for old, rename in found.items():
        (owner, _, name), (new_owner, _, new_name) = old.partition("/"), rename.new.partition("/")
        moved[owner][new_owner if name == new_name.lower() else ""].append(rename.last_seen)
    listed: dict[str, str] = {}
    for each in declarations if moved else ():
        if each.part in HUB_LISTS:
            owner = each.name.partition("/")[0].lower()
            listed[owner] = max(each.last_seen, listed.get(owner, ""))
    owners = {}
    for owner, by_new in moved.items():
        new, dates = max(by_new.items(), key=lambda item: (len(item[1]), item[0]))
        several = len(dates) >= max(
            MENTION.min_owner_repositories, MENTION.min_owner_share * sum(map(len, by_new.values()))
        )
        if owner and new and several and listed.get(owner, "") < max(dates):
            owners[owner] = OwnerRename(new, len(dates), max(dates))
    return owners


def _follow(old: str, rename: Rename, found: Mapping[str, Rename]) -> Rename:
    """Follow later renamings of the new id; back to the former id ends it."""
    seen = {old}
    while (later := found.get(rename.new.lower())) is not None and len(seen) < _MAX_RENAMES:
        if rename.new.lower() in seen or later.new.lower() in seen:
            break
        seen.add(rename.new.lower())
        rename = rename._replace(new=later.new)
    return rename


def _pairs_of_child(declarations: Sequence[ParentDeclaration]) -> Iterator[tuple[str, str, str]]:
    """Yield (former id, id of today, date) of the parents of one model, by date of its record."""
    dates = {each.last_seen for each in declarations if each.listed is False}
    for date in sorted(dates):
        stated = [each for each in declarations if each.first_seen <= date <= each.last_seen]
        card = {
            repository_name(each.name): each.listed is False and each.last_seen == date
            for each in stated
            if each.part is RecordPart.CARD
        }
        named = {name.lower() for name in card}
        old = [name for name, unlisted in card.items() if unlisted and is_repository_id(name)]
        new = {repository_name(each.name) for each in stated if each.part in HUB_LISTS}
        for pair in _pair(sorted(old), sorted(name for name in new if name.lower() not in named)):
            yield (*pair, date)


def _pair(old: list[str], new: list[str]) -> Iterator[tuple[str, str]]:
    """Pair former ids with ids of today: equal names first, then similar ones, then the two that are left."""
    scored = sorted(((_similarity(a, b), a, b) for a in old for b in new), reverse=True)
    left_old, left_new = set(old), set(new)
    for score, a, b in scored:
        if score < MENTION.min_rename_similarity:
            break
        if a in left_old and b in left_new:
            left_old.discard(a)
            left_new.discard(b)
            yield a, b
    if len(left_old) == len(left_new) == 1:
        yield left_old.pop(), left_new.pop()


def _similarity(a: str, b: str) -> float:
    """Return the similarity of two names without their owners, 0..1 (ratio of Ratcliff and Obershelp)."""
    first, second = (name.rpartition("/")[2].lower() for name in (a, b))
    return 1.0 if first == second else SequenceMatcher(None, first, second, autojunk=False).ratio()
