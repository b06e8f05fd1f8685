"""What licences upstream set on whoever distributes a model, and which licences the model may declare under them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from atlas_db.catalogue.expressions import Operator, parse_expression
from atlas_db.catalogue.loader import Duty, License, Obligation, Scope, catalogue
from atlas_db.core.terms import Verdict
from atlas_db.licenses.audit_graph import TRAINED, AuditGraph
from atlas_db.licenses.policy_check import FLAGGED, PolicyCheck
from atlas_db.licenses.rules import ORDER

_ORDER = {duty: place for place, duty in enumerate(Duty)}


@dataclass(slots=True)
class LicenseDuty:
    """One duty of one licence, and who stands under that licence.

    Attributes:
        license: The licence.
        obligation: The duty with its clause and scope.
        holders: Paths of models and datasets under it, nearest first.
        alternative: Expression in which the licence is one of several to choose from; empty where there is no choice.
    """

    license: License
    obligation: Obligation
    holders: list[str] = field(default_factory=list)
    alternative: str = ""

    def row(self) -> dict[str, Any]:
        """Return it as a row of a report."""
        return {
            "license": self.license.id,
            "duty": str(self.obligation.type),
            "clause": self.obligation.clause,
            "scope": str(self.obligation.scope),
            "alternative": self.alternative or None,
            "holders": self.holders,
            "source": self.license.source,
        }


def above(graph: AuditGraph, models: Iterable[int], *, data: bool = True) -> Iterator[int]:
    """Yield models and everything above them once, nearest first, by breadth-first search.

    Args:
        graph: The graph.
        models: Indices of the models.
        data: Whether training data count.
    """
    frontier = list(dict.fromkeys(models))
    seen = set(frontier)
    while frontier:
        yield from frontier
        following = []
        for node in frontier:
            for edge in graph.parents.get(node, ()):
                if edge.parent not in seen and (data or edge.strength != TRAINED):
                    seen.add(edge.parent)
                    following.append(edge.parent)
        frontier = following


def licenses_of(graph: AuditGraph, node: int) -> Iterator[tuple[License, str]]:
    """Yield the declared licences of a model or dataset that the catalogue has, each with the choice that it is of."""
    for claim in graph.claims[node]:
        if claim.predicted:
            continue
        expression = parse_expression(claim.id)
        parts = (claim.id,) if expression is None else expression.licenses()
        choice = claim.id if expression is not None and expression.operator is Operator.OR else ""
        for part in parts:
            if (entry := catalogue().get(part)) is not None:
                yield entry, choice


def ancestors_of(graph: AuditGraph, model: int) -> list[int]:
    """Return everything above a model, training data included, nearest first."""
    return [each for each in above(graph, [model]) if each != model]


def allowed_licenses(policy: PolicyCheck, model: int, *, complete: bool = True) -> list[dict[str, str]]:
    """Return the licences of the catalogue that a model may declare, best first, those of its ancestors before others.

    Args:
        policy: The check.
        model: Index of the model.
        complete: Whether all that is upstream is in the graph; otherwise no licence is better than unknown.

    Returns:
        Rows of `license` and `verdict` of the terms upstream. One with verdict `unknown` is only not excluded.
    """
    least = Verdict.COMPLIANT if complete else Verdict.UNKNOWN
    upstream = {entry.id for node in ancestors_of(policy.graph, model) for entry, _ in licenses_of(policy.graph, node)}
    verdicts = {
        entry.id: max(policy.terms_under(model, entry.id), least, key=ORDER.__getitem__) for entry in catalogue()
    }
    return [
        {"license": each, "verdict": str(verdict)}
        for each, verdict in sorted(
            verdicts.items(), key=lambda pair: (ORDER[pair[1]], pair[0] not in upstream, pair[0])
        )
        if ORDER[verdict] < FLAGGED
    ]


def gather_duties(
    graph: AuditGraph, nodes: Iterable[int], *, scope: Scope | None = Scope.DISTRIBUTE
) -> list[LicenseDuty]:
    """Return the duties of the licences of some models and datasets, in the order of `Duty`, then by licence.

    A duty that a licence sets only where the model is hosted or trained on falls under another scope.

    Args:
        graph: The graph.
        nodes: Indices of models and datasets.
        scope: Scope of the duties; all where None.
    """
    found: dict[tuple[str, str, str], LicenseDuty] = {}
    for node in nodes:
        for entry, choice in licenses_of(graph, node):
            for obligation in entry.obligations:
                if scope is not None and obligation.scope is not scope:
                    continue
                key = (entry.id, obligation.type, obligation.clause)
                duty = found.setdefault(key, LicenseDuty(entry, obligation, alternative=choice))
                duty.alternative = duty.alternative and choice
                duty.holders.append(graph.path(node))
    return sorted(found.values(), key=lambda each: (_ORDER[each.obligation.type], each.license.id))


def unknown_holders(graph: AuditGraph, nodes: Iterable[int]) -> list[str]:
    """Return the paths of models and datasets whose duties are not known: no licence of the catalogue is declared."""
    return [graph.path(node) for node in nodes if next(licenses_of(graph, node), None) is None]
