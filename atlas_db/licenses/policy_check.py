"""Policy check of one model: the worst verdict of each ancestor's licence on it, with the path between them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import NamedTuple

from atlas_db.catalogue.expressions import has_terms
from atlas_db.core.terms import FindingKind, LicenseState, Relation, Verdict
from atlas_db.licenses.ancestors import AncestorSearch, ReachedAncestor, licenses_above
from atlas_db.licenses.audit_graph import TRAINED, AuditEdge, AuditGraph, LicenseClaim
from atlas_db.licenses.license_files import LICENSE_FILE
from atlas_db.licenses.rules import NONE, ORDER, RELATIONS, UNRESOLVED, UNSEEN, Check, Rule, RuleBook

_NO_CLAIM = LicenseClaim(NONE, 1.0, predicted=False, valid_to=None)
_UNSEEN_CLAIM = LicenseClaim(UNSEEN, 1.0, predicted=False, valid_to=None)
_UNRESOLVED_CLAIM = LicenseClaim(UNRESOLVED, 1.0, predicted=False, valid_to=None)
_NEVER = "9999-12-31"
_NOTICE_FILE = re.compile(r"notice", re.IGNORECASE)
_LETTERS = re.compile(r"[^a-z0-9.]")
FLAGGED = ORDER[Verdict.REVIEW]
"""Rank of the mildest verdict that is reported and written as an edge."""


class LicenseFinding(NamedTuple):
    """One licence finding.

    Attributes:
        model: Index of the child.
        ancestor: Index of the ancestor whose own licence sets the term; the model itself where it states no licence.
        finding: Kind; None where the pair is compliant with duties.
        verdict: Verdict.
        rule: The rule.
        license: Licence of the ancestor that the rule was applied to.
        child_license: Licence of the child.
        confidence: Smallest confidence of the edges on the path and of the licence claims at its ends.
        strength: Strongest relation on the path, as index in `RELATIONS`.
        path: Edges from child to ancestor.
    """

    model: int
    ancestor: int
    finding: FindingKind | None
    verdict: Verdict
    rule: Rule
    license: str
    child_license: str
    confidence: float
    strength: int
    path: tuple[AuditEdge, ...]


class _PairRuling(NamedTuple):
    verdict: Verdict
    rule: Rule
    above: LicenseClaim
    child: LicenseClaim
    finding: FindingKind | None


@lru_cache(maxsize=4096)
def normalised_name(name: str) -> str:
    """Return a name in lower case without separators: `Llama-3-8B_x` and `Llama 3 8B x` are equal."""
    return _LETTERS.sub("", name.lower())


class PolicyCheck:
    """Checks the models of one graph against one rule book."""

    def __init__(self, graph: AuditGraph, book: RuleBook, min_confidence: float = 0.0) -> None:
        self.graph = graph
        self.book = book
        self._bits: dict[tuple[str, bool], int] = {}
        self._own_bits = [self._bits_of(claims or (self._absent(index),)) for index, claims in enumerate(graph.claims)]
        for index in graph.unresolved:
            self._own_bits[index] |= self._bits_of((_UNRESOLVED_CLAIM,))
        self._min_confidence = min_confidence
        self.bits_above = self._licenses_above(self._own_bits)
        # The search includes former licences: a model can be older than a change of licence upstream.
        ever_bits, self._ever_bits_above = list(self._own_bits), self.bits_above
        for index, former in graph.former.items():
            ever_bits[index] |= self._bits_of(former)
        if graph.former:
            self._ever_bits_above = self._licenses_above(ever_bits)
        self._searcher = AncestorSearch(graph, ever_bits, self._ever_bits_above, min_confidence)
        self._alone: dict[tuple[LicenseClaim, ...], Verdict | None] = {}
        self._masks_by_child: dict[tuple[tuple[str, ...], bool, bool], dict[Verdict, int]] = {}

    def _bits_of(self, claims: Sequence[LicenseClaim]) -> int:
        bits = 0
        for claim in claims:
            bits |= 1 << self._bits.setdefault((claim.id, claim.predicted), len(self._bits))
        return bits

    def _licenses_above(self, own: Sequence[int], *, data: bool = True) -> list[int]:
        """Return the licences above each node. A parent that is only named stands above the node that names it."""
        above = licenses_above(self.graph, own, self._min_confidence, data=data)
        for index in self.graph.unresolved:
            above[index] |= self._bits_of((_UNRESOLVED_CLAIM,))
        return above

    def _absent(self, node: int) -> LicenseClaim:
        """Return what stands for the missing licence of a model or dataset: none is stated, or no record was seen."""
        return _UNSEEN_CLAIM if node in self.graph.placeholders else _NO_CLAIM

    def own_claims(self, model: int) -> tuple[LicenseClaim, ...]:
        """Return the declared licences of a model, or what stands for a missing one."""
        return tuple(claim for claim in self.graph.claims[model] if not claim.predicted) or (self._absent(model),)

    def evaluate(self, model: int, *, all_findings: bool = False) -> tuple[Verdict, list[LicenseFinding]]:
        """Return the verdict on a model and its findings, worst first.

        Args:
            model: Index of the model.
            all_findings: Include findings milder than review, and compliant pairs.
        """
        if not all_findings and self.stands_alone(model) and (alone := self._verdict_alone(model)) is not None:
            return alone, []
        claims = self.own_claims(model)
        verdict, findings = self._own_license(model, claims)
        if model in self.graph.unresolved:
            findings.append(self._unresolved_parent(model, claims))
        if ever_bits := self._ever_bits_above[model]:
            flagging, unflagged = self._flagging_bits(model, claims)
            verdict = max(verdict, unflagged, key=ORDER.__getitem__)
            wanted = ever_bits if all_findings else flagging
            findings += self._check_ancestors(model, claims, wanted) if wanted else []
        verdict = max([verdict, *(each.verdict for each in findings)], key=ORDER.__getitem__)
        if not all_findings:
            findings = [each for each in findings if ORDER[each.verdict] >= FLAGGED]
        return verdict, sorted(findings, key=lambda each: (-ORDER[each.verdict], -each.confidence, each.ancestor))

    def stands_alone(self, model: int) -> bool:
        """Return whether nothing above a model counts, so that all follows from its own claims."""
        graph = self.graph
        return not (self._ever_bits_above[model] or model in graph.unresolved or model in graph.placeholders)

    def _verdict_alone(self, model: int) -> Verdict | None:
        """Return the verdict on a model that stands alone; None where there is a finding to report."""
        claims = self.graph.claims[model]
        if claims not in self._alone:
            verdict, findings = self._own_license(model, self.own_claims(model))
            is_flagged = any(ORDER[each.verdict] >= FLAGGED for each in findings)
            self._alone[claims] = None if is_flagged else verdict
        return self._alone[claims]

    def terms_under(self, model: int, license_id: str) -> Verdict:
        """Return the verdict of everything upstream on a model, as if it declared a licence.

        Terms alone are checked: name and files of the model may still be wrong.

        Args:
            model: Index of the model.
            license_id: Canonical id of the licence.
        """
        claims = (LicenseClaim(license_id, 1.0, predicted=False, valid_to=None),)
        flagging, verdict = self._flagging_bits(model, claims)
        found = self._check_ancestors(model, claims, flagging) if flagging else []
        verdicts = [each.verdict for each in found if each.rule.check is Check.TERMS]
        return max([verdict, *verdicts], key=ORDER.__getitem__)

    def _own_license(self, model: int, claims: tuple[LicenseClaim, ...]) -> tuple[Verdict, list[LicenseFinding]]:
        unknown = [claim for claim in claims if self.is_unknown(claim.id)]
        if model not in self.graph.placeholders and len(unknown) < len(claims):
            return Verdict.COMPLIANT, []
        rule = self.book.terms(claims[0].id, claims[0].id, Relation.DUPLICATE).rule
        verdict = self.book.verdict(rule)
        kind = rule.finding or FindingKind.NO_LICENSE
        return verdict, [LicenseFinding(model, model, kind, verdict, rule, claims[0].id, claims[0].id, 1.0, 0, ())]

    def _unresolved_parent(self, model: int, claims: Sequence[LicenseClaim]) -> LicenseFinding:
        ruling = self.book.terms(UNRESOLVED, claims[0].id, Relation.FINETUNE)
        kind = ruling.rule.finding
        return LicenseFinding(model, model, kind, ruling.verdict, ruling.rule, UNRESOLVED, claims[0].id, 1.0, 0, ())

    @cached_property
    def _unknown_bits(self) -> int:
        """Bit mask of unknown licences, declared or none."""
        return sum(1 << bit for (name, guess), bit in self._bits.items() if not guess and self.is_unknown(name))

    def state_of(self, license_id: str, *, predicted: bool = False) -> LicenseState:
        """Return the state of a licence by its id. A predicted licence is not stated."""
        if predicted or license_id == NONE:
            return LicenseState.STATES_NONE
        if license_id == UNSEEN:
            return LicenseState.NOT_IN_ATLAS
        if license_id == UNRESOLVED:
            return LicenseState.UNRESOLVED
        return LicenseState.UNREADABLE if self.is_unknown(license_id) else LicenseState.STATED

    @cached_property
    def _state_bits(self) -> dict[LicenseState, int]:
        """Bit mask of the licences in each state."""
        masks = dict.fromkeys(LicenseState, 0)
        for (name, predicted), bit in self._bits.items():
            masks[self.state_of(name, predicted=predicted)] |= 1 << bit
        return masks

    def states_above(self, model: int, *, data: bool = True) -> set[LicenseState]:
        """Return the states of the licences above a model.

        Args:
            model: Index of the model.
            data: Include the training data of the model and of its ancestors.
        """
        above = (self.bits_above if data else self._model_bits_above)[model]
        return {state for state, bits in self._state_bits.items() if above & bits}

    @cached_property
    def _model_bits_above(self) -> list[int]:
        """Bit masks of the licences of each model's ancestors, without training data."""
        return self._licenses_above(self._own_bits, data=False)

    def is_completable(self, model: int) -> bool:
        """Return whether predicted licences fill all missing ones of a model and its ancestors."""
        claims = self.graph.claims[model]
        return not self.bits_above[model] & self._unknown_bits and any(
            not self.is_unknown(claim.id) for claim in claims
        )

    def is_unknown(self, identifier: str) -> bool:
        """Return whether the terms of a licence or expression are unknown."""
        return not has_terms(identifier)

    def _flagging_bits(self, model: int, claims: tuple[LicenseClaim, ...]) -> tuple[int, Verdict]:
        """Return the bits of ancestors' licences, ever declared, that can flag a child, and the worst other verdict."""
        merged = any(RELATIONS[edge.strength] == Relation.MERGE for edge in self.graph.parents.get(model, ()))
        files = self.graph.inputs_of(model).license_files is not None
        masks = self._masks(tuple(claim.id for claim in claims), merged=merged, files=files)
        unflagged = Verdict.COMPLIANT
        for verdict in (Verdict.OBLIGATIONS, Verdict.UNKNOWN):
            if self.bits_above[model] & masks[verdict]:
                unflagged = verdict
        return self._ever_bits_above[model] & masks[Verdict.REVIEW], unflagged

    def _masks(self, child: tuple[str, ...], *, merged: bool, files: bool) -> dict[Verdict, int]:
        """Return the bits of licences by the worst verdict over all relations; those that can flag are under review."""
        key = (child, merged, files)
        masks = self._masks_by_child.get(key)
        if masks is not None:
            return masks
        checks = [Check.JURISDICTION, Check.NAME, *([Check.FOREIGN_MERGE] if merged else [])]
        checks += [Check.LICENSE_FILE, Check.NOTICE_FILE, Check.UPSTREAM_NOTICE] if files else []
        masks = self._masks_by_child[key] = dict.fromkeys(Verdict, 0)
        for (license_id, predicted), bit in self._bits.items():
            verdicts = [self._best_ruling(license_id, child, str(relation))[0] for relation in RELATIONS]
            rules = [self.book.checks(check, license_id, str(each)) for check in checks for each in RELATIONS[:TRAINED]]
            verdicts += [self.book.verdict(rule) for rule in rules if rule is not None]
            # A predicted licence can raise a finding, but never permits anything.
            worst = max([*verdicts, Verdict.UNKNOWN] if predicted else verdicts, key=ORDER.__getitem__)
            masks[Verdict.REVIEW if ORDER[worst] >= FLAGGED else worst] |= 1 << bit
        return masks

    def _best_ruling(self, license_id: str, child: Sequence[str], relation: str) -> tuple[Verdict, Rule, int]:
        """Return the mildest ruling of an ancestor's licence over the child's licences, and the index of the latter."""
        rulings = [self.book.terms(license_id, each, relation) for each in child]
        best = min(range(len(rulings)), key=lambda each: ORDER[rulings[each].verdict])
        return rulings[best].verdict, rulings[best].rule, best

    def _check_ancestors(self, model: int, claims: tuple[LicenseClaim, ...], wanted: int) -> list[LicenseFinding]:
        by_node: dict[int, list[ReachedAncestor]] = {}
        for reached in self._searcher.ancestors(model, wanted):
            by_node.setdefault(reached.node, []).append(reached)
        findings: list[LicenseFinding] = []
        for paths in by_node.values():
            on_ancestor = [finding for each in _strongest(paths) for finding in self._findings_on(model, claims, each)]
            findings += _worst_by_rule(on_ancestor)
        return findings

    def _findings_on(
        self, model: int, claims: tuple[LicenseClaim, ...], reached: ReachedAncestor
    ) -> list[LicenseFinding]:
        pairs = [self._check_terms(model, claims, reached), *self._further_checks(model, claims, reached)]
        if reached.node in self.graph.unresolved:
            pairs.append(self._rule_on_pair(model, claims, reached, (_UNRESOLVED_CLAIM,)))
        path = tuple(self._searcher.path(model, reached))
        findings = []
        for pair in pairs:
            confidence = min(reached.confidence, pair.above.confidence, pair.child.confidence)
            verdict = self._limited_verdict(pair, reached)
            ends = (pair.above.id, pair.child.id)
            findings.append(
                LicenseFinding(
                    model, reached.node, pair.finding, verdict, pair.rule, *ends, confidence, reached.strength, path
                )
            )
        return findings

    def _limited_verdict(self, pair: _PairRuling, reached: ReachedAncestor) -> Verdict:
        reasons = ["inferred"] if reached.uncertain else []
        if pair.above.predicted:
            reasons.append("predicted")
        return self.book.limited_to(pair.verdict, *reasons)

    def _check_terms(self, model: int, claims: tuple[LicenseClaim, ...], reached: ReachedAncestor) -> _PairRuling:
        live = self.graph.claims[reached.node] or (self._absent(reached.node),)
        current = self._rule_on_pair(model, claims, reached, live)
        created = self.graph.inputs_of(model).created_at or _NEVER
        former = self.graph.former.get(reached.node, ())
        former_valid = tuple(claim for claim in former if created[:10] < (claim.valid_to or ""))
        if not former_valid:
            return current
        earlier = self._rule_on_pair(model, claims, reached, former_valid)
        ranks = (ORDER[earlier.verdict], ORDER[current.verdict])
        if ranks[0] == ranks[1] or max(ranks) < FLAGGED:
            return current
        worse = max(current, earlier, key=lambda pair: ORDER[pair.verdict])
        return worse._replace(
            verdict=min(worse.verdict, Verdict.REVIEW, key=ORDER.__getitem__), finding=FindingKind.RELICENSED_UPSTREAM
        )

    def _rule_on_pair(
        self, model: int, claims: tuple[LicenseClaim, ...], reached: ReachedAncestor, live: Sequence[LicenseClaim]
    ) -> _PairRuling:
        relation = str(RELATIONS[reached.strength])
        rulings = []
        for claim in live:
            verdict, rule, child_index = self._best_ruling(claim.id, [each.id for each in claims], relation)
            if rule.unless_file and _has(self.graph.inputs_of(model).license_files, LICENSE_FILE):
                verdict = min(verdict, Verdict.REVIEW, key=ORDER.__getitem__)
            if claim.predicted and ORDER[verdict] < ORDER[Verdict.UNKNOWN]:
                verdict = Verdict.UNKNOWN
            rulings.append(_PairRuling(verdict, rule, claim, claims[child_index], rule.finding))
        worst = max(rulings, key=lambda pair: ORDER[pair.verdict])
        # Several licences may be alternatives or cumulative. Where one of them is met, the rest is a question.
        if len(rulings) > 1 and any(ORDER[pair.verdict] < FLAGGED for pair in rulings):
            return worst._replace(verdict=self.book.limited_to(worst.verdict, "ambiguous"))
        return worst

    def _further_checks(
        self, model: int, claims: tuple[LicenseClaim, ...], reached: ReachedAncestor
    ) -> list[_PairRuling]:
        if model in self.graph.placeholders:
            return []  # of names and files that were never seen, nothing is demanded
        relation = str(RELATIONS[reached.strength])
        found = []
        for claim in self.graph.claims[reached.node]:
            for check in Check:
                rule = None if check is Check.TERMS else self.book.checks(check, claim.id, relation)
                if rule is not None and self._applies(rule, model, reached, claim.id):
                    verdict = self.book.limited_to(self.book.verdict(rule), relation)
                    found.append(_PairRuling(verdict, rule, claim, claims[0], rule.finding))
        return found

    def _applies(self, rule: Rule, model: int, reached: ReachedAncestor, license_id: str) -> bool:
        graph = self.graph
        files = graph.inputs_of(model).license_files
        match rule.check:
            case Check.NAME:
                name = graph.ids[model].rpartition("/")[2]
                return not normalised_name(name).startswith(normalised_name(rule.prefix))
            case Check.LICENSE_FILE:
                return files is not None and not _has(files, LICENSE_FILE)
            case Check.NOTICE_FILE:
                return files is not None and not _has(files, _NOTICE_FILE)
            case Check.UPSTREAM_NOTICE:
                upstream = graph.inputs_of(reached.node).license_files
                return files is not None and _has(upstream, _NOTICE_FILE) and not _has(files, _NOTICE_FILE)
            case Check.JURISDICTION:
                return graph.inputs_of(reached.node).pipeline_tag in rule.tasks
            case Check.FOREIGN_MERGE:
                return self._merges_other_license(model, license_id)
            case _:
                return False

    def _merges_other_license(self, model: int, license_id: str) -> bool:
        """Return whether a merge has a parent with a known licence that neither has this one nor inherits it."""
        bit = 1 << self._bits[license_id, False] if (license_id, False) in self._bits else 0
        return any(
            RELATIONS[edge.strength] == Relation.MERGE
            and not (self._own_bits[edge.parent] | self.bits_above[edge.parent]) & bit
            and any(not self.is_unknown(claim.id) for claim in self.graph.claims[edge.parent])
            for edge in self.graph.parents.get(model, ())
        )


def _has(files: Sequence[str] | None, pattern: re.Pattern[str]) -> bool:
    return files is not None and any(pattern.search(name.rpartition("/")[2]) for name in files)


def _strongest(reached: Sequence[ReachedAncestor]) -> list[ReachedAncestor]:
    """Return the paths to one ancestor with the strongest relation: on declared edges only, and on all edges."""
    declared = [each for each in reached if not each.uncertain]
    best = [max(group, key=lambda each: (each.strength, not each.uncertain)) for group in (declared, reached) if group]
    return list(dict.fromkeys(best))


def _worst_by_rule(findings: Sequence[LicenseFinding]) -> list[LicenseFinding]:
    """Return one finding per rule: the worst verdict, then the highest confidence."""
    best: dict[str, LicenseFinding] = {}
    for each in findings:
        known = best.get(each.rule.id)
        if known is None or (ORDER[each.verdict], each.confidence) > (ORDER[known.verdict], known.confidence):
            best[each.rule.id] = each
    return list(best.values())
