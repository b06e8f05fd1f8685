"""`atlas-db load`: files of the Hub into the graph."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from atlas_db.cli.common import ReportFormatOption, StoreOption, guarded, home_of, opened, settings_for, shown_progress
from atlas_db.cli.invocation import command, on_store
from atlas_db.cli.output import Format, print_text, write_json, write_line
from atlas_db.core.errors import FAULT, EmptyStoreError
from atlas_db.core.extras import missing_package
from atlas_db.core.terms import Progress, RecordKind

if TYPE_CHECKING:
    from atlas_db.store.bolt import Store
    from ingest.load.load_report import LoadReport

HELP = """Load Hub lists, API answers and model cards into the graph.

Accepted are lists of models and datasets, answers for single models, and cards. They come as JSON lines (plain, .gz,
.zst), JSON arrays and objects, Parquet, README.md files, folders of these, and standard input (-). A bad record is set
aside with file, line and reason; the load continues. Loading again changes only what differs, and completes an
interrupted load; the first load of a local store starts anew. A large first load of a `neo4j-local` store goes through
Neo4j's offline import, by itself. With the extra `dashboard`, its statistics are computed afterwards (a minute for
680,000 models; --no-statistics leaves that to its first start).

Examples:

  atlas-db load models.jsonl.zst datasets.jsonl.zst

  atlas-db load --as-of 2024-07-01 --dry-run models.jsonl

  zstd -dc models.jsonl.zst | head -1000 | atlas-db load -

  atlas-db load models.jsonl.zst --export-csv import/
"""


@guarded
def load(
    paths: Annotated[list[str], typer.Argument(help="Files, folders, or - for standard input.", show_default=False)],
    store: StoreOption = None,
    as_of: Annotated[
        str, typer.Option("--as-of", help="Date of the snapshot; by default the newest in each file.")
    ] = "",
    kind: Annotated[
        RecordKind | None, typer.Option("--kind", help="Kind of the records, where their fields do not show it.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing; print what would change.")] = False,
    export_csv: Annotated[
        Path | None, typer.Option("--export-csv", help="Write Neo4j's offline-import files into this folder instead.")
    ] = None,
    statistics: Annotated[
        bool, typer.Option("--statistics/--no-statistics", help="Compute the dashboard's statistics afterwards.")
    ] = True,
    form: ReportFormatOption = Format.HUMAN,
) -> None:
    """Load files into the graph."""
    from ingest.load.load_records import load as load_files
    from ingest.load.stream import LoadOptions

    settings = settings_for(store)
    options = LoadOptions(home_of(settings), as_of, kind, dry_run, settings.batch_rows)
    if export_csv is not None:
        _export(paths, options, export_csv, form)
        return
    with opened(settings) as graph, shown_progress() as progress:
        report = load_files(graph, paths, options, progress)
        print_load_report(report, form, store)
        if statistics and not dry_run:
            _count(graph, settings.home, progress)


def _count(graph: Store, home: Path, progress: Progress) -> None:
    """Compute the dashboard's statistics, where it is installed and the store has models."""
    if missing_package("dashboard"):
        return
    from atlas_db.dashboard.aggregates import fresh_bundle

    with suppress(EmptyStoreError):
        fresh_bundle(graph, home, progress)


def _export(paths: list[str], options: Any, folder: Path, form: Format) -> None:  # noqa: ANN401
    from ingest.load.csv_export import export_csv

    with shown_progress() as progress:
        report, importing = export_csv(paths, options, folder, progress)
    if form is Format.JSON:
        write_json({**report.counts(), "folder": str(folder), "command": importing})
        return
    print_load_report(report, form)
    print_text("Import into a stopped, empty Neo4j with:")
    write_line(importing)


def print_load_report(report: LoadReport, form: Format, store: str | None = None) -> None:
    """Print the report of a load into a store."""
    from ingest.load.stream import NO_DATE, SKIPPED_FILE

    if form is Format.JSON:
        write_json({**report.counts(), "run_id": report.run_id, "seconds": report.seconds})
        return
    if form is Format.QUIET:
        write_line(report.run_id)
        return
    verb = "Would change" if report.dry_run else "Loaded"
    kinds = ", ".join(f"{number:,} {kind}s" for kind, number in sorted(report.records.items()))
    print_text(f"{verb}: {report.rows:,} rows as of {report.as_of} ({kinds})", "bold")
    for title, counter in (
        ("nodes", report.nodes),
        ("claims", report.claims),
        ("lineage", report.lineage),
        ("parents by resolution", report.parents),
        ("edges by relation", report.edges),
        ("claims of this input", report.claims_by_type),
    ):
        if counter:
            print_text(f"  {title}: " + ", ".join(f"{number:,} {key}" for key, number in counter.most_common()))
    if report.rejects:
        print_text(f"  {sum(report.rejects.values()):,} items set aside in {report.reject_file}", "yellow")
        for reject in report.first_rejects[:5]:
            print_text(f"    {reject.file}:{reject.line}: {reject.reason}", "yellow")
    if faults := report.rejects[FAULT]:
        where = f"please report it with the lines of that file whose code is {FAULT}"
        print_text(f"  {faults:,} of them met a fault of atlas-db: {where}", "red")
    left_out = {code: number for code, number in report.notes.items() if code not in (NO_DATE, SKIPPED_FILE)}
    if report.skipped:
        more = f" and {len(report.skipped) - 3:,} more" if len(report.skipped) > 3 else ""
        print_text(f"  not read, of another format: {', '.join(report.skipped[:3])}{more}", "yellow")
    if undated := report.notes[NO_DATE]:
        files = "1 input" if undated == 1 else f"{undated:,} inputs"
        print_text(f"  {files} without any date: the date of the file stands for it; --as-of states another", "yellow")
    if left_out:
        print_text("  left out of records that were kept: " + ", ".join(f"{n:,} {k}" for k, n in left_out.items()))
    print_text("  " + ", ".join(f"{stage} {seconds:.1f} s" for stage, seconds in report.seconds.items()), "dim")
    if report.run_id:
        undo = command("runs", "rollback", report.run_id, *on_store(store))
        print_text(f"  run {report.run_id}; take it back with: {undo}", "dim")
