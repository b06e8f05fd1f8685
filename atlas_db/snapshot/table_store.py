"""A store without an engine: it answers the statements of audit, bill of materials and lineage from repositories.

Each statement has one function that gives the rows that an engine would give. The tests compare both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Never, TypeVar

from atlas_db.core.errors import UsageError, WriteRefusedError
from atlas_db.core.terms import RecordKind, Resolution, Source
from atlas_db.licenses.audit_graph import (
    ALL_DATASETS,
    ALL_LICENSES,
    ALL_LINEAGE,
    ALL_MODELS,
    ALL_TRAINING,
    CHARTED_MODELS,
    DATASETS_OF,
    MODELS_BY_ID,
    PARENTS_OF,
    RECORDED_DATASETS,
    RULE_INPUTS,
)
from atlas_db.licenses.completeness import ALL_NEWER_MODELS, DOUBTFUL_CHILDREN, NEWER_MODELS, UNRESOLVED_PARENTS
from atlas_db.lineage.newest_records import LOADS, NEWEST_DATASET, NEWEST_MODEL
from atlas_db.lineage.traversal import MODEL_BY_ID, STEPS_DOWN, STEPS_UP
from atlas_db.lineage.weights_record import MODEL_TYPES
from atlas_db.snapshot.repositories import NamedModel, Repositories, Repository, named_models
from atlas_db.store.bolt import Row, Store, Transaction
from atlas_db.store.contents import ANY_MODEL, BEGINNING_OF_ID, PART_OF_NAME, PREFIX_OF_ID, SAME_NAME
from atlas_db.store.statements import Statement, all_nodes, read_edges, read_nodes

T = TypeVar("T")
_MODEL, _DATASET = RecordKind.MODEL, RecordKind.DATASET
_DECLARATIONS = ("declared_parents", "weights_declared_parents")
_NAMED_MODELS = all_nodes("Model", ("id", "downloads", "created_at", "last_seen", "placeholder"))


class TableStore(Store):
    """Repositories as a store that can only be read, and by prepared statements only.

    Args:
        name: Its name in messages.
        repositories: The repositories.
    """

    def __init__(self, name: str, repositories: Repositories) -> None:
        self.name = self.address = name
        self.engine = "none"
        self.repositories = repositories

    def ping(self) -> None:
        """Do nothing: there is no server."""

    def close(self) -> None:
        """Do nothing: there is no connection."""

    def on_close(self, callback: Callable[[], None]) -> None:
        """Do nothing: there is no connection."""

    def read(self, statement: Statement, **parameters: object) -> list[Row]:
        """Return the rows of a prepared statement.

        Raises:
            UsageError: It is none of those that a snapshot answers.
        """
        answer = _ANSWERS.get(statement.text)
        if answer is None:
            raise self._cannot_answer()
        return answer(self.repositories, parameters)

    def fetch_all(self, statement: Statement, **parameters: object) -> list[list[Any]]:
        """Return a list of a whole atlas: what names are resolved by, and what an audit reads.

        Raises:
            UsageError: It is none of those that a snapshot answers.
        """
        answer = _LISTS.get(statement.text)
        if answer is None:
            raise self._cannot_answer()
        return [list(each) for each in answer(self.repositories)]

    def map_pages(self, statement: Statement, convert: Callable[[list[list[Any]]], T], **parameters: object) -> list[T]:
        """Return the one page of `fetch_all`, converted."""
        return [convert(self.fetch_all(statement, **parameters))]

    def write(self, work: Callable[[Transaction], T]) -> Never:
        """Refuse to write.

        Raises:
            WriteRefusedError: Always.
        """
        raise WriteRefusedError(f"{self.name} can only be read", hint="Name a store, such as --store local")

    def apply_schema(self, statements: Sequence[Statement]) -> None:
        """Refuse to write.

        Raises:
            WriteRefusedError: Always.
        """
        self.write(lambda _: None)

    def run_user_query(
        self, text: str, parameters: Mapping[str, object], *, write: bool = False
    ) -> tuple[list[str], list[Row]]:
        """Refuse Cypher.

        Raises:
            UsageError: Always.
        """
        raise self._cannot_answer()

    def _cannot_answer(self) -> UsageError:
        return UsageError(
            f"{self.name} is a snapshot of ids, parents and licences, which does not answer this",
            hint="It answers audit, bom, gate, notice, impact, gpai and lineage; name a store for the rest",
        )


def _find(place: Repositories, kind: RecordKind, parameters: Mapping[str, Any]) -> list[Repository]:
    """Return the repositories of `$ids` that are there, in that order and as often."""
    found = place.find(kind, list(dict.fromkeys(parameters["ids"])))
    return [found[each] for each in parameters["ids"] if each in found]


def _models_by_id(place: Repositories, parameters: Mapping[str, Any]) -> list[Row]:
    names = ("pipeline_tag", "created_at", "license_files", "weights_hash")
    return [
        {"id": each.id, "placeholder": each.placeholder, **{name: each.props.get(name) for name in names}}
        for each in _find(place, _MODEL, parameters)
    ]


def _parents_of(place: Repositories, parameters: Mapping[str, Any]) -> list[Row]:
    return [
        {"a": each.id, "b": edge["id"], **{name: edge[name] for name in ("relation", "confidence", "status")}}
        for each in _find(place, _MODEL, parameters)
        for edge in each.parents
        if edge["active"]
    ]


def _datasets_of(place: Repositories, parameters: Mapping[str, Any]) -> list[Row]:
    children = _find(place, _MODEL, parameters)
    known = place.find(_DATASET, list({edge["id"] for each in children for edge in each.data}))
    return [
        {"a": each.id, "b": edge["id"], "confidence": edge["confidence"],
         "placeholder": edge["id"] not in known or known[edge["id"]].placeholder}
        for each in children
        for edge in each.data
    ]  # fmt: skip


def _license_edges(kind: RecordKind) -> Callable[[Repositories, Mapping[str, Any]], list[Row]]:
    def answer(place: Repositories, parameters: Mapping[str, Any]) -> list[Row]:
        return [
            {"a": each.id, "b": claim["id"], "props": {name: value for name, value in claim.items() if name != "id"}}
            for each in _find(place, kind, parameters)
            for claim in each.licenses
        ]

    return answer


def _nodes(kind: RecordKind) -> Callable[[Repositories, Mapping[str, Any]], list[Row]]:
    return lambda place, parameters: [{"id": each.id, "props": each.node()} for each in _find(place, kind, parameters)]


def _recorded_datasets(place: Repositories, parameters: Mapping[str, Any]) -> list[Row]:
    return [{"id": each.id} for each in _find(place, _DATASET, parameters) if not each.placeholder]


def _newer_models(place: Repositories, parameters: Mapping[str, Any]) -> list[Row]:
    return [
        {"id": each.id}
        for each in sorted(_find(place, _MODEL, parameters), key=lambda each: each.id)
        if any((each.props.get(name) or "")[:10] > parameters["date"] for name in ("created_at", "last_modified"))
    ]


def _all_newer_models(place: Repositories, parameters: Mapping[str, Any]) -> list[Row]:
    rows = place.rows(_MODEL, ("id", "created_at", "last_modified"))
    newer = (id_ for id_, *dates in rows if any((date or "")[:10] > parameters["date"] for date in dates))
    return [{"id": each} for each in sorted(newer)]


def _unresolved_parents(place: Repositories, parameters: Mapping[str, Any]) -> list[Row]:
    rows = []
    for each in _find(place, _MODEL, parameters):
        edges = {edge["id"] for edge in each.parents}
        active = sum(edge["active"] for edge in each.parents)
        rows += [
            {"model": each.id, "parents": active, **{name: claim[name] for name in _CLAIM}}
            for claim in each.mentions
            if claim["guess"] not in edges and claim["resolution"] in _DOUBTFUL
        ]
    return sorted(rows, key=lambda row: (row["model"], row["mention"]))


def _doubtful_children(place: Repositories, _: Mapping[str, Any]) -> list[Row]:
    rows = place.rows(_MODEL, ("id", "mentions"))
    found = (id_ for id_, mentions in rows if any(claim["resolution"] in _DOUBTFUL for claim in mentions or ()))
    return [{"id": each} for each in sorted(found)]


_DOUBTFUL = (Resolution.AMBIGUOUS, Resolution.ABSENT)
_CLAIM = ("mention", "resolution", "guess", "evidence", "method")


def _step(child: Repository, edge: Mapping[str, Any], far: Repository | None) -> Row:
    """Return a lineage edge with what is known of its far end."""
    end = far or Repository(edge["id"], _MODEL, placeholder=True)
    return {
        "child": child.id,
        "parent": edge["id"],
        **{name: edge[name] for name in ("relation", "status", "confidence")},
        **{name: end.props.get(name) for name in ("license", "downloads")},
        "placeholder": end.placeholder,
        "charted": end.props.get("weights_hash") is not None,
    }


def _is_wanted(edge: Mapping[str, Any], parameters: Mapping[str, Any]) -> bool:
    return bool(edge["active"] or parameters["contradicted"]) and bool(
        edge["confidence"] >= parameters["min_confidence"]
    )


def _steps_up(place: Repositories, parameters: Mapping[str, Any]) -> list[Row]:
    children = _find(place, _MODEL, parameters)
    known = place.find(_MODEL, list({edge["id"] for each in children for edge in each.parents}))
    rows = []
    for each in children:
        gone = {claim["guess"] for claim in each.mentions if claim["resolution"] == Resolution.GONE}
        for edge in each.parents:
            if _is_wanted(edge, parameters):
                parent = known.get(edge["id"])
                row = _step(each, edge, parent) | {"gone": edge["id"] in gone}
                seen = parent.props.get("last_seen") if parent is not None else None
                rows.append(row | {"last_seen": seen if row["gone"] else None})
    return sorted(rows, key=lambda row: (row["child"], row["parent"]))


def _steps_down(place: Repositories, parameters: Mapping[str, Any]) -> list[Row]:
    wanted = frozenset(parameters["ids"])
    children = place.find(_MODEL, sorted({child for _, child in place.children(parameters["ids"])}))
    rows = [
        _step(each, edge, each)
        for each in children.values()
        for edge in each.parents
        if edge["id"] in wanted and _is_wanted(edge, parameters)
    ]
    return sorted(rows, key=lambda row: (row["parent"], row["child"]))


def _model_by_id(place: Repositories, parameters: Mapping[str, Any]) -> list[Row]:
    found = place.find(_MODEL, [parameters["id"]])
    return [{"props": each.node()} for each in found.values()]


def _any_model(place: Repositories, _: Mapping[str, Any]) -> list[Row]:
    return [{"id": each.id} for each in _first(named_models(place))]


def _first(models: Iterable[NamedModel]) -> Iterable[NamedModel]:
    for each in models:
        yield each
        return


def _matching(fits: Callable[[str, Mapping[str, Any]], bool]) -> Callable[[Repositories, Mapping[str, Any]], list[Row]]:
    """Return an answer of the models whose ids, in lower case, fit the parameters."""
    return lambda place, parameters: [
        {"id": each.id, "downloads": each.downloads}
        for each in named_models(place)
        if fits(each.id.lower(), parameters)
    ]


_ANSWERS: dict[str, Callable[[Repositories, Mapping[str, Any]], list[Row]]] = {
    ANY_MODEL.text: _any_model,
    NEWEST_MODEL.text: lambda place, _: [{"date": place.newest().models or None}],
    LOADS.text: lambda _place, _: [],  # a snapshot has no runs
    NEWEST_DATASET.text: lambda place, _: [{"date": place.newest().datasets or None}],
    MODELS_BY_ID.text: _models_by_id,
    PARENTS_OF.text: _parents_of,
    DATASETS_OF.text: _datasets_of,
    RECORDED_DATASETS.text: _recorded_datasets,
    NEWER_MODELS.text: _newer_models,
    ALL_NEWER_MODELS.text: _all_newer_models,
    UNRESOLVED_PARENTS.text: _unresolved_parents,
    DOUBTFUL_CHILDREN.text: _doubtful_children,
    MODEL_BY_ID.text: _model_by_id,
    STEPS_UP.text: _steps_up,
    STEPS_DOWN.text: _steps_down,
    MODEL_TYPES.text: lambda *_: [],
    read_nodes("Model").text: _nodes(_MODEL),
    read_nodes("Dataset").text: _nodes(_DATASET),
    read_edges("HAS_LICENSE", "Model", "License").text: _license_edges(_MODEL),
    read_edges("HAS_LICENSE", "Dataset", "License").text: _license_edges(_DATASET),
    SAME_NAME.text: _matching(lambda name, wanted: name.rpartition("/")[2] == wanted["name"]),
    BEGINNING_OF_ID.text: lambda place, wanted: [
        {"id": each.id, "downloads": each.downloads}
        for each in named_models(place)
        if each.id.startswith(wanted["beginning"])
    ],
    PREFIX_OF_ID.text: _matching(lambda name, wanted: name.startswith(wanted["prefix"])),
    PART_OF_NAME.text: _matching(lambda name, wanted: wanted["part"] in name.rpartition("/")[2]),
}
"""The rows of each statement, by its text."""


def _edges_of(kind: RecordKind, attribute: str, names: Sequence[str]) -> Callable[[Repositories], Iterable[list[Any]]]:
    """Return a list of all edges of a kind: both ends, and some values."""
    return lambda place: (
        [identifier, edge["id"], *(edge.get(name) for name in names)]
        for identifier, edges in place.rows(kind, ("id", attribute))
        for edge in edges or ()
    )


def _positioned_models(place: Repositories) -> Iterable[list[Any]]:
    """Yield all models in the form of `ALL_MODELS`; a position is the place in the file."""
    return ([*values, f"0:{at}"] for at, values in enumerate(place.rows(_MODEL, RULE_INPUTS)))


def _training(place: Repositories) -> Iterable[list[Any]]:
    """Yield the declared training data that is still stated, which is all that a snapshot keeps of it."""
    declared = str(Source.DECLARED)
    edges = _edges_of(_MODEL, "data", ("confidence",))(place)
    return ([model, dataset, declared, confidence, None] for model, dataset, confidence in edges)


_CLAIM_VALUES = ("source", "confidence", "valid_to")
_LISTS: dict[str, Callable[[Repositories], Iterable[Sequence[Any]]]] = {
    **{
        # A snapshot keeps what these were resolved to, and not the declarations.
        all_nodes("Model", ("id", "snapshots", *_DECLARATIONS), having=having).text: lambda _: ()
        for having in _DECLARATIONS
    },
    _NAMED_MODELS.text: named_models,
    ALL_MODELS.text: _positioned_models,
    CHARTED_MODELS.text: lambda place: ([id_] for id_, found in place.rows(_MODEL, ("id", "weights_hash")) if found),
    ALL_DATASETS.text: lambda place: place.rows(_DATASET, ("id", "placeholder")),
    ALL_LICENSES["Model"].text: _edges_of(_MODEL, "licenses", _CLAIM_VALUES),
    ALL_LICENSES["Dataset"].text: _edges_of(_DATASET, "licenses", _CLAIM_VALUES),
    ALL_LINEAGE.text: _edges_of(_MODEL, "parents", ("relation", "confidence", "status", "active")),
    ALL_TRAINING.text: _training,
}
"""The entries of each list of a whole atlas, by the text of its statement."""
