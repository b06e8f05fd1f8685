"""`atlas-db audit`: violations of licence terms, each with path and clause."""

from __future__ import annotations

import sys
from collections import defaultdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from atlas_db.cli.common import Exit, StoreOption, guarded, home_of, opened, settings_for, shown_progress
from atlas_db.cli.output import Format, print_text, write_json, write_line, write_rows
from atlas_db.core.errors import UsageError
from atlas_db.core.terms import Verdict

if TYPE_CHECKING:
    from atlas_db.licenses.audit import AuditReport
    from atlas_db.licenses.card_model import CardModel

HELP = """Check licences against everything upstream.

Each finding names the ancestor whose licence sets the term, the clause, and the path to the ancestor with its lowest
confidence. MODEL is a model id, or the path of a README.md or of a folder with one: such a model need not be in the
atlas. --all audits the whole atlas and writes verdicts (audit_verdict) and findings (CONFLICTS_WITH) into it.

Examples:

  atlas-db audit TheBloke/Mistral-7B-v0.1-GGUF

  atlas-db audit ./my-model --fail-on violation --format sarif

  atlas-db audit --file ids.txt --profile strict --format csv

  atlas-db audit --all
"""
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
    models: Annotated[list[str] | None, typer.Argument(help="Model ids, README.md files or folders.")] = None,
    file: Annotated[Path | None, typer.Option("--file", help="A list of these, one a line; - for stdin.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Audit the whole atlas, and write the findings.")] = False,
    profile: Annotated[str, typer.Option("--profile", help="strict, default or lenient.")] = "default",
    min_confidence: Annotated[
        float, typer.Option("--min-confidence", min=0, max=1, help="Leave out lineage edges below this confidence.")
    ] = 0.0,
    fail_on: Annotated[
        Threshold | None, typer.Option("--fail-on", help="Exit with 1 for findings of this verdict or worse.")
    ] = None,
    suppressions: Annotated[
        Path | None, typer.Option("--suppressions", help="TOML file of suppressed findings, with reason and expiry.")
    ] = None,
    store: StoreOption = None,
    form: Annotated[
        AuditFormat, typer.Option("--format", help="human, json, quiet, csv or sarif.")
    ] = AuditFormat.HUMAN,
) -> None:
    """Audit models, or the whole atlas."""
    from atlas_db.licenses.audit import AuditOptions, audit_models
    from atlas_db.licenses.write_findings import audit_and_write

    settings = settings_for(store)
    options = AuditOptions(profile, min_confidence, suppressions)
    ids, folders = _split_targets(models or [], file)
    if everything == bool(ids or folders):
        raise UsageError("nothing to audit is named", hint="Give model ids, --file, or --all (and not both)")
    with opened(settings) as graph, shown_progress() as progress:
        if everything:
            report = audit_and_write(graph, home_of(settings), options, settings.batch_rows, progress)
        else:
            report = audit_models(graph, ids, options, folders)
    _write(report, form, {folder.id: str(folder.card) for folder in folders}, summary=everything)
    if fail_on is not None and report.at_least(Verdict(fail_on)):
        raise typer.Exit(Exit.FINDINGS)


def _split_targets(words: list[str], file: Path | None) -> tuple[list[str], list[CardModel]]:
    """Return model ids, and models read from the paths among the words."""
    from atlas_db.licenses.card_model import read_card_model

    if file is not None:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
        words = [*words, *(line.strip() for line in text.splitlines())]
    ids, folders = [], []
    for word in words:
        if not word or word.startswith("#"):
            continue
        path = Path(word)
        if word.startswith((".", "/", "~")) or path.suffix == ".md" or (path / "README.md").is_file():
            folders.append(read_card_model(path.expanduser()))
        else:
            ids.append(word)
    return ids, folders


def _write(report: AuditReport, form: AuditFormat, files: dict[str, str], *, summary: bool) -> None:
    from atlas_db.licenses.sarif import to_sarif

    match form:
        case AuditFormat.JSON:
            write_json(report.document())
        case AuditFormat.SARIF:
            write_json(to_sarif(report, files))
        case AuditFormat.CSV:
            from atlas_db.licenses.audit import COLUMNS

            write_rows(COLUMNS, report.findings, Format.CSV)
        case AuditFormat.QUIET:
            for name in dict.fromkeys(row["model"] for row in report.findings if _flagged(row)):
                write_line(name)
        case _:
            _summary(report) if summary else _models(report, files)


