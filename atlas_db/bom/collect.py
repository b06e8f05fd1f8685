"""Contents of a bill of materials: a model, its ancestors, their training data and licences."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from atlas_db.core.terms import Verdict
from atlas_db.licenses.audit import AuditOptions, Auditor
from atlas_db.licenses.audit_graph import TRAINED, AuditGraph, read_ancestry
from atlas_db.licenses.policy_check import FLAGGED
from atlas_db.licenses.rules import NONE, ORDER, RELATIONS, Check
from atlas_db.lineage.traversal import not_found_error
from atlas_db.store.bolt import Store
from atlas_db.store.statements import read_edges, read_nodes


@dataclass(slots=True)
class BomEntry:
    """One model or dataset.

    Attributes:
        id: Hub id.
        dataset: True for a dataset.
        props: Properties of its node.
        licences: Live licence claims: properties of the edge, with `id` of the licence as declared.
        verdict: Verdict of the audit, None for a dataset.
        concluded: Licence ids that the audit concludes to apply.
    """

    id: str
    dataset: bool
    props: dict[str, Any]
    licenses: list[dict[str, Any]] = field(default_factory=list)
    verdict: Verdict | None = None
    concluded_licenses: list[str] = field(default_factory=list)


class ParentStep(NamedTuple):
    """One step up from a model.

    Attributes:
        id: Id of the parent.
        relation: Relation of the edge.
        status: Its status.
        confidence: 0..1.
    """

    id: str
    relation: str
    status: str
    confidence: float


@dataclass(slots=True)
class BomContents:
    """Contents of one bill of materials.

    Attributes:
        root: Id of the model.
        models: The model and all its ancestors by id.
        datasets: Their declared training data by id.
        parents: Model id to the steps up from it.
        trained_on: Model id to ids of datasets, in order.
    """

    root: str
    models: dict[str, BomEntry]
    datasets: dict[str, BomEntry]
    parents: dict[str, list[ParentStep]]
    trained_on: dict[str, list[str]]


def collect_contents(store: Store, model: str, profile: str = "default") -> BomContents:
    """Read the contents of the bill of a model.

    Args:
        store: The store.
        model: Model id.
        profile: Rule profile of the audit that concludes licences.

    Raises:
        ModelNotFoundError: There is no such model.
    """
    graph = read_ancestry(store, [model])
    models = _entries(store, graph.ids[: graph.models], dataset=False)
    if model not in models:
        raise not_found_error(store, model)
    datasets = _entries(store, graph.ids[graph.models :], dataset=True)
    contents = BomContents(model, models, datasets, defaultdict(list), defaultdict(list))
    for child, edges in graph.parents.items():
        for edge in edges:
            above = graph.ids[edge.parent]
            if edge.strength == TRAINED:
                contents.trained_on[graph.ids[child]].append(above)
            else:
                step = ParentStep(above, str(RELATIONS[edge.strength]), edge.status, edge.confidence)
                contents.parents[graph.ids[child]].append(step)
    for names in contents.trained_on.values():
        names.sort()
    _conclude(graph, models, profile)
    return contents


def _entries(store: Store, ids: list[str], *, dataset: bool) -> dict[str, BomEntry]:
    label = "Dataset" if dataset else "Model"
    entries = {row["id"]: BomEntry(row["id"], dataset, row["props"]) for row in store.read(read_nodes(label), ids=ids)}
    for row in store.read(read_edges("HAS_LICENSE", label, "License"), ids=ids):
        if row["props"].get("valid_to") is None:
            entries[row["a"]].licenses.append({**row["props"], "id": row["b"]})
    for part in entries.values():
        part.licenses.sort(key=lambda claim: (claim["source"], claim["id"]))
    return entries


def _conclude(graph: AuditGraph, models: dict[str, BomEntry], profile: str) -> None:
    """Set concluded licences: the declared ones of a compliant model, otherwise those whose terms it must keep."""
    auditor = Auditor(graph, AuditOptions(profile))
    for index in range(graph.models):
        entry = models[graph.ids[index]]
        entry.verdict, findings = auditor.audit_model(index, all_findings=False)
        licenses = {
            each.license
            for each in findings
            if ORDER[each.verdict] >= FLAGGED and each.rule.check is Check.TERMS and each.license != NONE
        }
        if entry.verdict in (Verdict.COMPLIANT, Verdict.OBLIGATIONS):
            licenses = {claim.id for claim in graph.claims[index] if not claim.predicted}
        entry.concluded_licenses = sorted(licenses)
