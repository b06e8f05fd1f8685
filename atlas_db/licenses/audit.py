"""Licence audit of single models or of the whole atlas: findings, verdicts and counts as a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from atlas_db.core.errors import IncompleteAuditError
from atlas_db.core.records import repository_path
from atlas_db.core.terms import FindingKind, LicenseState, Progress, RecordKind, Verdict
from atlas_db.licenses.audit_graph import AuditGraph, LicenseClaim
from atlas_db.licenses.completeness import UnresolvedParent, named, newer_models
from atlas_db.licenses.duties import allowed_licenses, ancestors_of, gather_duties
from atlas_db.licenses.model_lineage import read_lineage, require_some_known
from atlas_db.licenses.policy_check import FLAGGED, LicenseFinding, PolicyCheck
from atlas_db.licenses.remediation import Remediation
from atlas_db.licenses.rules import ABSENT, ORDER, RELATIONS, TRAINED_ON, RuleBook, rule_book
from atlas_db.licenses.suppressions import Suppression, read_suppressions
from atlas_db.lineage.newest_records import NewestRecords, read_newest_records
from atlas_db.lineage.weights_record import describe_weights
from atlas_db.store.bolt import Store
from atlas_db.store.statements import read_nodes

if TYPE_CHECKING:
    import pandas as pd

    from atlas_db.licenses.card_model import CardModel

DISCLAIMER = "This is no legal advice. It reads what publishers declared, by rules that are named with their sources."
_DATASETS = repository_path("", RecordKind.DATASET)
COLUMNS = (
    "model", "ancestor", "finding", "verdict", "rule", "license", "license_state", "child_license",
    "child_license_state", "relation", "confidence", "hops", "clause", "source", "remediation",
)  # fmt: skip
"""Columns of findings, where they are a table."""
PROGRESS_ROWS = 20_000
_BLAME = (LicenseState.STATES_NONE, LicenseState.UNREADABLE, LicenseState.NOT_IN_ATLAS, LicenseState.UNRESOLVED)
"""States that make a model unknown. The first one met is counted: what counts as not in the atlas is only that."""
_CAUSES = ("own_license", "upstream", "training_data")
NOT_HERE = "not in this atlas"
_STATE_WORDS = {
    LicenseState.NOT_IN_ATLAS: NOT_HERE, LicenseState.STATES_NONE: "no licence",
    LicenseState.UNRESOLVED: "a parent that is not known",
}  # fmt: skip
_NOT_SEEN = (FindingKind.NOT_IN_ATLAS, FindingKind.UNRESOLVED_PARENT)
"""Kinds of findings about what the atlas lacks, and not about the model."""


def license_words(row: Mapping[str, Any], name: str = "license") -> str:
    """Return a licence of a row of the report in words: its id, `no licence`, or `not in this atlas`.

    Args:
        row: A row of findings.
        name: Its column: `license` or `child_license`.
    """
    return row[name] or _STATE_WORDS[LicenseState(row.get(f"{name}_state") or LicenseState.STATES_NONE)]


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
        models: Number of audited models: those with a record, or with charted weights.
        verdicts: Models by verdict.
        kinds: Findings by kind and verdict, as `kind.verdict`.
        pairs: Findings by (licence of the ancestor, licence of the child, verdict), for kinds about terms.
        unknown: Unknown models by cause. `own_license`: its own licence is not known. Otherwise `upstream`: that of an
            ancestor model is not; `training_data`: only that of a dataset is not. Also `no_parent`: no ancestor is
            known; `completable`: predictions fill all missing licences.
        causes: The same models by cause and state of that licence, as `cause.state`. Where several licences are not
            known, one that is seen and states none comes first, then one that is unreadable, then `not_in_atlas`.
        newest: Dates of the newest records of the atlas; None where the graph is not from a store.
        not_in_atlas: Ancestors without a record, and models of which only the weights are known. They are paths, those
            of datasets with `datasets/`.
        newer: Models that were created or changed after the newest record.
        license_files: Licence files of models read from folders, by id: file, SHA-256, licences, ids of their texts.
        notes: What could not be read of models from folders, by id: code, text, and whether what a file states is lost.
        allowed_licenses: Of models read from files, by id: the licences of the catalogue that they may declare, as
            `license` and `verdict`, that of the terms upstream. One with verdict `unknown` is only not excluded.
        duties: Of the same models, by id: duties of all licences upstream; see `LicenseDuty.row`.
        weights_only: What is known of requested models that have no record, but charted weights, by id.
        findings: The findings as rows.
        obligations: Findings that are compliant as long as duties are met, as rows; only in audits of single models.
        suppressed: Number of suppressed findings.
        waived: The suppressed findings as rows, each with its `suppression`; in audits of all models, those for review
            and violations.
        unused_suppressions: Suppressions that match no finding, as rows with `why`.
        missing: Requested ids without a record in the atlas, and names of parents that are not resolved.
        unresolved: The same names with their models, and why no edge leads to a parent.
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
    causes: Counter[str] = field(default_factory=Counter)
    newest: NewestRecords | None = None
    not_in_atlas: list[str] = field(default_factory=list)
    newer: list[str] = field(default_factory=list)
    license_files: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    notes: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    allowed_licenses: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    duties: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    weights_only: dict[str, dict[str, Any]] = field(default_factory=dict)
    findings: list[dict[str, Any]] = field(default_factory=list)
    obligations: list[dict[str, Any]] = field(default_factory=list)
    suppressed: int = 0
    waived: list[dict[str, Any]] = field(default_factory=list)
    unused_suppressions: list[dict[str, str]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unresolved: list[UnresolvedParent] = field(default_factory=list)
    run_id: str = ""
    seconds: dict[str, float] = field(default_factory=dict)

    def counts(self) -> dict[str, Any]:
        """Return all counts, for reports and the run."""
        return {
            "models": self.models,
            "verdicts": {str(verdict): self.verdicts.get(verdict, 0) for verdict in Verdict},
            "findings": dict(sorted(self.kinds.items())),
            "unknown": dict(self.unknown),
            "unknown_by_state": {state: self.in_state(state) for state in _BLAME},
            "unknown_by_cause": dict(sorted(self.causes.items())),
            "not_in_atlas": {
                "models": len(self.not_in_atlas) - self._unseen_datasets(),
                "datasets": self._unseen_datasets(),
            },
            "newer_than_atlas": len(self.newer),
            "suppressed": self.suppressed,
        }

    def in_state(self, state: LicenseState) -> int:
        """Return the number of models that are unknown because a licence is in that state."""
        return sum(number for cause, number in self.causes.items() if cause.endswith(f".{state}"))

    def _unseen_datasets(self) -> int:
        return sum(path.startswith(_DATASETS) for path in self.not_in_atlas)

    def to_frame(self) -> pd.DataFrame:
        """Return findings and obligations as a data frame, one row each (extra `analysis`)."""
        # Arrow takes longer to import than the audit of one model.
        from atlas_db.columnar.typed_columns import data_frame

        return data_frame((*self.findings, *self.obligations), (*COLUMNS, "path"))

    def document(self) -> dict[str, Any]:
        """Return the report as one JSON object."""
        return {
            "profile": self.profile,
            "rules_version": self.rules_version,
            "run_id": self.run_id or None,
            "disclaimer": DISCLAIMER,
            "newest_record": None if self.newest is None else self.newest._asdict(),
            "counts": self.counts(),
            "missing": self.missing,
            "unresolved": [each.row() for each in self.unresolved],
            "not_in_atlas": self.not_in_atlas,
            "newer_than_atlas": self.newer,
            "weights_only": self.weights_only,
            "license_files": self.license_files,
            "allowed_licenses": self.allowed_licenses,
            "duties": self.duties,
            "notes": self.notes,
            "findings": self.findings,
            "obligations": self.obligations,
            "suppressed": self.waived,
            "unused_suppressions": self.unused_suppressions,
        }

    def missing_models(self) -> list[str]:
        """Return the requested ids without a record in the atlas."""
        mentions = {each.mention for each in self.unresolved}
        return [each for each in self.missing if each not in mentions]

    def at_least(self, verdict: Verdict) -> int:
        """Return the number of findings with that verdict or a worse one.

        What is not in the atlas is no finding about the model; see `gaps`.
        """
        return sum(
            ORDER[Verdict(row["verdict"])] >= ORDER[verdict] for row in self.findings if row["finding"] not in _NOT_SEEN
        )

    def gaps(self, verdict: Verdict) -> list[str]:
        """Return why findings with that verdict or a worse one may be missing, one sentence each without full stop.

        Above an ancestor without a record, anything may be. A dataset has no ancestors: one without a record matters
        only where the profile lets training data lead to that verdict.
        """
        newest = self.newest
        if newest is None:
            return []
        if not newest.models:
            return ["this atlas is empty: it has no record of any model"]
        worst = rule_book(self.profile).limited_to(Verdict.VIOLATION, TRAINED_ON)
        found = []
        for kind in RecordKind:
            paths = [each for each in self.not_in_atlas if each.startswith(_DATASETS) is (kind is RecordKind.DATASET)]
            if paths and (kind is RecordKind.MODEL or ORDER[worst] >= ORDER[verdict]):
                found.append(f"not in this atlas ({newest.words(kind)}): {named(paths)}")
        if requested := self.missing_models():
            found.append(f"not in this atlas ({newest.words()}): {named(requested)}")
        if self.unresolved:
            names = named([f"{each} (named by {each.model})" for each in self.unresolved])
            found.append(f"no model of this atlas ({newest.words()}) is surely the parent: {names}")
        if self.newer:
            found.append(f"newer than this atlas ({newest.words()}): {named(self.newer)}")
        if unread := [note["text"] for notes in self.notes.values() for note in notes if note["unread"]]:
            found.append(f"cannot be read, so that what it states is not known: {named(unread)}")
        return found

    def require_complete(self, verdict: Verdict) -> None:
        """Check that no findings with that verdict or a worse one can be missing.

        Raises:
            IncompleteAuditError: The atlas lacks records that the audit needs.
        """
        if gaps := self.gaps(verdict):
            raise IncompleteAuditError(
                f"the audit is incomplete: {'; '.join(gaps)}",
                hint="Fetch or load what is missing, or add --allow-incomplete",
            )


class Auditor:
    """Audits models of one graph and collects the report."""

    def __init__(self, graph: AuditGraph, options: AuditOptions, newest: NewestRecords | None = None) -> None:
        book = rule_book(options.profile)
        today = datetime.now(UTC).date()
        rules = frozenset(book.rules)
        self._suppressions: list[Suppression] = (
            read_suppressions(options.suppressions, today, rules) if options.suppressions is not None else []
        )
        self.graph = graph
        self.book: RuleBook = book
        self.policy = PolicyCheck(graph, book, options.min_confidence)
        self.report = AuditReport(options.profile, book.version, newest=newest)
        self._unknown_alone: dict[tuple[LicenseClaim, ...], tuple[tuple[str, LicenseState] | None, bool]] = {}
        self._waived: set[str] = set()
        self._used: set[Suppression] = set()
        self._with_suppressions: set[str] = set()
        self._named_only = graph.placeholders - graph.charted
        undeclared = graph.placeholders & (_parents(graph) | graph.charted)
        # Engines give datasets in any order.
        ordered = sorted(undeclared, key=lambda index: (index >= graph.models, graph.ids[index]))
        self.report.not_in_atlas = [graph.path(index) for index in ordered]
        self.report.unresolved = [each for parents in graph.unresolved.values() for each in parents]
        self._remediation = Remediation(book)

    def audit_model(self, index: int, *, all_findings: bool) -> tuple[Verdict, list[LicenseFinding]]:
        """Audit one model, add it to the report, and return its verdict and findings after suppressions."""
        report = self.report
        verdict, findings = self.policy.evaluate(index, all_findings=all_findings)
        if self._suppressions:
            verdict, findings = self._suppress(index, verdict, findings, all_findings=all_findings)
        if index in self._named_only:
            return verdict, findings
        report.models += 1
        report.verdicts[verdict] += 1
        if verdict is Verdict.UNKNOWN:
            self._count_unknown(index)
        remediation = self._remediation.fix_for([each for each in findings if each.rule.remediation is not None])
        for each in findings:
            if each.finding is None:
                if each.verdict is not Verdict.COMPLIANT:
                    report.obligations.append(self.row(each))
                continue
            report.kinds[f"{each.finding}.{each.verdict}"] += 1
            if each.ancestor != each.model:
                report.pairs[each.license, each.child_license, each.verdict] += 1
            report.findings.append(self.row(each, remediation))
        return verdict, findings

    def _suppress(
        self, index: int, verdict: Verdict, findings: list[LicenseFinding], *, all_findings: bool
    ) -> tuple[Verdict, list[LicenseFinding]]:
        name = self.graph.ids[index]
        suppressions = [each for each in self._suppressions if each.model == name]
        if not suppressions:
            return verdict, findings
        self._with_suppressions.add(name)
        all_of_model = findings if all_findings else self.policy.evaluate(index, all_findings=True)[1]
        kept = []
        for each in all_of_model:
            path = self.graph.path(each.ancestor)
            covering = [s for s in suppressions if s.covers(name, path, each.rule.id)]
            self._used.update(covering)
            if not covering:
                kept.append(each)
            elif each.finding is not None and (all_findings or ORDER[each.verdict] >= FLAGGED):
                self.report.waived.append({**self.row(each), "suppression": covering[0].row()})
        self.report.suppressed += len(all_of_model) - len(kept)
        self._waived |= {self.graph.path(f.ancestor) for f in all_of_model if f.finding in _NOT_SEEN and f not in kept}
        verdict = max([Verdict.COMPLIANT, *(each.verdict for each in kept)], key=ORDER.__getitem__)
        return verdict, [each for each in kept if all_findings or ORDER[each.verdict] >= FLAGGED]

    def note_unused_suppressions(self) -> None:
        """Add to the report the suppressions that match no finding."""
        self.report.unused_suppressions = [
            {
                **each.row(),
                "why": "no finding of it matches" if each.model in self._with_suppressions else "it was not audited",
            }
            for each in self._suppressions
            if each not in self._used
        ]

    def drop_waived(self) -> None:
        """Drop from what is not known that which suppressions set aside for every audited model below it."""
        report = self.report
        kept = {row["ancestor"] or row["model"] for row in report.findings if row["finding"] in _NOT_SEEN}
        gone = self._waived - kept
        report.not_in_atlas = [each for each in report.not_in_atlas if each not in gone]
        report.unresolved = [each for each in report.unresolved if each.model not in gone]

    def _count_unknown(self, index: int) -> None:
        counts = self.report.unknown
        claims = self.graph.claims[index]
        if not self.policy.stands_alone(index):
            cause, completable = self._cause(index), self.policy.is_completable(index)
        else:
            # Most models stand alone, and have one of few sets of claims.
            if claims not in self._unknown_alone:
                self._unknown_alone[claims] = self._cause(index), self.policy.is_completable(index)
            cause, completable = self._unknown_alone[claims]
        for whose in _CAUSES:
            counts[whose] += cause is not None and cause[0] == whose
        if cause is not None:
            self.report.causes[".".join(cause)] += 1
        counts["no_parent"] += index not in self.graph.parents
        counts["completable"] += completable

    def _cause(self, index: int) -> tuple[str, LicenseState] | None:
        """Return whose licence makes a model unknown, and the state of that licence."""
        policy = self.policy
        own = {policy.state_of(each.id) for each in policy.own_claims(index)}
        if LicenseState.STATED not in own:
            return "own_license", next(state for state in _BLAME if state in own)
        for cause, data in (("upstream", False), ("training_data", True)):
            above = policy.states_above(index, data=data)
            for state in _BLAME:
                if state in above:
                    return cause, state
        return None

    def _clause(self, finding: LicenseFinding) -> str:
        """Return the citation of a finding; of what is not in the atlas, with the date of its newest record."""
        clause = self.book.clause(finding.rule, finding.license)
        if finding.finding is FindingKind.UNRESOLVED_PARENT:
            names = (str(each) for each in self.graph.unresolved[finding.ancestor])
            return f"{clause}: {'; '.join(names)}"
        newest = self.report.newest
        if finding.finding is not FindingKind.NOT_IN_ATLAS or newest is None:
            return clause
        kind = RecordKind.MODEL if finding.ancestor < self.graph.models else RecordKind.DATASET
        return clause.replace("this atlas", f"this atlas ({newest.words(kind)})", 1)

    def _evidence(self, finding: LicenseFinding) -> list[dict[str, Any]]:
        """Return the licence files of the model that hold the text of its licence."""
        files = self.report.license_files.get(self.graph.path(finding.model), ())
        return [each for each in files if finding.child_license in each["licenses"]]

    def row(self, finding: LicenseFinding, remediation: str = "") -> dict[str, Any]:
        """Return a finding as a row of the report."""
        path, state_of = self.graph.path, self.policy.state_of
        steps = [
            {
                "model": path(e.parent),
                "relation": str(RELATIONS[e.strength]),
                "status": e.status,
                "confidence": e.confidence,
            }
            for e in finding.path
        ]
        return {
            "model": path(finding.model),
            "ancestor": path(finding.ancestor) if finding.path else None,
            "finding": finding.finding and str(finding.finding),
            "verdict": str(finding.verdict),
            "rule": finding.rule.id,
            "clause": self._clause(finding),
            "source": finding.rule.source,
            "license": None if finding.license in ABSENT else finding.license,
            "license_state": str(state_of(finding.license)),
            "child_license": None if finding.child_license in ABSENT else finding.child_license,
            "child_license_state": str(state_of(finding.child_license)),
            "relation": str(RELATIONS[finding.strength]) if finding.path else None,
            "confidence": round(finding.confidence, 4),
            "hops": len(finding.path),
            "path": steps,
            "remediation": remediation or None,
            "evidence": self._evidence(finding),
        }


def _parents(graph: AuditGraph) -> set[int]:
    """Return all models and datasets that are above another."""
    return {edge.parent for edges in graph.parents.values() for edge in edges}


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
        EmptyStoreError: The store holds no models, and ids are named.
        ModelNotFoundError: The atlas has none of them.
        SuppressionError: The suppression file is malformed or has expired.
    """
    requested = list(dict.fromkeys(models))
    known = require_some_known(store, requested, folders)
    graph, index_of = read_lineage(store, sorted(known), folders)
    newest = read_newest_records(store)
    auditor = Auditor(graph, options, newest)
    auditor.report.license_files = {each.id: each.evidence() for each in folders if each.license_files}
    auditor.report.notes = {
        each.id: each.note_rows() for folder in folders for each in folder.with_local() if each.notes
    }
    auditor.report.newer = newer_models(store, newest, graph.ids[: graph.models])
    for identifier in [*(folder.id for folder in folders), *(each for each in requested if each in known)]:
        auditor.audit_model(index_of[identifier], all_findings=True)
    for folder in folders:
        index = index_of[folder.id]
        above = ancestors_of(graph, index)
        seen = graph.unresolved.keys().isdisjoint({index, *above}) and folder.is_read
        auditor.report.allowed_licenses[folder.id] = allowed_licenses(auditor.policy, index, complete=seen)
        auditor.report.duties[folder.id] = [each.row() for each in gather_duties(graph, above)]
    auditor.drop_waived()
    auditor.note_unused_suppressions()
    charted = [graph.ids[index] for index in sorted(graph.charted) if graph.ids[index] in known]
    for row in store.read(read_nodes("Model"), ids=charted):
        auditor.report.weights_only[row["id"]] = describe_weights(store, row["props"])
    mentions = dict.fromkeys(each.mention for each in auditor.report.unresolved)
    auditor.report.missing = [*(each for each in requested if each not in known), *mentions]
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
    auditor.note_unused_suppressions()
    return flagged
