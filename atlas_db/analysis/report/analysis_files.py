"""An analysis as a folder: tables as CSV, figures, how to cite, and what the numbers can be reproduced from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from atlas_db.analysis.report.figure_files import draw_figures
from atlas_db.analysis.report.papers import citation
from atlas_db.analysis.sections import AnalysisOptions
from atlas_db.analysis.tables import AnalysisTable
from atlas_db.core.files import sha256_of, write_whole
from atlas_db.core.safe_text import spreadsheet_cell
from atlas_db.lineage.newest_records import GraphVersion

PROVENANCE, CITATION = "analysis.json", "citation.bib"


def write_analysis(
    folder: Path,
    made: Mapping[str, Sequence[AnalysisTable]],
    graph: GraphVersion,
    options: AnalysisOptions,
    figures: str = "",
) -> list[Path]:
    """Write the tables of an analysis into a folder.

    Args:
        folder: The folder; it is created.
        made: Tables by section.
        graph: The graph that they were computed from.
        options: Options of the analysis.
        figures: svg, png or pdf; empty for none.

    Returns:
        The files: one CSV a table, the figures, `analysis.json` with seed, version and digests, and `citation.bib`.

    Raises:
        UsageError: There is no such format of figures.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tables = {table.name: table for each in made.values() for table in each}
    files = []
    for name, table in tables.items():
        files.append(folder / f"{name}.csv")
        write_whole(files[-1], table.frame.map(spreadsheet_cell).to_csv(index=False).encode())
    drawn = draw_figures(tables, folder, figures) if figures else []
    listed = {
        name: {
            "section": next(section for section, each in made.items() if table in each),
            "title": table.title,
            "definition": table.definition,
            "rows": len(table.frame),
            "sha256": sha256_of(folder / f"{name}.csv"),
        }
        for name, table in tables.items()
    }
    write_whole(folder / CITATION, citation().encode())
    document = {**provenance(graph, options), "tables": listed, "figures": [file.name for file in drawn]}
    write_whole(folder / PROVENANCE, msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")
    return [*files, *drawn, folder / PROVENANCE, folder / CITATION]


def provenance(graph: GraphVersion, options: AnalysisOptions) -> dict[str, Any]:
    """Return what an analysis can be reproduced from: program, graph and options."""
    return {**msgspec.to_builtins(graph), **msgspec.to_builtins(options)}
