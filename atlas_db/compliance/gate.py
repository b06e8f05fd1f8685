"""The gate before a pull: a policy allows, denies or refers to a person, for a model and all that it derives from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any

import msgspec

from atlas_db.catalogue.expressions import Expression, Operator, parse_expression
from atlas_db.catalogue.loader import LicenseFamily, catalogue
from atlas_db.core.decoding import MalformedError, prepared, read_toml
from atlas_db.core.errors import PolicyError
from atlas_db.core.files import reason_of
from atlas_db.core.terms import LicenseState, RecordKind, Verdict
from atlas_db.licenses.audit_graph import AuditGraph
from atlas_db.licenses.card_model import CardModel
from atlas_db.licenses.duties import above
from atlas_db.licenses.model_lineage import read_lineage
from atlas_db.licenses.policy_check import PolicyCheck
from atlas_db.licenses.rules import rule_book
from atlas_db.store.bolt import Store
from ingest.normalise.license_ids import canonical_license_id


class Decision(StrEnum):
    """Decision of the gate, from mildest to strictest; the second leaves it to a person."""

    ALLOW = "allow"
    REFER = "ask"
    DENY = "deny"


STRICTNESS = {decision: place for place, decision in enumerate(Decision)}


class GateRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule. It applies where everything that it names fits.

    Attributes:
        decision: The decision.
        reason: Reason for readers.
        licenses: Licences of a repository; ids, aliases or SPDX identifiers.
        families: Families of licences.
        states: States of a licence that is not known.
        repositories: Patterns of paths, such as `acme/*` or `datasets/*`.
        kinds: Kinds of repositories.
        verdicts: Verdicts of the audit, on the model itself.
    """

    decision: Decision
    reason: Annotated[str, msgspec.Meta(min_length=3)]
    licenses: list[str] = []
    families: list[LicenseFamily] = []
    states: list[LicenseState] = []
    repositories: list[str] = []
    kinds: list[RecordKind] = []
    verdicts: list[Verdict] = []


@prepared
class GatePolicy(msgspec.Struct, forbid_unknown_fields=True):
    """A policy.

    Attributes:
        default: Decision on a repository that no rule fits.
        training_data: Whether training data are decided on, too.
        profile: Profile of the audit whose verdicts rules name.
        rule: The rules. Of those that fit, the strictest counts.
    """

    default: Decision = Decision.REFER
    training_data: bool = True
    profile: str = "default"
    rule: list[GateRule] = []


@dataclass(frozen=True, slots=True)
class GateReason:
    """Why a model got a decision: one repository, and the rule that fits it.

    Attributes:
        repository: Path of the repository.
        decision: The decision.
        license: Its licence as the catalogue names it; None where that is not known.
        state: State of the licence.
        rule: Number of the rule, from 1; 0 for the default.
        reason: Reason in words.
    """

    repository: str
    decision: Decision
    license: str | None
    state: LicenseState
    rule: int
    reason: str


