"""`atlas-db analyse`: tables about the ecosystem of models."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atlas_db.cli.common import FormatOption, StoreOption, guarded, home_of, opened, settings_for, shown_progress
from atlas_db.cli.output import Format, print_text, write_json, write_line, write_rows
from atlas_db.core.errors import UsageError
from atlas_db.core.extras import require_extra

if TYPE_CHECKING:
    from atlas_db.analysis.tables import AnalysisTable

HELP = """Measure the ecosystem: families, similarity, mutation and drift, regions, growth, top tables.

SECTION is one or more of tables, growth, coverage, families, mutation, similarity, regions, findings; all by default.
`similarity` compares related with unrelated pairs of models. `findings` compares the findings of a published study of
the Hub with this atlas: value, 95 % interval and sample size of each. --out writes the tables with seed, versions and
dates of the graph (analysis.json), and how to cite (citation.bib). Needs the extra `analysis`.

Examples:

  atlas-db analyse findings

  atlas-db analyse mutation similarity --seed 7 --sample 50000 --format json

  atlas-db analyse --out tables/ --figures svg
"""


class FigureFormat(StrEnum):
    """Formats of figures."""

    SVG = "svg"
    PNG = "png"
    PDF = "pdf"


@guarded
def analyse(
    sections: Annotated[list[str] | None, typer.Argument(help="Sections; all by default.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of every draw.")] = 0,
    sample: Annotated[
        int, typer.Option("--sample", min=100, help="Pairs drawn of each kind, for similarity.")
    ] = 20_000,
    top: Annotated[int, typer.Option("--top", min=1, help="Rows of top tables.")] = 10,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder: one CSV file a table, and where they come from.")
    ] = None,
    figures: Annotated[
        FigureFormat | None,
        typer.Option("--figures", help="Draw figures into the folder of --out.", show_default=False),
    ] = None,
    store: StoreOption = None,
    form: FormatOption = Format.HUMAN,
) -> None:
    """Analyse the atlas."""
    require_extra("analysis")
    from atlas_db.analysis.frames import read_frames
    from atlas_db.analysis.report.analysis_files import provenance, write_analysis
    from atlas_db.analysis.sections import SECTIONS, AnalysisOptions, check_sections
    from atlas_db.analysis.sections import analyse_sections as analyse_atlas
    from atlas_db.lineage.newest_records import read_graph_version

    if figures is not None and out is None:
        raise UsageError("--figures needs a folder", hint="Add --out DIR")
    wanted = sections or list(SECTIONS)
    check_sections(wanted)
    settings = settings_for(store)
    with opened(settings) as graph, shown_progress() as progress:
        atlas = read_frames(graph, home_of(settings), progress)
        options = AnalysisOptions(seed, sample, top)
        made = analyse_atlas(atlas, wanted, options, progress)
        version = read_graph_version(graph)
    if out is not None:
        write_analysis(out, made, version, options, figures or "")
    _show(made, form)
    if form is Format.HUMAN:
        stated = ", ".join(f"{name} {value}" for name, value in provenance(version, options).items() if value != "")
        print_text(f"From {stated}. How to cite: --out DIR writes citation.bib.", "dim")


def _show(made: dict[str, list[AnalysisTable]], form: Format) -> None:
    tables = [table for each in made.values() for table in each]
    match form:
        case Format.JSON:
            write_json({name: [table.to_dict() for table in each] for name, each in made.items()})
        case Format.QUIET:
            for table in tables:
                write_line(table.name)
        case _ if form.is_rows:
            if len(tables) != 1:
                names = ", ".join(made)
                raise UsageError(f"{names} has {len(tables)} tables", hint="Write them to a folder with --out DIR")
            write_rows(list(tables[0].frame.columns), tables[0].to_dict()["rows"], form)
        case _:
            for table in tables:
                write_rows(list(table.frame.columns), table.to_dict()["rows"], form, table.title)
                print_text(f"{table.definition}.", "dim")
                print_text()
