"""Public test sets as data: ids on the Hub, edges that are expected, and pairs that are related or independent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path

import msgspec

from atlas_db.core.errors import InputError, UsageError, did_you_mean
from atlas_db.core.files import write_whole
from atlas_db.core.terms import Relation


class ListedModel(msgspec.Struct, frozen=True, omit_defaults=True):
    """A model of a set.

    Attributes:
        id: Its id on the Hub. A model that its authors made on their own disk has a name without owner.
        family: Name of its family, or empty.
        revision: Commit, where the set states one.
        stated: What the set writes instead of the id, where that differs.
    """

    id: str
    family: str = ""
    revision: str = ""
    stated: str = ""

    @property
    def is_local(self) -> bool:
        """True where the Hub has no such model."""
        return "/" not in self.id


class ExpectedEdge(msgspec.Struct, frozen=True):
    """An edge that a set states.

    Attributes:
        child: Id.
        parents: Ids, any of which is right: a set may name the family without the member.
        relations: Relations that are right, the stated one first; empty where the set states none.
        kind: The set's own word.
    """

    child: str
    parents: tuple[str, ...]
    relations: tuple[Relation, ...]
    kind: str

    @property
    def label(self) -> str:
        """The relation; of trainings the set's own word, too, where that is another."""
        if not self.relations:
            return self.kind
        relation = self.relations[0].value
        return (
            relation if self.relations[0] != Relation.FINETUNE or self.kind == relation else f"{relation}, {self.kind}"
        )


class ExpectedPair(msgspec.Struct, frozen=True):
    """Two models that a set calls related or independent.

    Attributes:
        first: Id.
        second: Id.
        related: Whether one derives from the other, or both from a third.
        kind: The set's own word.
    """

    first: str
    second: str
    related: bool
    kind: str

    @property
    def ids(self) -> tuple[str, str]:
        """Both ids, the smaller first."""
        return (self.first, self.second) if self.first < self.second else (self.second, self.first)


class PublicSet(msgspec.Struct, frozen=True):
    """A public test set.

    Attributes:
        name: Short name.
        repository: Where it is published.
        commit: Commit that was read.
        license: Licence of that repository, in words.
        independent_families: Whether models of different families are independent. A set that knows some families in
            part does not say so.
        models: Its models, by id.
        edges: Its edges.
        pairs: Its pairs. Families make more: see `all_pairs`.
    """

    name: str
    repository: str
    commit: str
    license: str
    independent_families: bool
    models: tuple[ListedModel, ...]
    edges: tuple[ExpectedEdge, ...] = ()
    pairs: tuple[ExpectedPair, ...] = ()

    def all_pairs(self) -> list[ExpectedPair]:
        """Return the stated pairs, and those that follow from families."""
        found = {pair.ids: pair for pair in self.pairs}
        for one, other in combinations((model for model in self.models if model.family), 2):
            related = one.family == other.family
            if related or self.independent_families:
                pair = ExpectedPair(one.id, other.id, related, "same family" if related else "other families")
                found.setdefault(pair.ids, pair)
        return [found[ids] for ids in sorted(found)]

    def counts(self) -> dict[str, int]:
        """Return the numbers of models, edges and stated pairs."""
        related = sum(pair.related for pair in self.pairs)
        return {
            "models": len(self.models),
            "edges": len(self.edges),
            "related pairs": related,
            "independent pairs": len(self.pairs) - related,
        }


def write_sets(sets: Iterable[PublicSet], folder: Path) -> None:
    """Write sets into a folder, a JSON file each."""
    folder.mkdir(parents=True, exist_ok=True)
    for each in sets:
        write_whole(folder / f"{each.name}.json", msgspec.json.format(msgspec.json.encode(each), indent=1) + b"\n")


def read_sets(folder: Path) -> list[PublicSet]:
    """Read sets from a folder where `write_sets` wrote them.

    Raises:
        InputError: There are none, or a file is broken.
    """
    hint = "Make them: python -m benchmarks.real sets CHECKOUTS"
    found = []
    for file in sorted(folder.glob("*.json")):
        try:
            found.append(msgspec.json.decode(file.read_bytes(), type=PublicSet))
        except (msgspec.DecodeError, msgspec.ValidationError) as error:
            raise InputError(f"{file}: {error}", hint=hint) from error
    if not found:
        raise InputError(f"{folder} holds no public test set", hint=hint)
    return found


def chosen_sets(known: Sequence[PublicSet], names: Sequence[str]) -> list[PublicSet]:
    """Return the sets of some names; all where no name is given.

    Raises:
        UsageError: A name is unknown.
    """
    by_name = {each.name: each for each in known}
    for name in names:
        if name not in by_name:
            hint = did_you_mean(name, by_name) or f"Known: {', '.join(by_name)}"
            raise UsageError(f"no public test set {name!r}", hint=hint)
    return [by_name[name] for name in names or by_name]
