"""Licence audit of single models or of the whole atlas: findings, verdicts and counts as a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atlas_db.core.data_frames import data_frame
from atlas_db.core.terms import Progress, Verdict
from atlas_db.licenses.audit_graph import AuditGraph, GraphBuilder, known_models, read_ancestry
from atlas_db.licenses.card_model import CardModel
from atlas_db.licenses.policy_check import FLAGGED, LicenseFinding, PolicyCheck
from atlas_db.licenses.remediation import Remediation
from atlas_db.licenses.rules import NONE, ORDER, RELATIONS, RuleBook, rule_book
from atlas_db.licenses.suppressions import Suppression, read_suppressions
from atlas_db.lineage.traversal import not_found_error
from atlas_db.store.bolt import Store

if TYPE_CHECKING:
    import pandas as pd

DISCLAIMER = "This is no legal advice. It reads what publishers declared, by rules that are named with their sources."
COLUMNS = (
    "model", "ancestor", "finding", "verdict", "rule", "license", "child_license", "relation", "confidence", "hops",
    "clause", "source", "repair",
)  # fmt: skip
"""Columns of findings, where they are a table."""
PROGRESS_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class AuditOptions:
    """Options of an audit.

    Attributes:
        profile: Name of the profile.
        min_confidence: Lineage edges below this are ignored.
        suppressions: Suppression file, None for none.
    """

    profile: str = "default"
    min_confidence: float = 0.0
    suppressions: Path | None = None


@dataclass(slots=True)
class AuditReport:
    """Result of an audit.

    Attributes:
        profile: Name of the profile.
        rules_version: Digest of catalogue, rules and profile.
        models: Number of audited models, without placeholders.
        verdicts: Models by verdict.
        kinds: Findings by kind and verdict, as `kind.verdict`.
        pairs: Findings by (licence of the ancestor, licence of the child, verdict), for kinds about terms.
        unknown: Unknown models by cause. `own_license`: it declares no known licence. Otherwise `upstream`: an ancestor
            model declares none; `training_data`: only a dataset declares none. Also `no_parent`: no ancestor is known;
            `completable`: predictions fill all missing licences.
        findings: The findings as rows.
        obligations: Findings that are compliant as long as duties are met, as rows; only in audits of single models.
        suppressed: Number of suppressed findings.
        missing: Requested ids without a record in the atlas, and names of parents in cards that are not resolved.
        run_id: Run id of an audit that was written.
        seconds: Time a stage.
    """

    profile: str
    rules_version: str
    models: int = 0
    verdicts: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    pairs: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    findings: list[dict[str, Any]] = field(default_factory=list)
    obligations: list[dict[str, Any]] = field(default_factory=list)
    suppressed: int = 0
    missing: list[str] = field(default_factory=list)
    run_id: str = ""
    seconds: dict[str, float] = field(default_factory=dict)

    def counts(self) -> dict[str, Any]:
        """Return all counts, for reports and the run."""
        return {
            "models": self.models,
            "verdicts": {str(verdict): self.verdicts.get(verdict, 0) for verdict in Verdict},
            "findings": dict(sorted(self.kinds.items())),
            "unknown": dict(self.unknown),
            "suppressed": self.suppressed,
        }

    def to_frame(self) -> pd.DataFrame:
        """Return findings and obligations as a data frame, one row each (extra `analysis`)."""
        return data_frame((*self.findings, *self.obligations), (*COLUMNS, "path"))

    def document(self) -> dict[str, Any]:
        """Return the report as one JSON object."""
        return {
            "profile": self.profile,
            "rules_version": self.rules_version,
            "run_id": self.run_id or None,
            "disclaimer": DISCLAIMER,
            "counts": self.counts(),
            "missing": self.missing,
            "findings": self.findings,
            "obligations": self.obligations,
        }

    def at_least(self, verdict: Verdict) -> int:
        """Return the number of findings with that verdict or a worse one."""
        return sum(ORDER[Verdict(row["verdict"])] >= ORDER[verdict] for row in self.findings)


class Auditor:
    """Audits models of one graph and collects the report."""

    def __init__(self, graph: AuditGraph, options: AuditOptions) -> None:
        book = rule_book(options.profile)
        today = datetime.now(UTC).date()
        rules = frozenset(book.rules)
        self._suppressions: list[Suppression] = (
            read_suppressions(options.suppressions, today, rules) if options.suppressions is not None else []
        )
        self.graph = graph
        self.book: RuleBook = book
        self.policy = PolicyCheck(graph, book, options.min_confidence)
        self.report = AuditReport(options.profile, book.version)
        self._remediation = Remediation(book)

    def audit_model(self, index: int, *, all_findings: bool) -> tuple[Verdict, list[LicenseFinding]]:
        """Audit one model, add it to the report, and return its verdict and findings after suppressions."""
        graph, report = self.graph, self.report
        verdict, findings = self.policy.evaluate(index, all_findings=all_findings)
        if self._suppressions:
            verdict, findings = self._suppress(index, verdict, findings, all_findings=all_findings)
        if index in graph.placeholders:
            return verdict, findings
        report.models += 1
        report.verdicts[verdict] += 1
        if verdict is Verdict.UNKNOWN:
            self._count_unknown(index)
        repair = self._remediation.fix_for([each for each in findings if each.rule.repair is not None])
        for each in findings:
            if each.finding is None:
                if each.verdict is not Verdict.COMPLIANT:
                    report.obligations.append(self.row(each))
                continue
            report.kinds[f"{each.finding}.{each.verdict}"] += 1
            if each.ancestor != each.model:
                report.pairs[each.license, each.child_license, each.verdict] += 1
            report.findings.append(self.row(each, repair))
        return verdict, findings

    def _suppress(
        self, index: int, verdict: Verdict, findings: list[LicenseFinding], *, all_findings: bool
    ) -> tuple[Verdict, list[LicenseFinding]]:
        name = self.graph.ids[index]
        suppressions = [each for each in self._suppressions if each.model == name]
        if not suppressions:
            return verdict, findings
        all_of_model = findings if all_findings else self.policy.evaluate(index, all_findings=True)[1]
        kept = [
            f
            for f in all_of_model
            if not any(s.covers(name, self.graph.ids[f.ancestor], f.rule.id) for s in suppressions)
        ]
        self.report.suppressed += len(all_of_model) - len(kept)
        verdict = max([Verdict.COMPLIANT, *(each.verdict for each in kept)], key=ORDER.__getitem__)
        return verdict, [each for each in kept if all_findings or ORDER[each.verdict] >= FLAGGED]

    def _count_unknown(self, index: int) -> None:
        claims = [each for each in self.graph.claims[index] if not each.predicted]
        own = all(self.policy.is_unknown(each.id) for each in claims)
        counts = self.report.unknown
        counts["own_license"] += own
        upstream = self.policy.has_unlicensed_ancestor(index)
        counts["upstream"] += not own and upstream
        counts["training_data"] += not own and not upstream
        counts["no_parent"] += index not in self.graph.parents
        counts["completable"] += self.policy.is_completable(index)

    def row(self, finding: LicenseFinding, repair: str = "") -> dict[str, Any]:
        """Return a finding as a row of the report."""
        ids = self.graph.ids
        steps = [
            {
                "model": ids[e.parent],
                "relation": str(RELATIONS[e.strength]),
                "status": e.status,
                "confidence": e.confidence,
            }
            for e in finding.path
        ]
        return {
            "model": ids[finding.model],
            "ancestor": ids[finding.ancestor] if finding.path else None,
            "finding": finding.finding and str(finding.finding),
            "verdict": str(finding.verdict),
            "rule": finding.rule.id,
            "clause": self.book.clause(finding.rule, finding.license),
            "source": finding.rule.source,
            "license": None if finding.license == NONE else finding.license,
            "child_license": None if finding.child_license == NONE else finding.child_license,
            "relation": str(RELATIONS[finding.strength]) if finding.path else None,
            "confidence": round(finding.confidence, 4),
            "hops": len(finding.path),
            "path": steps,
            "repair": repair or None,
        }


def audit_models(
    store: Store, models: Sequence[str], options: AuditOptions, folders: Sequence[CardModel] = ()
) -> AuditReport:
    """Audit given models with all findings, including compliant ones. Nothing is written.

    Args:
        store: The store.
        models: Model ids. The report lists those without a record in the atlas.
        options: Options of the audit.
        folders: Models that are not in the atlas, read from their cards.

    Raises:
        ModelNotFoundError: The atlas has none of them.
        SuppressionError: The suppression file is malformed or has expired.
    """
    requested = list(dict.fromkeys(models))
    known = known_models(store, requested) if requested else set()
    if requested and not known and not folders:
        raise not_found_error(store, requested[0])
    build = GraphBuilder()
    above, unresolved = set(known), []
    for folder in folders:
        named, untold = folder.add_to(build, store)
        above |= named
        unresolved += untold
    graph = read_ancestry(store, above, build)
    auditor = Auditor(graph, options)
    index_of = {identifier: index for index, identifier in enumerate(graph.ids[: graph.models])}
    for identifier in [*(folder.id for folder in folders), *(each for each in requested if each in known)]:
        auditor.audit_model(index_of[identifier], all_findings=True)
    auditor.report.missing = [*(each for each in requested if each not in known), *unresolved]
    return auditor.report


def audit_all(
    auditor: Auditor, write_rows: Callable[[list[tuple[str, str, int]]], object], progress: Progress = lambda *_: None
) -> list[LicenseFinding]:
    """Audit every model of a graph.

    Args:
        auditor: Holds the graph, and keeps the report.
        write_rows: Called with rows of id, verdict and number of findings, some thousands at a time.
        progress: Called with the progress.

    Returns:
        The findings for review and the violations.
    """
    graph = auditor.graph
    rows: list[tuple[str, str, int]] = []
    flagged: list[LicenseFinding] = []
    for index in range(graph.models):
        verdict, findings = auditor.audit_model(index, all_findings=False)
        rows.append((graph.ids[index], verdict.value, len(findings)))
        flagged += findings
        if len(rows) == PROGRESS_ROWS or index + 1 == graph.models:
            write_rows(rows)
            rows = []
            progress("audit", index + 1, graph.models)
    return flagged
