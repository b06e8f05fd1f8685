"""`atlas-db audit`: violations of licence terms, each with path and clause."""

from __future__ import annotations

from collections import defaultdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from atlas_db.cli.common import Exit, StoreOption, guarded, opened, settings_for, shown_progress
from atlas_db.cli.invocation import command, on_store
from atlas_db.cli.output import Format, print_text, write_json, write_line, write_rows
from atlas_db.cli.targets import MODELS, ListOption, OnlineOption, opened_for, read_targets
from atlas_db.cli.values import model_ids, profiles
from atlas_db.core.errors import EmptyStoreError, ModelNotFoundError, UsageError
from atlas_db.core.terms import LicenseState, RecordKind, Verdict

if TYPE_CHECKING:
    from atlas_db.licenses.audit import AuditOptions, AuditReport
    from atlas_db.snapshot.targets import Targets
    from atlas_db.store.bolt import Store

HELP = """Check licences against everything upstream.

Each finding names the ancestor whose licence sets the term, the clause, and the path to the ancestor with its lowest
confidence. MODEL is a model id, or a path: a folder of a model, a README.md, a .gguf or .safetensors file, a list by
--file. Such a model need not be in the atlas: parents and licence are read from its files. A merge configuration of
mergekit is audited before the merge: its parents, their duties, and the licences that the merge may have. --online asks
the Hub for what the atlas lacks (HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE).
--all audits the whole atlas and writes verdicts (audit_verdict) and findings (CONFLICTS_WITH) into it. A snapshot
(--store FILE.parquet) is audited without writing: take the findings with --format.

An ancestor that is not in this atlas is not called unlicensed: its licence is not known here. --fail-on exits with 5
where findings may be missing. That is so where the atlas is empty, has no record of an ancestor, or is older than a
model. It is also so where a parent's name is ambiguous or a path. Training data without a record counts where the
profile lets it lead to that verdict. --allow-incomplete turns this off.

Examples:

  atlas-db audit TheBloke/Mistral-7B-v0.1-GGUF

  atlas-db audit ./my-model --fail-on violation --format sarif

  atlas-db audit mergekit_config.yml --online

  atlas-db audit --file ids.txt --profile strict --format csv

  atlas-db audit --all
"""
CHOICES_SHOWN = 12
"""Licences that are listed for readers, at most."""
_STYLES = {Verdict.VIOLATION: "bold red", Verdict.REVIEW: "yellow", Verdict.UNKNOWN: "dim"}


class AuditFormat(StrEnum):
    """Output formats of an audit."""

    HUMAN = "human"
    JSON = "json"
    QUIET = "quiet"
    CSV = "csv"
    SARIF = "sarif"


class Threshold(StrEnum):
    """Verdicts from which a run fails."""

    UNKNOWN = "unknown"
    REVIEW = "needs_review"
    VIOLATION = "violation"


@guarded
def audit(
    models: Annotated[list[str] | None, typer.Argument(help=MODELS, autocompletion=model_ids)] = None,
    file: ListOption = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Audit the whole atlas, and write the findings into a store.")
    ] = False,
    profile: Annotated[
        str, typer.Option("--profile", help="strict, default or lenient.", autocompletion=profiles)
    ] = "default",
    min_confidence: Annotated[
        float, typer.Option("--min-confidence", min=0, max=1, help="Leave out lineage edges below this confidence.")
    ] = 0.0,
    fail_on: Annotated[
        Threshold | None,
        typer.Option("--fail-on", help="Exit with 1 for findings of this verdict or worse, with 5 if some may miss."),
    ] = None,
    allow_incomplete: Annotated[
        bool, typer.Option("--allow-incomplete", help="Let --fail-on pass although the atlas lacks records.")
    ] = False,
    suppressions: Annotated[
        Path | None, typer.Option("--suppressions", help="TOML file of suppressed findings, with reason and expiry.")
    ] = None,
    online: OnlineOption = False,
    store: StoreOption = None,
    form: Annotated[
        AuditFormat, typer.Option("--format", help="human, json, quiet, csv or sarif.")
    ] = AuditFormat.HUMAN,
) -> None:
    """Audit models, or the whole atlas."""
    from atlas_db.licenses.audit import AuditOptions
    from atlas_db.snapshot.whole_audit import audit_atlas
    from atlas_db.store.contents import require_models

    settings = settings_for(store)
    options = AuditOptions(profile, min_confidence, suppressions)
    targets = read_targets(models or [], file)
    if everything == bool(targets):
        raise UsageError("nothing to audit is named", hint="Give model ids, --file, or --all (and not both)")
    if everything:
        with opened(settings) as graph, shown_progress() as progress:
            if fail_on is None:
                require_models(graph)  # --fail-on has an exit code of its own for an atlas that lacks records
            report = audit_atlas(graph, settings, options, progress)
    else:
        checked = fail_on is not None and not allow_incomplete
        with opened_for(targets, settings, online=online) as graph:
            report = _audit_targets(graph, targets, options, require_records=checked)
    _write(report, form, targets, store, summary=everything)
    if fail_on is None:
        return
    if report.at_least(Verdict(fail_on)):
        raise typer.Exit(Exit.FINDINGS)
    if not allow_incomplete:
        report.require_complete(Verdict(fail_on))


