"""`atlas-db evaluate`: how good completion is, beside every baseline, on months that it has not seen."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atlas_db.cli.common import FormatOption, StoreOption, guarded, home_of, opened, settings_for, shown_progress
from atlas_db.cli.output import Format, draw, print_text, write_json, write_rows
from atlas_db.core.errors import UsageError
from atlas_db.core.extras import require_extra

if TYPE_CHECKING:
    from gnn.evaluation.results import EvaluationReport

HELP = """Measure completion against every baseline, on models that it has not seen.

The default split is by time: learnt on what was declared before --cutoff, tested on the models made from then until
--until. field hides the target and every tag that states it; bare shows id, date and lineage alone, which is how most
models look that truly lack an attribute. Figures: accuracy over models and over authors, macro-F1, expected
calibration error (ECE), accuracy on the surest 50, 80 and 90 %, by subgroup; of parents and datasets hits
at 1 and 10, mean reciprocal rank and recall at 5; and what the network adds to the trees, with 95 % intervals over
resampled authors. Of copied cards the oldest is tested. --splits all takes hours. The newest scores of each attribute
and split are kept for the dashboard.

Examples:

  atlas-db evaluate --attributes license --plots plots/

  atlas-db evaluate --attributes pipeline_tag --splits temporal,authors --format json
"""
MAX_COLUMNS = 5
"""Figures beside each other in a table."""
SPLITS = ("temporal", "random", "authors", "families", "lacking")


@guarded
def evaluate(
    attributes: Annotated[str, typer.Option("--attributes", help="Attributes, or all.")] = "all",
    splits: Annotated[str, typer.Option("--splits", help=f"{', '.join(SPLITS)}, or all.")] = "temporal",
    cutoff: Annotated[str, typer.Option("--cutoff", help="Date up to which is learnt.")] = "2024-04-01",
    until: Annotated[str, typer.Option("--until", help="Date up to which is tested.")] = "2024-06-01",
    baselines: Annotated[bool, typer.Option("--baselines/--no-baselines", help="Run the simpler methods too.")] = True,
    plots: Annotated[Path | None, typer.Option("--plots", help="Folder for reliability curves (PNG).")] = None,
    store: StoreOption = None,
    form: FormatOption = Format.HUMAN,
) -> None:
    """Evaluate completion."""
    require_extra("gnn")
    from gnn.dataset.tasks import HAS_PARENT, TASKS, tasks_for

    chosen = SPLITS if splits == "all" else tuple(part.strip() for part in splits.split(","))
    if unknown := set(chosen) - set(SPLITS):
        raise UsageError(f"there is no split {min(unknown)}", hint=f"Splits: {', '.join(SPLITS)}")
    tasks = tasks_for([name.strip() for name in attributes.split(",") if name.strip() != "all"])
    from atlas_db.store.connect import ensure_schema
    from gnn.dataset.assemble import assemble_graph
    from gnn.evaluation.evaluate import evaluate as measure
    from gnn.evaluation.results import EVALUATIONS, save_report

    reports: list[EvaluationReport] = []
    with shown_progress() as progress:
        settings = settings_for(store)
        with opened(settings) as graph:
            whole = assemble_graph(graph, home_of(settings), tasks)
            kept = home_of(settings) / EVALUATIONS / ensure_schema(graph)
        # Whether there is a parent at all is asked before which.
        measured = [each for task in tasks for each in ((HAS_PARENT, task) if task == TASKS["base_model"] else (task,))]
        for task in measured:
            for kind in chosen:
                dates = f"{cutoff}T00:00:00Z", f"{until}T00:00:00Z"
                new = measure(whole, task, kind, *dates, baselines=baselines, progress=progress)
                save_report(new, kept)
                reports += new
                if form is Format.HUMAN:
                    _show(new)
    if plots is not None:
        from gnn.evaluation.plots import draw_reliability

        files = draw_reliability(reports, plots)
        if form is Format.HUMAN:
            print_text(f"drawn: {', '.join(map(str, files))}")
    if form is Format.JSON:
        write_json([asdict(scores) for scores in reports])
    elif form is not Format.HUMAN:
        rows = [{"attribute": s.attribute, "split": s.split, "view": s.view, **row} for s in reports for row in s.rows]
        write_rows(tuple(dict.fromkeys(name for row in rows for name in row)), rows, form)


def _show(reports: list[EvaluationReport]) -> None:
    """Draw each result in tables that a terminal of usual width holds."""
    for report in reports:
        method, *figures = dict.fromkeys(name for row in report.rows for name in row)
        title = f"{report.attribute}, {report.split} split, {report.view} view: {report.models:,} models"
        for start in range(0, len(figures), MAX_COLUMNS):
            shown = figures[start : start + MAX_COLUMNS]
            draw(
                (method, *shown), [row for row in report.rows if not row.keys().isdisjoint(shown)], title * (not start)
            )
        for name, (mean, low, high) in report.gain.items():
            print_text(f"  the network adds {mean:+.4f} to {name} [{low:+.4f}, {high:+.4f}]")
