"""What stands on a model, what changes for it if the model goes or gets another licence, and what could replace it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from atlas_db.catalogue.loader import catalogue
from atlas_db.core.errors import LicenseNotFoundError, did_you_mean
from atlas_db.core.terms import Relation, Verdict
from atlas_db.licenses.audit_graph import AuditGraph, LicenseClaim
from atlas_db.licenses.model_lineage import read_lineage
from atlas_db.licenses.policy_check import PolicyCheck
from atlas_db.licenses.rules import ORDER, rule_book
from atlas_db.lineage.traversal import LineageStep, lineage, properties_of
from atlas_db.store.bolt import Store
from atlas_db.store.statements import read_nodes
from ingest.normalise.license_ids import canonical_license_id, normalise_license_id

SHOWN = 20
"""Models that are listed of each kind, at most."""
_COPIES = (Relation.DUPLICATE, Relation.QUANTIZED)


@dataclass(frozen=True, slots=True)
class RelicensedModel:
    """A model whose verdict a new licence upstream changes.

    Attributes:
        model: Its id.
        before: Verdict now.
        after: Verdict under the new licence.
        downloads: Its downloads.
    """

    model: str
    before: Verdict
    after: Verdict
    downloads: int


@dataclass(frozen=True, slots=True)
class Substitute:
    """A model that could stand in.

    Attributes:
        model: Its id.
        why: `copy` of the same weights or their quantization, `parent`, or `sibling` by the same parent.
        license: Its licence for reading.
        downloads: Its downloads.
        same_task: Whether it declares the same task.
    """

    model: str
    why: str
    license: str | None
    downloads: int
    same_task: bool


@dataclass(slots=True)
class Impact:
    """What stands on a model.

    Attributes:
        model: Its id.
        descendants: Number of models that derive from it.
        by_distance: Descendants by steps.
        by_relation: Lineage edges below it by relation.
        downloads: Downloads of all descendants.
        largest: Most downloaded descendants: model, downloads, steps.
        only_here: Children all of whose known parents are this model, so that they lose their only stated origin.
        copies: Descendants that hold its weights: exact copies and quantizations.
        license: New licence, if one was given.
        verdicts: Models by verdict before and after, as `before->after`, where it changes.
        relicensed: Models whose verdict changes, the worst and most downloaded first.
        substitutes: What could stand in.
    """

    model: str
    descendants: int = 0
    by_distance: dict[int, int] = field(default_factory=dict)
    by_relation: dict[str, int] = field(default_factory=dict)
    downloads: int = 0
    largest: list[dict[str, Any]] = field(default_factory=list)
    only_here: int = 0
    copies: int = 0
    license: str = ""
    verdicts: dict[str, int] = field(default_factory=dict)
    relicensed: list[RelicensedModel] = field(default_factory=list)
    substitutes: list[Substitute] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return asdict(self)


def measure_impact(store: Store, model: str, license_id: str = "", profile: str = "default") -> Impact:
    """Return what stands on a model, and what a new licence would change.

    Args:
        store: The store.
        model: Model id.
        license_id: Licence that the model would get; empty for none.
        profile: Profile of the audit.

    Raises:
        ModelNotFoundError: There is no such model.
        LicenseNotFoundError: The catalogue has no such licence.
    """
    wanted = canonical_license_id(normalise_license_id(license_id)) if license_id else ""
    if wanted and catalogue().get(wanted) is None:
        hint = did_you_mean(license_id, [row.id for row in catalogue()]) or "List them with atlas-db licenses"
        raise LicenseNotFoundError(f"the catalogue has no licence {license_id!r}", hint=hint)
    found = lineage(store, model, depth=0)
    nearest: dict[str, LineageStep] = {}
    for step in sorted(found.descendants, key=lambda each: each.hops):
        nearest.setdefault(step.child, step)
    impact = Impact(
        model,
        len(nearest),
        dict(sorted(Counter(each.hops for each in nearest.values()).items())),
        dict(Counter(each.relation for each in found.descendants).most_common()),
        sum(each.downloads for each in nearest.values()),
        license=wanted,
    )
    largest = sorted(nearest.values(), key=lambda each: (-each.downloads, each.child))[:SHOWN]
    impact.largest = [{"model": each.child, "downloads": each.downloads, "steps": each.hops} for each in largest]
    graph = read_lineage(store, [model, *nearest]).graph
    _count_orphans(impact, graph, found.descendants)
    if wanted:
        _relicense(impact, graph, wanted, profile, {name: each.downloads for name, each in nearest.items()})
    impact.substitutes = _substitutes(store, model, found.ancestors, found.descendants)
    return impact


def _count_orphans(impact: Impact, graph: AuditGraph, steps: Sequence[LineageStep]) -> None:
    children = {graph.ids[child]: {graph.ids[e.parent] for e in edges} for child, edges in graph.parents.items()}
    models = set(graph.ids[: graph.models])
    direct = {each.child for each in steps if each.hops == 1}
    impact.only_here = sum(children.get(each, set()) & models == {impact.model} for each in direct)
    held = {impact.model}
    for step in sorted(steps, key=lambda each: each.hops):
        if step.parent in held and step.relation in _COPIES:
            held.add(step.child)
    impact.copies = len(held) - 1


def _relicense(impact: Impact, graph: AuditGraph, license_id: str, profile: str, downloads: Mapping[str, int]) -> None:
    """Compare the verdicts of all descendants under the present and the new licence."""
    book = rule_book(profile)
    index_of = {name: index for index, name in enumerate(graph.ids[: graph.models])}
    claims = list(graph.claims)
    claims[index_of[impact.model]] = (LicenseClaim(license_id, 1.0, predicted=False, valid_to=None),)
    before = PolicyCheck(graph, book)
    after = PolicyCheck(replace(graph, claims=claims), book)
    changed = Counter[str]()
    for name, number in downloads.items():
        now, then = (check.evaluate(index_of[name])[0] for check in (before, after))
        if now is not then:
            changed[f"{now}->{then}"] += 1
            impact.relicensed.append(RelicensedModel(name, now, then, number))
    impact.verdicts = dict(changed.most_common())
    impact.relicensed.sort(key=lambda each: (-ORDER[each.after], -each.downloads, each.model))


def _substitutes(store: Store, model: str, up: Sequence[LineageStep], down: Sequence[LineageStep]) -> list[Substitute]:
    """Return copies and quantizations of a model, its parents, and the other children of these, in that order."""
    why: dict[str, str] = {}
    for step in down:
        if step.hops == 1 and step.relation in _COPIES:
            why.setdefault(step.child, "copy")
    parents = [step.parent for step in up if step.hops == 1]
    why |= {parent: "parent" for parent in parents if parent not in why}
    for parent in parents:
        for step in lineage(store, parent, depth=1).descendants:
            if step.child != model:
                why.setdefault(step.child, "sibling")
    task = properties_of(store, model).get("pipeline_tag")
    found = []
    for row in store.read(read_nodes("Model"), ids=sorted(why)):
        name, props = row["id"], row["props"]
        if not props.get("placeholder"):
            same = task is not None and props.get("pipeline_tag") == task
            found.append(Substitute(name, why[name], props.get("license"), props.get("downloads") or 0, same))
    order = {"copy": 0, "parent": 1, "sibling": 2}
    return sorted(found, key=lambda each: (not each.same_task, order[each.why], -each.downloads, each.model))[:SHOWN]