def _audit_targets(graph: Store, targets: Targets, options: AuditOptions, *, require_records: bool) -> AuditReport:
    """Audit models.

    Raises:
        IncompleteAuditError: Records are required, and the atlas has none.
        EmptyStoreError: The store holds no models.
        ModelNotFoundError: The atlas has none of the models.
    """
    from atlas_db.licenses.audit import AuditReport, audit_models
    from atlas_db.lineage.newest_records import read_newest_records

    try:
        return audit_models(graph, targets.ids, options, targets.folders)
    except (EmptyStoreError, ModelNotFoundError):
        if require_records:
            newest = read_newest_records(graph)
            if not newest.models:
                AuditReport(options.profile, "", newest=newest).require_complete(Verdict.UNKNOWN)
        raise


def _write(report: AuditReport, form: AuditFormat, targets: Targets, store: str | None, *, summary: bool) -> None:
    from atlas_db.licenses.sarif import to_sarif

    match form:
        case AuditFormat.JSON:
            write_json(report.document())
        case AuditFormat.SARIF:
            write_json(to_sarif(report, targets.files, {each.id: each.lines for each in targets.folders}))
        case AuditFormat.CSV:
            from atlas_db.licenses.audit import COLUMNS

            write_rows(COLUMNS, report.findings, Format.CSV)
        case AuditFormat.QUIET:
            for name in dict.fromkeys(row["model"] for row in report.findings if _flagged(row)):
                write_line(name)
        case _:
            _summary(report) if summary else _models(report, targets, store)


def _flagged(row: dict[str, Any]) -> bool:
    return row["verdict"] in (Verdict.REVIEW, Verdict.VIOLATION)


def _summary(report: AuditReport) -> None:
    print_text(f"Audited {report.models:,} models, profile {report.profile}, rules {report.rules_version}", "bold")
    for verdict in Verdict:
        number = report.verdicts.get(verdict, 0)
        print_text(f"  {number:>9,}  {verdict}  ({number / max(report.models, 1):.1%})", _STYLES.get(verdict, ""))
    if report.verdicts.get(Verdict.UNKNOWN):
        _unknown(report)
    print_text("Findings")
    for name, number in sorted(report.kinds.items(), key=lambda pair: -pair[1]):
        print_text(f"  {number:>9,}  {name.replace('.', ', ')}")
    print_text("Licences, ancestor to child")
    for (above, below, ruled), number in report.pairs.most_common(12):
        print_text(f"  {number:>9,}  {above} to {'no licence' if below == 'none' else below}, {ruled}")
    _foot(report)


_CAUSES = {
    "own_license": "of the model itself", "upstream": "of a model above", "training_data": "of training data",
}  # fmt: skip
_STATES = {
    LicenseState.STATES_NONE: "seen, states none", LicenseState.UNREADABLE: "stated, cannot be read",
    LicenseState.NOT_IN_ATLAS: "not in this atlas: fetch or load it",
    LicenseState.UNRESOLVED: "of a parent that is named, but not surely known",
}  # fmt: skip


def _unknown(report: AuditReport) -> None:
    """Print why models are unknown: whose licence it is, and whether it is missing or was never seen."""
    print_text("Unknown, by the licence that is missing")
    for state, words in _STATES.items():
        print_text(f"  {report.in_state(state):>9,}  {words}")
        for cause, whose in _CAUSES.items():
            if number := report.causes[f"{cause}.{state}"]:
                print_text(f"  {number:>13,}  {whose}", "dim")
    print_text(f"  {report.unknown['completable']:>9,}  would be resolved by the predictions at hand")
    counts = report.counts()["not_in_atlas"]
    if report.newest is not None and any(counts.values()):
        print_text(
            f"Not in this atlas: {counts['models']:,} models ({report.newest.words()}) and {counts['datasets']:,} "
            f"datasets ({report.newest.words(RecordKind.DATASET)}) that models name"
        )


