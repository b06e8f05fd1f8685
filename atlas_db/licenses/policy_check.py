"""One model against everything above it: the worst that each ancestor's licence says of it, and on what path."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import NamedTuple

from atlas_db.catalogue.loader import LicenseFamily
from atlas_db.core.terms import FindingKind, Relation, Verdict
from atlas_db.licenses.ancestors import Above, Walker, licences_above
from atlas_db.licenses.audit_graph import TRAINED, AuditGraph, Claim, Edge
from atlas_db.licenses.rules import NONE, ORDER, RELATIONS, Check, Rule, RuleBook

_NO_CLAIM = Claim(NONE, 1.0, predicted=False, valid_to=None)
_NEVER = "9999-12-31"
_LICENCE_FILE = re.compile(r"licen[cs]e|copying|terms|use_policy", re.IGNORECASE)
_NOTICE_FILE = re.compile(r"notice", re.IGNORECASE)
_LETTERS = re.compile(r"[^a-z0-9.]")
FLAGGED = ORDER[Verdict.REVIEW]
"""Findings from here on become edges."""


class Finding(NamedTuple):
    """One finding.

    Attributes:
        model: Index of the child.
        ancestor: Index of the ancestor whose own licence sets the term; the model itself where it states no licence.
        finding: Kind; None where there is nothing to find, but duties to meet.
        verdict: Verdict.
        rule: The rule.
        license: Licence of the ancestor that the rule was applied to.
        child_license: Licence of the child.
        confidence: Least confidence on the path, of its edges and of the licence claims at its ends.
        place: Strongest relation on the path, as place in `RELATIONS`.
        path: Steps from child to ancestor.
    """

    model: int
    ancestor: int
    finding: FindingKind | None
    verdict: Verdict
    rule: Rule
    license: str
    child_license: str
    confidence: float
    place: int
    path: tuple[Edge, ...]


class _Pair(NamedTuple):
    verdict: Verdict
    rule: Rule
    above: Claim
    child: Claim
    finding: FindingKind | None


@lru_cache(maxsize=4096)
def plain_name(name: str) -> str:
    """Return a name in lower case without separators: `Llama-3-8B_x` and `Llama 3 8B x` are one."""
    return _LETTERS.sub("", name.lower())


class Judge:
    """Judges the models of one graph under one rule book."""

    def __init__(self, graph: AuditGraph, book: RuleBook, min_confidence: float = 0.0) -> None:
        self.graph = graph
        self.book = book
        self._bits: dict[tuple[str, bool], int] = {}
        self._own = [self._bits_of(claims or (_NO_CLAIM,)) for claims in graph.claims]
        self._min_confidence = min_confidence
        self.above = licences_above(graph, self._own, min_confidence)
        # The search looks for former licences, too: a model may be older than a change of terms above it.
        ever, self._ever_above = list(self._own), self.above
        for index, former in graph.former.items():
            ever[index] |= self._bits_of(former)
        if graph.former:
            self._ever_above = licences_above(graph, ever, min_confidence)
        self._walker = Walker(graph, ever, self._ever_above, min_confidence)
        self._memory: dict[tuple[tuple[str, ...], bool, bool], dict[Verdict, int]] = {}

    def _bits_of(self, claims: Sequence[Claim]) -> int:
        bits = 0
        for claim in claims:
            bits |= 1 << self._bits.setdefault((claim.id, claim.predicted), len(self._bits))
        return bits

    def judge(self, model: int, *, all_findings: bool = False) -> tuple[Verdict, list[Finding]]:
        """Return the verdict on a model and its findings, worst first.

        Args:
            model: Its index.
            all_findings: Also those that are neither for review nor violations, and what is in order.
        """
        claims = tuple(claim for claim in self.graph.claims[model] if not claim.predicted) or (_NO_CLAIM,)
        verdict, findings = self._own_licence(model, claims)
        if ever := self._ever_above[model]:
            interesting, quiet = self._interesting(model, claims)
            verdict = max(verdict, quiet, key=ORDER.__getitem__)
            wanted = ever if all_findings else interesting
            findings += self._walk(model, claims, wanted) if wanted else []
        verdict = max([verdict, *(each.verdict for each in findings)], key=ORDER.__getitem__)
        if not all_findings:
            findings = [each for each in findings if ORDER[each.verdict] >= FLAGGED]
        return verdict, sorted(findings, key=lambda each: (-ORDER[each.verdict], -each.confidence, each.ancestor))

    def _own_licence(self, model: int, claims: tuple[Claim, ...]) -> tuple[Verdict, list[Finding]]:
        unread = [claim for claim in claims if self.is_unknown(claim.id)]
        if model not in self.graph.placeholders and len(unread) < len(claims):
            return Verdict.COMPLIANT, []
        rule = self.book.terms(claims[0].id, claims[0].id, Relation.DUPLICATE).rule
        verdict = self.book.verdict(rule)
        kind = rule.finding or FindingKind.NO_LICENSE
        return verdict, [Finding(model, model, kind, verdict, rule, claims[0].id, claims[0].id, 1.0, 0, ())]

    @cached_property
    def _unread(self) -> int:
        """Licences, declared or none, that say nothing."""
        return sum(1 << bit for (name, guess), bit in self._bits.items() if not guess and self.is_unknown(name))

    @cached_property
    def _above_models(self) -> list[int]:
        """Licences above each model, training data left out."""
        return licences_above(self.graph, self._own, self._min_confidence, data=False)

    def unclear_models(self, model: int) -> bool:
        """True where a model above states no licence that can be read, and not its training data alone."""
        return bool(self._above_models[model] & self._unread)

    def completable(self, model: int) -> bool:
        """True where predicted licences stand for all that is missing in and above a model."""
        claims = self.graph.claims[model]
        return not self.above[model] & self._unread and any(not self.is_unknown(claim.id) for claim in claims)

    def is_unknown(self, identifier: str) -> bool:
        """True where nothing is known of what a licence says."""
        licence = self.book.licences.get(identifier)
        return licence is None or licence.family is LicenseFamily.UNKNOWN

    def _interesting(self, model: int, claims: tuple[Claim, ...]) -> tuple[int, Verdict]:
        """Return the licences above, now or once, that may flag this child, and the worst verdict of the others."""
        merged = any(RELATIONS[edge.place] == Relation.MERGE for edge in self.graph.parents.get(model, ()))
        files = self.graph.fact(model).license_files is not None
        masks = self._masks(tuple(claim.id for claim in claims), merged=merged, files=files)
        quiet = Verdict.COMPLIANT
        for verdict in (Verdict.OBLIGATIONS, Verdict.UNKNOWN):
            if self.above[model] & masks[verdict]:
                quiet = verdict
        return self._ever_above[model] & masks[Verdict.REVIEW], quiet

    def _masks(self, child: tuple[str, ...], *, merged: bool, files: bool) -> dict[Verdict, int]:
        """Return the licences above by the worst that any relation makes of them; all that may flag under review."""
        key = (child, merged, files)
        masks = self._memory.get(key)
        if masks is not None:
            return masks
        checks = [Check.JURISDICTION, Check.NAME, *([Check.FOREIGN_MERGE] if merged else [])]
        checks += [Check.LICENCE_FILE, Check.NOTICE_FILE, Check.UPSTREAM_NOTICE] if files else []
        masks = self._memory[key] = dict.fromkeys(Verdict, 0)
        for (licence, predicted), bit in self._bits.items():
            verdicts = [self._best(licence, child, str(relation))[0] for relation in RELATIONS]
            rules = [self.book.checks(check, licence, str(each)) for check in checks for each in RELATIONS[:TRAINED]]
            verdicts += [self.book.verdict(rule) for rule in rules if rule is not None]
            # A guess can warn of terms, never grant anything.
            worst = max([*verdicts, Verdict.UNKNOWN] if predicted else verdicts, key=ORDER.__getitem__)
            masks[Verdict.REVIEW if ORDER[worst] >= FLAGGED else worst] |= 1 << bit
        return masks

    def _best(self, licence: str, child: Sequence[str], relation: str) -> tuple[Verdict, Rule, int]:
        """Return the best that one of the child's licences makes of an ancestor's licence, and which one it is."""
        rulings = [self.book.terms(licence, each, relation) for each in child]
        place = min(range(len(rulings)), key=lambda each: ORDER[rulings[each].verdict])
        return rulings[place].verdict, rulings[place].rule, place

    def _walk(self, model: int, claims: tuple[Claim, ...], wanted: int) -> list[Finding]:
        by_node: dict[int, list[Above]] = {}
        for reached in self._walker.ancestors(model, wanted):
            by_node.setdefault(reached.node, []).append(reached)
        findings: list[Finding] = []
        for ways in by_node.values():
            made = [finding for each in _strongest(ways) for finding in self._against(model, claims, each)]
            findings += _worst_by_rule(made)
        return findings

    def _against(self, model: int, claims: tuple[Claim, ...], reached: Above) -> list[Finding]:
        pairs = [self._terms(model, claims, reached), *self._checks(model, claims, reached)]
        path = tuple(self._walker.path(model, reached))
        findings = []
        for pair in pairs:
            sure = min(reached.confidence, pair.above.confidence, pair.child.confidence)
            verdict = self._final(pair, reached)
            ends = (pair.above.id, pair.child.id)
            findings.append(
                Finding(model, reached.node, pair.finding, verdict, pair.rule, *ends, sure, reached.place, path)
            )
        return findings

    def _final(self, pair: _Pair, reached: Above) -> Verdict:
        reasons = ["inferred"] if reached.guessed else []
        if pair.above.predicted:
            reasons.append("predicted")
        return self.book.capped(pair.verdict, *reasons)

    def _terms(self, model: int, claims: tuple[Claim, ...], reached: Above) -> _Pair:
        live = self.graph.claims[reached.node] or (_NO_CLAIM,)
        now = self._pair(model, claims, reached, live)
        created = self.graph.fact(model).created_at or _NEVER
        former = self.graph.former.get(reached.node, ())
        then = tuple(claim for claim in former if created[:10] < (claim.valid_to or ""))
        if not then:
            return now
        before = self._pair(model, claims, reached, then)
        if ORDER[before.verdict] == ORDER[now.verdict] or max(ORDER[before.verdict], ORDER[now.verdict]) < FLAGGED:
            return now
        worse = max(now, before, key=lambda pair: ORDER[pair.verdict])
        return worse._replace(
            verdict=min(worse.verdict, Verdict.REVIEW, key=ORDER.__getitem__), finding=FindingKind.RELICENSED_UPSTREAM
        )

    def _pair(self, model: int, claims: tuple[Claim, ...], reached: Above, live: Sequence[Claim]) -> _Pair:
        relation = str(RELATIONS[reached.place])
        rulings = []
        for claim in live:
            verdict, rule, place = self._best(claim.id, [each.id for each in claims], relation)
            if rule.unless_file and _has(self.graph.fact(model).license_files, _LICENCE_FILE):
                verdict = min(verdict, Verdict.REVIEW, key=ORDER.__getitem__)
            if claim.predicted and ORDER[verdict] < ORDER[Verdict.UNKNOWN]:
                verdict = Verdict.UNKNOWN
            rulings.append(_Pair(verdict, rule, claim, claims[place], rule.finding))
        worst = max(rulings, key=lambda pair: ORDER[pair.verdict])
        # Whether several licences are a choice or a sum, nobody says: one that is kept makes it a question.
        if len(rulings) > 1 and any(ORDER[pair.verdict] < FLAGGED for pair in rulings):
            return worst._replace(verdict=self.book.capped(worst.verdict, "ambiguous"))
        return worst

    def _checks(self, model: int, claims: tuple[Claim, ...], reached: Above) -> list[_Pair]:
        relation = str(RELATIONS[reached.place])
        found = []
        for claim in self.graph.claims[reached.node]:
            for check in Check:
                rule = None if check is Check.TERMS else self.book.checks(check, claim.id, relation)
                if rule is not None and self._fires(rule, model, reached, claim.id):
                    verdict = self.book.capped(self.book.verdict(rule), relation)
                    found.append(_Pair(verdict, rule, claim, claims[0], rule.finding))
        return found

    def _fires(self, rule: Rule, model: int, reached: Above, licence: str) -> bool:
        graph = self.graph
        files = graph.fact(model).license_files
        match rule.check:
            case Check.NAME:
                name = graph.ids[model].rpartition("/")[2]
                return not plain_name(name).startswith(plain_name(rule.prefix))
            case Check.LICENCE_FILE:
                return files is not None and not _has(files, _LICENCE_FILE)
            case Check.NOTICE_FILE:
                return files is not None and not _has(files, _NOTICE_FILE)
            case Check.UPSTREAM_NOTICE:
                upstream = graph.fact(reached.node).license_files
                return files is not None and _has(upstream, _NOTICE_FILE) and not _has(files, _NOTICE_FILE)
            case Check.JURISDICTION:
                return graph.fact(reached.node).pipeline_tag in rule.tasks
            case Check.FOREIGN_MERGE:
                return self._joins_another(model, licence)
            case _:
                return False

    def _joins_another(self, model: int, licence: str) -> bool:
        """True where a direct parent of a merge has a known licence and nothing of this one in or above it."""
        bit = 1 << self._bits[licence, False] if (licence, False) in self._bits else 0
        return any(
            RELATIONS[edge.place] == Relation.MERGE
            and not (self._own[edge.parent] | self.above[edge.parent]) & bit
            and any(not self.is_unknown(claim.id) for claim in self.graph.claims[edge.parent])
            for edge in self.graph.parents.get(model, ())
        )


def _has(files: Sequence[str] | None, pattern: re.Pattern[str]) -> bool:
    return files is not None and any(pattern.search(name.rpartition("/")[2]) for name in files)


def _strongest(reached: Sequence[Above]) -> list[Above]:
    """Of the ways to one ancestor: the strongest relation on declared edges alone, and on all edges."""
    sure = [each for each in reached if not each.guessed]
    best = [max(group, key=lambda each: (each.place, not each.guessed)) for group in (sure, reached) if group]
    return list(dict.fromkeys(best))


def _worst_by_rule(findings: Sequence[Finding]) -> list[Finding]:
    """One finding a rule: the worst verdict, then the surest."""
    best: dict[str, Finding] = {}
    for each in findings:
        known = best.get(each.rule.id)
        if known is None or (ORDER[each.verdict], each.confidence) > (ORDER[known.verdict], known.confidence):
            best[each.rule.id] = each
    return list(best.values())
