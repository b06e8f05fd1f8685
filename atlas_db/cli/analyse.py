"""`atlas-db analyse`: tables about the ecosystem of models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atlas_db.cli.common import FormatOption, StoreOption, guarded, home_of, opened, settings_for, shown_progress
from atlas_db.cli.output import Format, print_text, write_json, write_line, write_rows
from atlas_db.core.errors import UsageError
from atlas_db.core.extras import require_extra
from atlas_db.core.files import write_whole
from atlas_db.core.safe_text import spreadsheet_cell

if TYPE_CHECKING:
    from atlas_db.analysis.tables import AnalysisTable

HELP = """Measure the ecosystem: families, similarity, mutation and drift, regions, growth, top tables.

SECTION is one or more of tables, growth, coverage, families, mutation, similarity, regions, findings; all by default.
`similarity` compares related with unrelated pairs of models. `findings` compares the findings of a published study of
the Hub with this atlas: value, 95 % interval and sample size of each. Needs the extra `analysis`.

Examples:

  atlas-db analyse findings

  atlas-db analyse mutation similarity --seed 7 --sample 50000 --format json

  atlas-db analyse --out tables/
"""


@guarded
def analyse(
    sections: Annotated[list[str] | None, typer.Argument(help="Sections; all by default.")] = None,
    seed: Annotated[int, typer.Option("--seed", min=0, help="Seed of every draw.")] = 0,
    sample: Annotated[
        int, typer.Option("--sample", min=100, help="Pairs drawn of each kind, for similarity.")
    ] = 20_000,
    top: Annotated[int, typer.Option("--top", min=1, help="Rows of top tables.")] = 10,
    out: Annotated[Path | None, typer.Option("--out", help="Folder: one CSV file a table.")] = None,
    store: StoreOption = None,
    form: FormatOption = Format.HUMAN,
) -> None:
    """Analyse the atlas."""
    require_extra("analysis")
    from atlas_db.analysis.frames import read_frames
    from atlas_db.analysis.sections import SECTIONS, AnalysisOptions, check_sections
    from atlas_db.analysis.sections import analyse_sections as analyse_atlas

    wanted = sections or list(SECTIONS)
    check_sections(wanted)
    settings = settings_for(store)
    with opened(settings) as graph, shown_progress() as progress:
        atlas = read_frames(graph, home_of(settings), progress)
        made = analyse_atlas(atlas, wanted, AnalysisOptions(seed, sample, top), progress)
    if out is not None:
        _export(out, made)
    _show(made, form)


def _export(out: Path, made: dict[str, list[AnalysisTable]]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    for tables in made.values():
        for table in tables:
            text = table.frame.map(spreadsheet_cell).to_csv(index=False)
            write_whole(out / f"{table.name}.csv", text.encode())


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
