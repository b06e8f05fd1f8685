"""Input of the licence audit: models and datasets with their licences, and the edges between them, as lists."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from atlas_db.core.records import repository_path
from atlas_db.core.terms import RecordKind, Source, Status
from atlas_db.licenses.completeness import UnresolvedParent, all_unresolved_parents, unresolved_parents
from atlas_db.licenses.rules import RELATIONS, TRAINED_ON
from atlas_db.store.bolt import Store
from atlas_db.store.garbage_collection import paused_gc
from atlas_db.store.statements import Statement, all_edges, all_nodes, read_edges, storage_order
from ingest.normalise.license_ids import canonical_license_id

STRENGTHS = {str(relation): place for place, relation in enumerate(RELATIONS)}
TRAINED = STRENGTHS[TRAINED_ON]
_UNCERTAIN = (Status.UNDECLARED, Status.PREDICTED)
RULE_INPUTS = ("id", "placeholder", "pipeline_tag", "created_at", "license_files")
_CLAIM = ("source", "confidence", "valid_to")
ALL_MODELS = all_nodes("Model", RULE_INPUTS, with_position=True)
CHARTED_MODELS = all_nodes("Model", ("id",), having="weights_hash")
ALL_DATASETS = all_nodes("Dataset", ("id", "placeholder"))
ALL_LICENSES = {label: all_edges("HAS_LICENSE", label, "License", _CLAIM) for label in ("Model", "Dataset")}
ALL_LINEAGE = all_edges("DERIVED_FROM", "Model", "Model", ("relation", "confidence", "status", "active"))
ALL_TRAINING = all_edges("TRAINED_ON", "Model", "Dataset", _CLAIM)
PARENTS_OF = Statement(
    "UNWIND $ids AS id MATCH (c:Model {id: id})-[r:DERIVED_FROM {active: true}]->(p:Model) "
    "RETURN c.id AS a, p.id AS b, r.relation AS relation, r.confidence AS confidence, r.status AS status"
)
DATASETS_OF = Statement(
    "UNWIND $ids AS id MATCH (c:Model {id: id})-[r:TRAINED_ON {source: 'declared'}]->(d:Dataset) "
    "WHERE r.valid_to IS NULL RETURN c.id AS a, d.id AS b, r.confidence AS confidence, d.placeholder AS placeholder"
)
RECORDED_DATASETS = Statement("UNWIND $ids AS id MATCH (d:Dataset {id: id, placeholder: false}) RETURN d.id AS id")
MODELS_BY_ID = Statement(
    "UNWIND $ids AS id MATCH (n:Model {id: id}) RETURN n.id AS id, n.placeholder AS placeholder, "
    "n.pipeline_tag AS pipeline_tag, n.created_at AS created_at, n.license_files AS license_files, "
    "n.weights_hash AS weights_hash"
)


class LicenseClaim(NamedTuple):
    """One licence claim of a model or dataset.

    Attributes:
        id: Canonical id of the licence.
        confidence: 0..1.
        predicted: True where it is not declared.
        valid_to: Date of the first snapshot that no longer states it; None while live.
    """

    id: str
    confidence: float
    predicted: bool
    valid_to: str | None


class AuditEdge(NamedTuple):
    """One edge from a child to an ancestor.

    Attributes:
        parent: Index of the parent.
        strength: Index of the relation in `RELATIONS`.
        confidence: 0..1.
        status: Status of the lineage edge; declared for training data.
        uncertain: True where it is inferred or predicted, not declared.
    """

    parent: int
    strength: int
    confidence: float
    status: str
    uncertain: bool


class RuleInputs(NamedTuple):
    """Further properties of a model that rules check."""

    pipeline_tag: str | None
    created_at: str | None
    license_files: tuple[str, ...] | None


_NO_INPUTS = RuleInputs(None, None, None)


@dataclass(slots=True)
class AuditGraph:
    """Models and datasets by index, models first.

    Attributes:
        ids: Hub ids.
        models: Number of models.
        placeholders: Indices of models and datasets without a record.
        charted: Indices of those placeholders whose weights were charted.
        claims: Current licence claims of each node; predicted ones where none is declared.
        former: Declared licence claims that are no longer stated, where there are any.
        parents: Edges from each node to its parents.
        rule_inputs: Further properties that rules check, where known.
        unresolved: Parents that models name, and that no edge leads to, where there are any.
    """

    ids: list[str] = field(default_factory=list)
    models: int = 0
    placeholders: set[int] = field(default_factory=set)
    charted: set[int] = field(default_factory=set)
    claims: list[tuple[LicenseClaim, ...]] = field(default_factory=list)
    former: dict[int, tuple[LicenseClaim, ...]] = field(default_factory=dict)
    parents: dict[int, list[AuditEdge]] = field(default_factory=dict)
    rule_inputs: dict[int, RuleInputs] = field(default_factory=dict)
    unresolved: dict[int, list[UnresolvedParent]] = field(default_factory=dict)

    def path(self, index: int) -> str:
        """Return the path of a repository, that of a dataset with `datasets/` before its id."""
        return repository_path(self.ids[index], RecordKind.MODEL if index < self.models else RecordKind.DATASET)

    def inputs_of(self, index: int) -> RuleInputs:
        """Return the further properties of a model that rules check."""
        return self.rule_inputs.get(index, _NO_INPUTS)


class GraphBuilder:
    """Builds an `AuditGraph` from rows."""

    def __init__(self) -> None:
        self._models: dict[str, int] = {}
        self._datasets: dict[str, int] = {}
        self._rule_inputs: dict[str, RuleInputs] = {}
        self._placeholders: set[str] = set()
        self._charted: set[str] = set()
        self._unseen_datasets: set[str] = set()
        self._licenses: dict[tuple[str, str], dict[LicenseClaim, None]] = {}
        self._edges: list[tuple[str, str, int, float, str]] = []
        self._claims: dict[tuple[str, float, bool, str | None], LicenseClaim] = {}
        self._unresolved: list[UnresolvedParent] = []

    def __contains__(self, model: str) -> bool:
        return model in self._models

    def models(self) -> set[str]:
        """Return the ids of all models so far."""
        return set(self._models)

    def add_model(self, row: Sequence[Any]) -> None:
        """Add a model, its values in the order of `RULE_INPUTS`."""
        identifier, placeholder, task, created, files = row
        self._models[identifier] = len(self._models)
        if placeholder:
            self._placeholders.add(identifier)
        self._rule_inputs[identifier] = RuleInputs(task, created, tuple(files) if files is not None else None)

    def mark_charted(self, models: Iterable[str]) -> None:
        """Mark models whose weights were charted."""
        self._charted.update(models)

    def mark_unseen(self, datasets: Iterable[str]) -> None:
        """Mark datasets without a record."""
        self._unseen_datasets.update(datasets)

    def add_unresolved(self, parents: Iterable[UnresolvedParent]) -> None:
        """Add parents that models name, and that no edge leads to."""
        self._unresolved += parents

    def add_license(
        self, label: str, identifier: str, declared: str, source: str, confidence: float, valid_to: str | None
    ) -> None:
        """Add a licence claim."""
        key = (declared, confidence, source != Source.DECLARED, valid_to)
        claim = self._claims.get(key)
        if claim is None:
            claim = self._claims[key] = LicenseClaim(canonical_license_id(declared), *key[1:])
        self._licenses.setdefault((label, identifier), {})[claim] = None

    def add_edge(self, child: str, parent: str, relation: str, confidence: float, status: str) -> None:
        """Add an edge from a model to its parent, or to a dataset where the relation is `trained_on`."""
        if relation == TRAINED_ON:
            self._datasets.setdefault(parent, len(self._datasets))
        self._edges.append((child, parent, STRENGTHS[relation], confidence, status))

    def build(self) -> AuditGraph:
        """Return the graph."""
        graph = AuditGraph([*self._models, *self._datasets], len(self._models))
        graph.placeholders = {self._models[identifier] for identifier in self._placeholders}
        graph.charted = {self._models[identifier] for identifier in self._placeholders & self._charted}
        unseen = self._unseen_datasets & self._datasets.keys()
        graph.placeholders |= {self._datasets[identifier] + graph.models for identifier in unseen}
        for index, identifier in enumerate(graph.ids):
            claims = self._licenses.get(("Model" if index < graph.models else "Dataset", identifier), ())
            graph.claims.append(_current_claims(tuple(claims)))
            if former := tuple(claim for claim in claims if claim.valid_to and not claim.predicted):
                graph.former[index] = former
        for identifier, facts in self._rule_inputs.items():
            graph.rule_inputs[self._models[identifier]] = facts
        for each in self._unresolved:
            graph.unresolved.setdefault(self._models[each.model], []).append(each)
        for child, parent, strength, confidence, status in self._edges:
            above = self._datasets[parent] + graph.models if strength == TRAINED else self._models[parent]
            edge = AuditEdge(above, strength, confidence, status, status in _UNCERTAIN)
            graph.parents.setdefault(self._models[child], []).append(edge)
        for edges in graph.parents.values():
            # Of paths that are equally sure the first is shown, and engines give edges in any order.
            edges.sort(key=lambda edge: (graph.ids[edge.parent], edge.strength, edge.confidence))
        return graph


@lru_cache(maxsize=2**14)  # models share few sets of claims
def _current_claims(claims: tuple[LicenseClaim, ...]) -> tuple[LicenseClaim, ...]:
    """Return the declared claims, else the predicted ones. `other` is dropped where a named licence is claimed, too."""
    live = {claim for claim in claims if claim.valid_to is None}
    declared = {claim for claim in live if not claim.predicted}
    chosen = declared or live
    named = {claim for claim in chosen if claim.id != "other"}
    return tuple(sorted(named or chosen))


def read_audit_graph(store: Store) -> AuditGraph:
    """Read the whole atlas, models in the order in which the engine stores them."""
    build = GraphBuilder()
    statements = (ALL_MODELS, CHARTED_MODELS, ALL_DATASETS, *ALL_LICENSES.values(), ALL_LINEAGE, ALL_TRAINING)
    # What was read first is taken in while the engine answers the next.
    with paused_gc(), ThreadPoolExecutor(1) as reader:
        answers = iter([reader.submit(store.fetch_all, each) for each in statements])
        unresolved = reader.submit(all_unresolved_parents, store)
        for *row, _ in sorted(next(answers).result(), key=lambda row: storage_order(row[-1])):
            build.add_model(row)
        build.mark_charted(row[0] for row in next(answers).result())
        build.mark_unseen(identifier for identifier, placeholder in next(answers).result() if placeholder)
        for label in ALL_LICENSES:
            for a, b, source, confidence, valid_to in next(answers).result():
                build.add_license(label, a, b, source, confidence, valid_to)
        for a, b, relation, confidence, status, active in next(answers).result():
            if active:
                build.add_edge(a, b, relation, confidence, status)
        for a, b, source, confidence, valid_to in next(answers).result():
            if source == Source.DECLARED and valid_to is None:
                build.add_edge(a, b, TRAINED_ON, confidence, Status.DECLARED)
        build.add_unresolved(unresolved.result())
        return build.build()


def read_ancestry(store: Store, models: Iterable[str], build: GraphBuilder | None = None) -> AuditGraph:
    """Read models and their ancestors, level by level. Ids that are not in the atlas become placeholders.

    Args:
        store: The store.
        models: Model ids.
        build: Builder with models that are not in the store.
    """
    build = build or GraphBuilder()
    given = build.models()
    seen: set[str] = set()
    frontier = sorted(set(models))
    while frontier:
        seen.update(frontier)
        found = {row["id"]: row for row in store.read(MODELS_BY_ID, ids=frontier)}
        for identifier in frontier:
            row = found.get(identifier, {"id": identifier, "placeholder": True})
            build.add_model([row.get(name) for name in RULE_INPUTS])
        build.mark_charted(row["id"] for row in found.values() if row["weights_hash"])
        add_licenses(store, build, "Model", frontier)
        steps = store.read(PARENTS_OF, ids=frontier)
        data = store.read(DATASETS_OF, ids=frontier)
        for row in steps:
            build.add_edge(row["a"], row["b"], row["relation"], row["confidence"], row["status"])
        for row in data:
            build.add_edge(row["a"], row["b"], TRAINED_ON, row["confidence"], Status.DECLARED)
        build.mark_unseen(row["b"] for row in data if row["placeholder"])
        add_licenses(store, build, "Dataset", sorted({row["b"] for row in data}))
        frontier = sorted({row["b"] for row in steps} - seen)
    build.add_unresolved(unresolved_parents(store, sorted(seen - given)))
    return build.build()


def known_models(store: Store, models: Sequence[str]) -> set[str]:
    """Return the ids that the atlas has a record of, or whose weights were charted."""
    return {
        row["id"] for row in store.read(MODELS_BY_ID, ids=list(models)) if not row["placeholder"] or row["weights_hash"]
    }


def recorded_datasets(store: Store, datasets: Sequence[str]) -> set[str]:
    """Return the ids of datasets that the atlas has a record of."""
    return {row["id"] for row in store.read(RECORDED_DATASETS, ids=list(datasets))} if datasets else set()


def add_licenses(store: Store, build: GraphBuilder, label: str, ids: Sequence[str]) -> None:
    """Add the licence claims of models or datasets; ids without claims are allowed."""
    for row in store.read(read_edges("HAS_LICENSE", label, "License"), ids=list(ids)) if ids else ():
        claim = row["props"]
        build.add_license(label, row["a"], row["b"], claim["source"], claim["confidence"], claim.get("valid_to"))