def _models(report: AuditReport, targets: Targets, store: str | None) -> None:
    from atlas_db.lineage.weights_record import weights_words

    by_model: dict[str, list[dict[str, Any]]] = defaultdict(list, {model: [] for model in report.notes})
    for row in (*report.findings, *report.obligations):
        by_model[row["model"]].append(row)
    for verdict in reversed(Verdict):
        if number := report.verdicts.get(verdict, 0):
            print_text(f"{number:,} {verdict}", _STYLES.get(verdict, "green"))
    choices = {each.id for each in targets.folders if each.planned or not each.declared_licenses()}
    planned = {each.id for each in targets.folders if each.planned}
    for model, rows in by_model.items():
        print_text(f"{model} (a merge that is planned)" if model in planned else model, "bold")
        if model in report.weights_only:
            print_text(f"  known by its weights alone: {weights_words(report.weights_only[model])}", "dim")
        _license_files(report.license_files.get(model, []))
        for note in report.notes.get(model, []):
            print_text(
                f"  {'Not read' if note['unread'] else 'Note'}: {note['text']}", "yellow" if note["unread"] else "dim"
            )
        for row in rows:
            if _flagged(row):
                _finding(row)
        _folded([row for row in rows if not _flagged(row)])
        if model in choices:
            _choices(report, model)
        for remediation in dict.fromkeys(row["remediation"] for row in rows if row["remediation"]):
            print_text(f"  Fix: {remediation}", "cyan")
        if any(row["verdict"] == Verdict.VIOLATION for row in rows) and model not in targets.files:
            others = command("query", "alternatives", "--param", f"model={model}", *on_store(store))
            print_text(f"  Others for the same task: {others}", "cyan")
    newest = f" ({report.newest.words()})" if report.newest is not None else ""
    if report.newest is not None and not report.newest.models:
        print_text(
            "This atlas is empty, so that nothing is known of what is upstream. Load a list, or add --online"
            " where the Hub can be reached",
            "yellow",
        )
    for name in report.missing_models():
        print_text(f"{name} is not in this atlas{newest}: fetch or load it", "yellow")
    _foot(report)


def _choices(report: AuditReport, model: str) -> None:
    """Print the licences that a model may declare, and the duties of those upstream."""
    allowed = report.allowed_licenses[model]
    for verdict in dict.fromkeys(each["verdict"] for each in allowed):
        names = [each["license"] for each in allowed if each["verdict"] == verdict]
        shown = ", ".join(names[:CHOICES_SHOWN])
        more = f" and {len(names) - CHOICES_SHOWN} more (--format json)" if len(names) > CHOICES_SHOWN else ""
        words = "Not excluded by what is known" if verdict == Verdict.UNKNOWN else f"May declare ({verdict})"
        print_text(f"  {words}: {shown}{more}", "cyan")
    if not allowed:
        print_text("  No licence of the catalogue agrees with the terms upstream", "yellow")
    for duty in report.duties[model]:
        holders = duty["holders"]
        more = f" and {len(holders) - 1} more" if len(holders) > 1 else ""
        print_text(f"  Duty: {duty['duty']} [{duty['license']}], {duty['clause']}, from {holders[0]}{more}", "dim")


def _license_files(files: list[dict[str, Any]]) -> None:
    """Print the licence files of a model, each with its digest and the licences whose text it holds."""
    for each in files:
        texts = ", ".join(each["licenses"]) or "no text of the catalogue"
        around = f" and {each['words_around']:,} words more" if each["words_around"] else ""
        print_text(f"  {each['file']} holds {texts}{around}, SHA-256 {each['sha256']}", "dim")
        if each["agrees"] is False:
            print_text("    The card declares another licence than this file", "yellow")


def _finding(row: dict[str, Any]) -> None:
    from atlas_db.licenses.audit import license_words

    above = f" against {row['ancestor']} [{license_words(row)}]" if row["ancestor"] else ""
    head = f"  {row['verdict']}: {row['finding']} ({row['rule']}){above}, confidence {row['confidence']:.2f}"
    print_text(head, _STYLES.get(row["verdict"], ""))
    print_text(f"    {row['clause']}")
    if row["path"]:
        way = " → ".join(f"{step['model']} ({step['relation']}, {step['status']})" for step in row["path"])
        print_text(f"    {row['model']} → {way}", "dim")


def _folded(rows: list[dict[str, Any]]) -> None:
    """Print one line for all ancestors with one licence under one rule and clause."""
    from atlas_db.licenses.audit import license_words

    groups: dict[tuple[str, str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row["verdict"], row["rule"], license_words(row), row["clause"]].append(row)
    for (verdict, rule, license_id, clause), same in groups.items():
        names = [row["ancestor"] or "the model itself" for row in same]
        more = f" and {len(names) - 2} more" if len(names) > 2 else ""
        print_text(
            f"  {verdict}: {rule} [{license_id}], from {', '.join(names[:2])}{more}", _STYLES.get(Verdict(verdict), "")
        )
        print_text(f"    {clause}", "dim")


def _foot(report: AuditReport) -> None:
    from atlas_db.licenses.audit import DISCLAIMER

    if report.suppressed:
        print_text(f"suppressed findings: {report.suppressed:,}", "dim")
    for each in report.unused_suppressions:
        which = ", ".join(each[name] for name in ("model", "rule", "ancestor") if each[name])
        print_text(f"A suppression matches nothing: {which}: {each['why']}", "yellow")
    if report.seconds:
        print_text("  " + ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in report.seconds.items()), "dim")
    if report.run_id:
        print_text(f"  run {report.run_id}", "dim")
    print_text(DISCLAIMER, "dim")
