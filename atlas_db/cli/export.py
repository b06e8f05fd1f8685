"""`atlas-db export`: the graph, or a part of it, as files of other tools."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atlas_db.cli.common import ReportFormatOption, StoreOption, guarded, opened, settings_for, shown_progress
from atlas_db.cli.output import Format, draw, print_text, write_json, write_line
from atlas_db.cli.query import ParamOption, run_any

if TYPE_CHECKING:
    from atlas_db.export.write_export import ExportReport, QueryRows
    from atlas_db.store.bolt import Store

HELP = """Write the graph, or a part of it, as files of other tools.

parquet, csv and jsonl hold tables: one file a node label, one a relationship type. graphml, gexf and networkx hold a
graph in one file, pyg holds tables and tensors. All hold models and lineage, unless --tables names others. Claims keep
their columns: source, confidence, method, dates.

With --query, formats of tables hold the rows of that query. Graphs hold the models of its column `id`, and the edges
among them. The folder gets a manifest with rows and SHA-256 of each file. No file is ever half written. The same
command completes an export that was interrupted.

Examples:

  atlas-db export --to parquet --out tables/

  atlas-db export --to graphml --out family/ --query descendants --param model=mistralai/Mistral-7B-v0.1

  atlas-db export --to pyg --out pyg/ --tables Model,Dataset,DERIVED_FROM,TRAINED_ON
"""


class ExportFormat(StrEnum):
    """Formats of an export."""

    PARQUET = "parquet"
    CSV = "csv"
    JSONL = "jsonl"
    GRAPHML = "graphml"
    GEXF = "gexf"
    NETWORKX = "networkx"
    PYG = "pyg"


@guarded
def export(
    to: Annotated[ExportFormat, typer.Option("--to", help="Format of the files.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", help="Folder for the files.", show_default=False)],
    tables: Annotated[
        str, typer.Option("--tables", help="Labels and relationship types, separated by commas.", show_default="all")
    ] = "",
    query: Annotated[
        str, typer.Option("--query", help="A shipped query, Cypher, a .cypher file, or -.", show_default=False)
    ] = "",
    param: ParamOption = None,
    store: StoreOption = None,
    form: ReportFormatOption = Format.HUMAN,
) -> None:
    """Export the graph."""
    from atlas_db.export.write_export import export_graph

    names = [name.strip() for name in tables.split(",") if name.strip()]
    with opened(settings_for(store)) as graph, shown_progress() as progress:
        chosen = _chosen(graph, query, param) if query else None
        report = export_graph(graph, out, to, tables=names, chosen=chosen, progress=progress)
    _print(report, form)


def _chosen(graph: Store, query: str, param: list[str] | None) -> QueryRows:
    from atlas_db.export.write_export import QueryRows

    parameters, columns, rows = run_any(graph, query, param)
    return QueryRows(query, parameters, columns, rows)


def _print(report: ExportReport, form: Format) -> None:
    import msgspec

    if form is Format.JSON:
        write_json({**msgspec.to_builtins(report.manifest), "folder": str(report.folder), "kept": list(report.kept)})
        return
    files = report.manifest.files
    if form is Format.QUIET:
        for name in files:
            write_line(str(report.folder / name))
        return
    rows = [
        {"file": str(report.folder / name), "rows": sum(file.rows.values()), "MiB": round(file.bytes / 2**20, 3)}
        for name, file in files.items()
    ]
    draw(("file", "rows", "MiB"), rows)
    if report.kept:
        print_text(f"{len(report.kept)} files were kept of an export that was interrupted")
    print_text(f"Digests and versions: {report.folder / 'manifest.json'}", "dim")
