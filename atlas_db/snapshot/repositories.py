"""Repositories with their licences and parents, wherever they are kept: in a store, in a file, or in memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from atlas_db.core.terms import RecordKind, Resolution, Source
from atlas_db.lineage.newest_records import NewestRecords, read_newest_records
from atlas_db.store.bolt import Store
from atlas_db.store.statements import Statement, all_nodes, read_edges, read_nodes

PROPERTIES = (
    "author", "name", "license", "licenses_as_written", "license_name", "license_link", "pipeline_tag", "library_name",
    "model_type", "num_params", "downloads", "created_at", "last_modified", "first_seen", "last_seen", "sha",
    "weights_hash",
)  # fmt: skip
"""Properties of a model that an audit, a bill of materials or a lineage reads, apart from its licence files."""
UNRESOLVED = (Resolution.AMBIGUOUS, Resolution.ABSENT, Resolution.GONE)
_CHILDREN = Statement(
    "UNWIND $ids AS id MATCH (p:Model {id: id})<-[:DERIVED_FROM]-(c:Model) RETURN p.id AS parent, c.id AS child"
)


@dataclass(slots=True)
class Repository:
    """One model or dataset.

    Attributes:
        id: Hub id.
        kind: Model or dataset.
        placeholder: True where no record of it is known.
        props: Its properties without id and placeholder, as the schema names them; missing ones are absent.
        licenses: Licence claims: `id` and properties of the edge.
        parents: Lineage edges: `id` of the parent, `relation`, `confidence`, `status`, `active`.
        data: Declared training data: `id` and `confidence`.
        mentions: Live claims on parents that no model is surely meant by: `guess` (id of the likeliest), `mention`,
            `resolution`, `evidence`, `method`.
    """

    id: str
    kind: RecordKind
    placeholder: bool = False
    props: dict[str, Any] = field(default_factory=dict)
    licenses: list[dict[str, Any]] = field(default_factory=list)
    parents: list[dict[str, Any]] = field(default_factory=list)
    data: list[dict[str, Any]] = field(default_factory=list)
    mentions: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_known(self) -> bool:
        """Whether there is a record of it, or its weights were charted."""
        return not self.placeholder or bool(self.props.get("weights_hash"))

    def node(self) -> dict[str, Any]:
        """Return it as the properties of a node."""
        return {"id": self.id, "placeholder": self.placeholder, **self.props}


class NamedModel(NamedTuple):
    """What the name of a model is resolved by."""

    id: str
    downloads: int | None
    created_at: str | None
    last_seen: str | None
    placeholder: bool


class Repositories(Protocol):
    """A place where repositories are kept."""

    def find(self, kind: RecordKind, ids: Sequence[str]) -> dict[str, Repository]:
        """Return those repositories that are there, by id."""
        ...

    def children(self, ids: Sequence[str]) -> list[tuple[str, str]]:
        """Return (parent, child) of each lineage edge to these models."""
        ...

    def newest(self) -> NewestRecords:
        """Return the dates of the newest records."""
        ...

    def rows(self, kind: RecordKind, names: Sequence[str]) -> Iterable[Sequence[Any]]:
        """Yield values of every repository, each a property or an attribute of `Repository`. A store has no lists."""
        ...


class StoredRepositories:
    """The repositories of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def find(self, kind: RecordKind, ids: Sequence[str]) -> dict[str, Repository]:
        """Return those repositories that are there, by id."""
        label = kind.title()
        found = {}
        for row in self._store.read(read_nodes(label), ids=list(ids)):
            props = {name: value for name, value in row["props"].items() if name not in ("id", "placeholder")}
            found[row["id"]] = Repository(row["id"], kind, bool(row["props"].get("placeholder")), props)
        for row in self._edges("HAS_LICENSE", label, "License", found):
            found[row["a"]].licenses.append({"id": row["b"], **row["props"]})
        if kind is RecordKind.MODEL:
            for row in self._edges("DERIVED_FROM", label, label, found):
                found[row["a"]].parents.append({"id": row["b"], **row["props"]})
            for row in self._edges("TRAINED_ON", label, "Dataset", found):
                if row["props"]["source"] == Source.DECLARED and row["props"].get("valid_to") is None:
                    found[row["a"]].data.append({"id": row["b"], "confidence": row["props"]["confidence"]})
            for row in self._edges("CLAIMS_PARENT", label, label, found):
                claim = row["props"]
                if claim.get("valid_to") is None and claim["resolution"] in UNRESOLVED:
                    found[row["a"]].mentions.append({"guess": row["b"], **claim})
        return found

    def _edges(self, rel: str, source: str, target: str, found: Mapping[str, Repository]) -> list[dict[str, Any]]:
        return self._store.read(read_edges(rel, source, target), ids=list(found)) if found else []

    def children(self, ids: Sequence[str]) -> list[tuple[str, str]]:
        """Return (parent, child) of each lineage edge to these models."""
        return [(row["parent"], row["child"]) for row in self._store.read(_CHILDREN, ids=list(ids))]

    def newest(self) -> NewestRecords:
        """Return the dates of the newest records."""
        return read_newest_records(self._store)

    def rows(self, kind: RecordKind, names: Sequence[str]) -> Iterable[Sequence[Any]]:
        """Yield values of every repository, each a property or an attribute of `Repository`. A store has no lists."""
        return self._store.fetch_all(all_nodes(kind.title(), tuple(names)))


