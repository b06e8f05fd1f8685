"""`atlas-db evaluate`: accuracy and calibration of completion and of every baseline, on months that it has not seen."""

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
    from gnn.evaluation.evaluation_report import EvaluationReport

HELP = """Measure completion against every baseline, on models that it has not seen.

The default split is by time: it trains on declarations before --cutoff and tests on models made from then until
--until. There are two views of a tested model. with_metadata masks the target and every tag that leaks it. cold_start
shows id, date and lineage only: most models without an attribute look like this. Metrics are accuracy over models and
over authors, macro-F1 and expected calibration error (ECE). Accuracy is shown on the 50, 80 and 90 % of highest
confidence, too, and by subgroup. For parents and datasets they are hits at 1 and 10, mean reciprocal rank and recall at
5. With --network a graph network is trained, too; its gain over the trees has a 95 % interval over resampled authors.
Of copied cards the oldest is tested. --splits all takes hours. The newest reports of each attribute and split are kept
for the dashboard.

Examples:

  atlas-db evaluate --attributes license --plots plots/

  atlas-db evaluate --attributes pipeline_tag --splits temporal,authors --format json
"""
MAX_COLUMNS = 5
"""Metrics in one table at most."""
SPLITS = ("temporal", "random", "authors", "families", "missing")


@guarded
def evaluate(
    attributes: Annotated[str, typer.Option("--attributes", help="Attributes, or all.")] = "all",
    splits: Annotated[str, typer.Option("--splits", help=f"{', '.join(SPLITS)}, or all.")] = "temporal",
    cutoff: Annotated[str, typer.Option("--cutoff", help="Train on models made before this date.")] = "2024-04-01",
    until: Annotated[str, typer.Option("--until", help="Test on models made before this date.")] = "2024-06-01",
    baselines: Annotated[bool, typer.Option("--baselines/--no-baselines", help="Run the baselines, too.")] = True,
    network: Annotated[
        bool, typer.Option("--network", help="Train a graph network, too, and measure what it adds to the trees.")
    ] = False,
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
    from gnn.evaluation.evaluation_report import EVALUATIONS, save_report

    reports: list[EvaluationReport] = []
    with shown_progress() as progress:
        settings = settings_for(store)
        with opened(settings) as graph:
            model_graph = assemble_graph(graph, home_of(settings), tasks)
            folder = home_of(settings) / EVALUATIONS / ensure_schema(graph)
        # Whether there is a parent is evaluated before which one it is.
        measured = [each for task in tasks for each in ((HAS_PARENT, task) if task == TASKS["base_model"] else (task,))]
        for task in measured:
            for kind in chosen:
                dates = f"{cutoff}T00:00:00Z", f"{until}T00:00:00Z"
                new = measure(model_graph, task, kind, *dates, baselines=baselines, network=network, progress=progress)
                save_report(new, folder)
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
    """Print each report as tables of the width of a usual terminal."""
    for report in reports:
        method, *figures = dict.fromkeys(name for row in report.rows for name in row)
        title = f"{report.attribute}, {report.split} split, {report.view.replace('_', ' ')}: {report.models:,} models"
        for start in range(0, len(figures), MAX_COLUMNS):
            shown = figures[start : start + MAX_COLUMNS]
            draw(
                (method, *shown), [row for row in report.rows if not row.keys().isdisjoint(shown)], title * (not start)
            )
        for name, (mean, low, high) in report.gain.items():
            print_text(f"  gain of the network over the trees in {name}: {mean:+.4f} [{low:+.4f}, {high:+.4f}]")