def _flagged(row: dict[str, Any]) -> bool:
    return row["verdict"] in (Verdict.REVIEW, Verdict.VIOLATION)


def _summary(report: AuditReport) -> None:
    print_text(f"Audited {report.models:,} models, profile {report.profile}, rules {report.rules_version}", "bold")
    for verdict in Verdict:
        number = report.verdicts.get(verdict, 0)
        print_text(f"  {number:>9,}  {verdict}  ({number / max(report.models, 1):.1%})", _STYLES.get(verdict, ""))
    unknown = report.unknown
    if report.verdicts.get(Verdict.UNKNOWN):
        print_text(f"  of the unknown: {unknown['own_license']:,} state no licence that can be read")
        print_text(f"                  {unknown['upstream']:,} do, but a model above them does not")
        print_text(f"                  {unknown['training_data']:,} do, but of their training data some does not")
        print_text(f"                  {unknown['completable']:,} would be resolved by the predictions at hand")
    print_text("Findings")
    for name, number in sorted(report.kinds.items(), key=lambda pair: -pair[1]):
        print_text(f"  {number:>9,}  {name.replace('.', ', ')}")
    print_text("Licences, ancestor to child")
    for (above, below, ruled), number in report.pairs.most_common(12):
        print_text(f"  {number:>9,}  {above} to {'no licence' if below == 'none' else below}, {ruled}")
    _foot(report)


def _models(report: AuditReport, files: dict[str, str]) -> None:
    by_model: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in (*report.findings, *report.obligations):
        by_model[row["model"]].append(row)
    for verdict in reversed(Verdict):
        if number := report.verdicts.get(verdict, 0):
            print_text(f"{number:,} {verdict}", _STYLES.get(verdict, "green"))
    for model, rows in by_model.items():
        print_text(model, "bold")
        for row in rows:
            if _flagged(row):
                _finding(row)
        _folded([row for row in rows if not _flagged(row)])
        for repair in dict.fromkeys(row["repair"] for row in rows if row["repair"]):
            print_text(f"  Fix: {repair}", "cyan")
        if any(row["verdict"] == Verdict.VIOLATION for row in rows) and model not in files:
            print_text(f"  Others for the same task: atlas-db query alternatives --param model={model}", "cyan")
    for name in report.missing:
        print_text(f"{name} is not in the atlas", "yellow")
    _foot(report)


def _finding(row: dict[str, Any]) -> None:
    above = f" against {row['ancestor']} [{row['license'] or 'no licence'}]" if row["ancestor"] else ""
    head = f"  {row['verdict']}: {row['finding']} ({row['rule']}){above}, confidence {row['confidence']:.2f}"
    print_text(head, _STYLES.get(row["verdict"], ""))
    print_text(f"    {row['clause']}")
    if row["path"]:
        way = " → ".join(f"{step['model']} ({step['relation']}, {step['status']})" for step in row["path"])
        print_text(f"    {row['model']} → {way}", "dim")


def _folded(rows: list[dict[str, Any]]) -> None:
    """Print one line for all ancestors with one licence under one rule."""
    groups: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        groups[row["verdict"], row["rule"], row["license"] or "no licence"].append(row)
    for (verdict, rule, license_id), same in groups.items():
        names = [row["ancestor"] or "the model itself" for row in same]
        more = f" and {len(names) - 2} more" if len(names) > 2 else ""
        print_text(
            f"  {verdict}: {rule} [{license_id}], from {', '.join(names[:2])}{more}", _STYLES.get(Verdict(verdict), "")
        )
        print_text(f"    {same[0]['clause']}", "dim")


def _foot(report: AuditReport) -> None:
    from atlas_db.licenses.audit import DISCLAIMER

    if report.suppressed:
        print_text(f"{report.suppressed:,} findings are suppressed", "dim")
    if report.seconds:
        print_text("  " + ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in report.seconds.items()), "dim")
    if report.run_id:
        print_text(f"  run {report.run_id}", "dim")
    print_text(DISCLAIMER, "dim")