class KeptRepositories:
    """Repositories in memory, before those of another place.

    Args:
        base: The other place; None for none.
        as_of: Date up to which everything that was looked for would have been found, empty where there is none.
    """

    def __init__(self, base: Repositories | None = None, as_of: str = "") -> None:
        self._base, self._as_of = base, as_of
        self._kept: dict[RecordKind, dict[str, Repository]] = {kind: {} for kind in RecordKind}

    def keep(self, repository: Repository) -> None:
        """Keep a repository; it replaces one of the same id."""
        self._kept[repository.kind][repository.id] = repository

    def find(self, kind: RecordKind, ids: Sequence[str]) -> dict[str, Repository]:
        """Return those repositories that are there, by id."""
        kept = {each: self._kept[kind][each] for each in ids if each in self._kept[kind]}
        others = [each for each in ids if each not in kept]
        return kept if self._base is None or not others else kept | self._base.find(kind, others)

    def children(self, ids: Sequence[str]) -> list[tuple[str, str]]:
        """Return (parent, child) of each lineage edge to these models."""
        wanted, kept = frozenset(ids), self._kept[RecordKind.MODEL]
        own = [(edge["id"], each.id) for each in kept.values() for edge in each.parents if edge["id"] in wanted]
        return own + [pair for pair in (self._base.children(ids) if self._base else ()) if pair[1] not in kept]

    def newest(self) -> NewestRecords:
        """Return the dates of the newest records."""
        dates = {kind: [each.props.get("last_seen") or "" for each in kept.values() if not each.placeholder]
                 for kind, kept in self._kept.items()}  # fmt: skip
        below = self._base.newest() if self._base else NewestRecords("", "")
        return NewestRecords(
            max([self._as_of, below.models, *dates[RecordKind.MODEL]]),
            max([self._as_of, below.datasets, *dates[RecordKind.DATASET]]),
        )

    def rows(self, kind: RecordKind, names: Sequence[str]) -> Iterable[Sequence[Any]]:
        """Yield values of every repository, each a property or an attribute of `Repository`."""
        kept = self._kept[kind]
        for each in kept.values():
            yield [each.props[name] if name in each.props else getattr(each, name, None) for name in names]
        for identifier, *values in self._base.rows(kind, ("id", *names)) if self._base else ():
            if identifier not in kept:
                yield values


def named_models(place: Repositories) -> Iterable[NamedModel]:
    """Yield every model with what its name is resolved by."""
    return (NamedModel(*values) for values in place.rows(RecordKind.MODEL, NamedModel._fields))
