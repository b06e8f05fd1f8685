"""Remediation: the smallest change by a publisher that resolves the findings (declare, rename, add a file)."""

from __future__ import annotations

from collections.abc import Sequence

from atlas_db.core.terms import Verdict
from atlas_db.licenses.policy_check import LicenseFinding
from atlas_db.licenses.rules import NONE, ORDER, RELATIONS, RemediationKind, RuleBook

_PHRASES = {
    RemediationKind.ADD_FILE: "add the licence text as LICENSE",
    RemediationKind.ADD_NOTICE: "add the NOTICE file",
    RemediationKind.REPLACE: "build on another base, or ask the owner of the one named",
    RemediationKind.WITHDRAW: "ask the owner of the ancestor, or withdraw it",
}


class Remediation:
    """Finds fixes under one rule book; results are cached by situation."""

    def __init__(self, book: RuleBook) -> None:
        self._book = book
        self._fixes: dict[tuple[object, ...], str] = {}

    def fix_for(self, findings: Sequence[LicenseFinding]) -> str:
        """Return the fix for all findings of one model, as one sentence without a full stop.

        Empty where there is nothing to fix.
        """
        above = frozenset((each.license, each.strength) for each in findings if each.ancestor != each.model)
        rules = tuple(sorted({each.rule.id for each in findings}))
        child = findings[0].child_license if findings else NONE
        key = (above, rules, child)
        if key not in self._fixes:
            self._fixes[key] = self._compose(above, findings, child)
        return self._fixes[key]

    def _compose(self, above: frozenset[tuple[str, int]], findings: Sequence[LicenseFinding], child: str) -> str:
        wanted = {each.rule.remediation for each in findings if each.rule.remediation is not None}
        parts: list[str] = []
        if RemediationKind.DECLARE in wanted:
            parts.append(self._declare(above, child))
        prefixes = sorted({each.rule.prefix for each in findings if each.rule.remediation is RemediationKind.RENAME})
        if prefixes:
            parts.append(f"rename it so that the name begins with '{max(prefixes, key=len)}'")
        parts += [words for remediation, words in _PHRASES.items() if remediation in wanted]
        return " and ".join(dict.fromkeys(parts))

    def _declare(self, above: frozenset[tuple[str, int]], child: str) -> str:
        """Return which licence to declare: the ancestor's licence that leaves the mildest findings."""
        candidates = sorted({each for license_id, _ in above for each in self._book.known_parts(license_id)})
        left = {each: self._worst(above, each) for each in candidates}
        best = min(candidates, key=lambda each: (ORDER[left[each]], each), default=None)
        if best is None or ORDER[left[best]] >= ORDER[self._worst(above, child)]:
            return _PHRASES[RemediationKind.REPLACE]
        if left[best] is Verdict.REVIEW:
            return f"declare {best}, which leaves questions to review"
        return f"declare {best}"

    def _worst(self, above: frozenset[tuple[str, int]], child: str) -> Verdict:
        verdicts = [
            self._book.terms(license_id, child, str(RELATIONS[strength])).verdict for license_id, strength in above
        ]
        return max(verdicts, key=ORDER.__getitem__)
