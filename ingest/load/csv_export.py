"""CSV export of a load (`load --export-csv`): records and fused lineage as files for Neo4j's bulk import."""

from __future__ import annotations

import secrets
from itertools import chain
from pathlib import Path

from atlas_db.claims import runs
from atlas_db.claims.lineage_sync import add_lineage
from atlas_db.core.terms import Progress, RunKind
from atlas_db.store.bulk.import_files import BulkImportFiles
from atlas_db.store.connect import atlas_node
from atlas_db.store.garbage_collection import gc_tuned
from ingest.hub.snapshot import find_inputs, repeated_ids
from ingest.load.load_report import LoadReport, RejectFile
from ingest.load.new_graph import NewGraphWriter
from ingest.load.stream import LoadOptions, RecordStream


def export_csv(paths: list[str], options: LoadOptions, folder: Path, progress: Progress) -> tuple[LoadReport, str]:
    """Write the bulk-import files of a first load.

    Args:
        paths: Files, folders, `-`.
        options: Options of the load.
        folder: Folder of the CSV files.
        progress: Called with the progress.

    Returns:
        The report and the import command.

    Raises:
        InputError: No record was readable.
    """
    run = runs.new_run(RunKind.LOAD, {})
    report = LoadReport(run_id=run["id"])
    stream = RecordStream(report, options, progress)
    files = stream.with_dates(find_inputs(paths, options.home / "spool"))
    rejects = RejectFile(options.home / "rejects" / f"{report.run_id}.jsonl", report)
    with BulkImportFiles(folder) as out, gc_tuned():
        writer = NewGraphWriter(out, report, options.batch_rows)
        writer.write(stream.records(files, rejects), repeated_ids(files))
        rejects.close()
        stream.require_records()
        progress("lineage", 0, 0)
        report.parents, report.edges, report.lineage = add_lineage(
            out, writer.models, chain.from_iterable(writer.declarations.values()), report.run_id
        )
        out.node("Run", run | runs.end_of_run(report.counts()))
        out.node("Atlas", atlas_node(secrets.token_hex(6)))
        return report, out.command()
