"""What a bill of materials is made of: a model, everything above it, its training data, claims and conclusions."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from atlas_db.licenses.audit import AuditOptions, Auditor
from atlas_db.licenses.graph import read_above
from atlas_db.licenses.judge import FLAGGED
from atlas_db.licenses.rules import NONE, ORDER, Check
from atlas_db.lineage import Step, lineage
from atlas_db.store.bolt import Store
from atlas_db.store.statements import read_edges, read_nodes
from atlas_db.terms import Source, Verdict


@dataclass(slots=True)
class Part:
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
    licences: list[dict[str, Any]] = field(default_factory=list)
    verdict: Verdict | None = None
    concluded: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Material:
    """Everything that goes into one bill.

    Attributes:
        root: Id of the model.
        models: The model and all its ancestors by id.
        datasets: Their declared training data by id.
        steps: Lineage edges between them.
        trained_on: Model id to dataset claims: properties of the edge, with `id` of the dataset.
    """

    root: str
    models: dict[str, Part]
    datasets: dict[str, Part]
    steps: list[Step]
    trained_on: dict[str, list[dict[str, Any]]]


def gather(store: Store, model: str, profile: str = "default") -> Material:
    """Read all of it.

    Args:
        store: The store.
        model: Model id.
        profile: Profile of the audit that draws the conclusions.

    Raises:
        ModelNotFoundError: There is no such model.
    """
    found = lineage(store, model, depth=0)
    ids = sorted({model, *(step.parent for step in found.ancestors)})
    models = {row["id"]: Part(row["id"], False, row["props"]) for row in store.read(read_nodes("Model"), ids=ids)}
    trained_on = _claims(store, "TRAINED_ON", "Model", "Dataset", ids)
    names = sorted({claim["id"] for claims in trained_on.values() for claim in claims})
    datasets = {row["id"]: Part(row["id"], True, row["props"]) for row in store.read(read_nodes("Dataset"), ids=names)}
    for label, parts in (("Model", models), ("Dataset", datasets)):
        for identifier, claims in _claims(store, "HAS_LICENSE", label, "License", sorted(parts)).items():
            parts[identifier].licences = claims
    _conclude(store, model, models, profile)
    return Material(model, models, datasets, found.ancestors, trained_on)


def _claims(store: Store, rel: str, source: str, target: str, ids: list[str]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in store.read(read_edges(rel, source, target), ids=ids):
        if row["props"].get("ended") is None and (rel != "TRAINED_ON" or row["props"]["source"] == Source.DECLARED):
            found[row["a"]].append({**row["props"], "id": row["b"]})
    for claims in found.values():
        claims.sort(key=lambda claim: (claim["source"], claim["id"]))
    return found


def _conclude(store: Store, model: str, models: dict[str, Part], profile: str) -> None:
    """What the audit concludes: the declared licence where nothing is against it, else those whose terms travel."""
    graph = read_above(store, [model])
    auditor = Auditor(graph, AuditOptions(profile))
    for index in range(graph.models):
        part = models[graph.ids[index]]
        part.verdict, findings = auditor.model(index, all_findings=False)
        above = {
            each.license
            for each in findings
            if ORDER[each.verdict] >= FLAGGED and each.rule.check is Check.TERMS and each.license != NONE
        }
        if part.verdict in (Verdict.COMPLIANT, Verdict.OBLIGATIONS):
            above = {claim.id for claim in graph.claims[index] if not claim.predicted}
        part.concluded = sorted(above)
