"""Duties that licences set on whoever distributes a model, gathered over the model and all its ancestors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from atlas_db.catalogue.expressions import Operator, parse_expression
from atlas_db.catalogue.loader import Duty, License, Obligation, Scope, catalogue
from atlas_db.licenses.audit_graph import TRAINED, AuditGraph

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