@dataclass(slots=True)
class GateAnswer:
    """The decision on one model.

    Attributes:
        model: Its id.
        decision: The strictest of all reasons.
        verdict: Verdict of the audit.
        reasons: All reasons, the strictest first.
    """

    model: str
    decision: Decision
    verdict: Verdict
    reasons: list[GateReason] = field(default_factory=list)

    def row(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        row: dict[str, Any] = msgspec.to_builtins(self)
        return row


def read_policy(path: Path) -> GatePolicy:
    """Read a policy in TOML.

    Raises:
        PolicyError: It is malformed, or names a licence or profile that there is not.
        UsageError: There is no such profile.
    """
    try:
        policy = read_toml(path, GatePolicy)
    except (OSError, MalformedError) as error:
        raise PolicyError(
            f"{path} is no policy: {reason_of(error)}",
            hint="Set default, training_data and profile; each [[rule]] takes decision, reason, and what it fits",
        ) from error
    rule_book(policy.profile)
    for number, rule in enumerate(policy.rule, 1):
        for name in rule.licenses:
            if catalogue().get(canonical_license_id(name)) is None:
                raise PolicyError(
                    f"{path}: rule {number} names the unknown licence {name!r}", hint="List them: atlas-db licenses"
                )
        if not any((rule.licenses, rule.families, rule.states, rule.repositories, rule.kinds, rule.verdicts)):
            raise PolicyError(
                f"{path}: rule {number} fits everything", hint="Set default instead, or name what it fits"
            )
    return policy


def decide(
    store: Store, policy: GatePolicy, models: Sequence[str], folders: Sequence[CardModel] = ()
) -> list[GateAnswer]:
    """Decide on models by a policy.

    Args:
        store: The store.
        policy: The policy.
        models: Model ids. One that is not in the atlas has the state `not_in_atlas`, and a
            name of a parent that no edge follows from `unresolved`.
        folders: Models read from files.
    """
    lineage = read_lineage(store, models, folders)
    gate = _Gate(lineage.graph, policy)
    named: dict[str, list[str]] = {}
    for each in lineage.unresolved:
        named.setdefault(each.model, []).append(each.mention)
    requested = [*(folder.id for folder in folders), *models]
    return [gate.answer(lineage.index_of[each], named) for each in dict.fromkeys(requested)]


class _Gate:
    """One policy over one graph."""

    def __init__(self, graph: AuditGraph, policy: GatePolicy) -> None:
        self._graph, self._policy = graph, policy
        self._check = PolicyCheck(graph, rule_book(policy.profile))
        self._licenses = [frozenset(map(canonical_license_id, rule.licenses)) for rule in policy.rule]

    def answer(self, model: int, named: dict[str, list[str]]) -> GateAnswer:
        verdict, _ = self._check.evaluate(model)
        reasons = []
        for node in above(self._graph, [model], data=self._policy.training_data):
            reasons.append(self._on_repository(node, verdict if node == model else None))
            name = self._graph.ids[node]
            mentions = named.get(name, ()) if node < self._graph.models else ()
            reasons += [self._fitting(each, RecordKind.MODEL, None, LicenseState.UNRESOLVED, None) for each in mentions]
        reasons.sort(key=lambda each: -STRICTNESS[each.decision])
        return GateAnswer(self._graph.ids[model], reasons[0].decision, verdict, reasons)

    def _on_repository(self, node: int, verdict: Verdict | None) -> GateReason:
        """Return the decision on one repository: the strictest over the licences that it declares."""
        path = self._graph.path(node)
        kind = RecordKind.MODEL if node < self._graph.models else RecordKind.DATASET
        found = []
        for claim in self._check.own_claims(node):
            state = self._check.state_of(claim.id)
            expression = parse_expression(claim.id) if state is LicenseState.STATED else None
            if expression is None:
                found.append(self._fitting(path, kind, claim.id, state, verdict))
            else:
                found.append(self._on_expression(path, kind, expression, verdict))
        return max(found, key=lambda each: STRICTNESS[each.decision])

    def _on_expression(
        self, path: str, kind: RecordKind, expression: Expression, verdict: Verdict | None
    ) -> GateReason:
        """Return the decision on an expression: of `A OR B` the mildest counts, of `A AND B` the strictest."""
        if expression.operator is None:
            return self._fitting(path, kind, str(expression.license), LicenseState.STATED, verdict)
        found = [self._on_expression(path, kind, part, verdict) for part in expression.parts]
        ranked = sorted(found, key=lambda each: STRICTNESS[each.decision])
        return ranked[0] if expression.operator is Operator.OR else ranked[-1]

    def _fitting(
        self, path: str, kind: RecordKind, license_id: str | None, state: LicenseState, verdict: Verdict | None
    ) -> GateReason:
        policy = self._policy
        best: GateReason | None = None
        known = license_id if state is LicenseState.STATED else None
        entry = catalogue().get(known) if known is not None else None
        for number, rule in enumerate(policy.rule, 1):
            fits = (
                (not rule.licenses or known in self._licenses[number - 1])
                and (not rule.families or (entry is not None and entry.family in rule.families))
                and (not rule.states or state in rule.states)
                and (not rule.kinds or kind in rule.kinds)
                and (not rule.verdicts or verdict in rule.verdicts)
                and (not rule.repositories or any(fnmatchcase(path, each) for each in rule.repositories))
            )
            if fits and (best is None or STRICTNESS[rule.decision] > STRICTNESS[best.decision]):
                best = GateReason(path, rule.decision, known, state, number, rule.reason)
        return best or GateReason(path, policy.default, known, state, 0, "no rule fits")
