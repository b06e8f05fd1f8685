"""`atlas-db run`: all stages of the pipeline."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from atlas_db.cli.common import ReportFormatOption, guarded, home_of, settings_for, shown_progress
from atlas_db.cli.invocation import as_typed, command
from atlas_db.cli.output import Format, draw, errors, print_text, write_json, write_line
from atlas_db.cli.values import profiles
from atlas_db.core.extras import missing_package

if TYPE_CHECKING:
    from atlas_db.core.terms import Progress
    from atlas_db.pipeline.checkpoint import StageResult
    from atlas_db.pipeline.run import PipelineReport

HELP = """Load, fingerprint, chart, complete, audit and export in one go.

Results go to the folder --out: fingerprints.parquet, edges.jsonl, predictions.jsonl, findings.csv, the dashboard as
site/, and report.json. The graph is in the store. Run the same command again after an interruption: a stage whose
inputs are unchanged is kept. A stage is skipped, with the reason, where its input is too small or its extra is not
installed. CONFIG is a TOML file with the same options (hub, weights, out, store, as_of, attributes, precision, profile,
pages); the command line overrides it.

Examples:

  atlas-db run --hub models.jsonl.zst --hub datasets.jsonl.zst --weights models/ --out atlas/

  atlas-db run --hub models.jsonl.zst --out atlas/ --attributes license,pipeline_tag --format json

  atlas-db run config.toml --dry-run
"""


@guarded
def run(
    config: Annotated[Path | None, typer.Argument(help="TOML file with the options.", show_default=False)] = None,
    hub: Annotated[list[str] | None, typer.Option("--hub", help="A Hub list: file or folder; may be repeated.")] = None,
    weights: Annotated[
        list[Path] | None, typer.Option("--weights", help="A folder of weights, or owner/name; may be repeated.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Folder for results.")] = None,
    as_of: Annotated[
        str | None, typer.Option("--as-of", help="Date of the snapshot; by default the newest in each file.")
    ] = None,
    attributes: Annotated[
        str | None, typer.Option("--attributes", help="Attributes to complete, separated by commas; all by default.")
    ] = None,
    precision: Annotated[
        float | None,
        typer.Option("--precision", min=0, max=1, help="Precision of completion.", show_default="0.95"),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            "--profile",
            help="Of the audit: strict, default, lenient.",
            show_default="default",
            autocompletion=profiles,
        ),
    ] = None,
    pages: Annotated[
        int | None,
        typer.Option("--pages", min=0, help="Models with a page of their own in site/.", show_default="500"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print which stages would be done; do nothing.")] = False,
    store: Annotated[
        str | None,
        typer.Option("--store", help="As for every verb; overrides the one in the TOML file.", show_default="local"),
    ] = None,
    form: ReportFormatOption = Format.HUMAN,
) -> None:
    """Run all stages."""
    from atlas_db.pipeline.config import options_of, read_config
    from atlas_db.pipeline.run import plan, run_pipeline

    values = {} if config is None else read_config(config)
    named = [name.strip() for name in (attributes or "").split(",") if name.strip() not in ("", "all")]
    given = {
        "hub": hub, "weights": weights, "out": out, "as_of": as_of, "attributes": named or None, "precision": precision,
        "profile": profile, "pages": pages, "store": store,
    }  # fmt: skip
    values |= {name: value for name, value in given.items() if value is not None}
    settings = settings_for(values.pop("store", None))
    home_of(settings)
    options = options_of(values)
    if dry_run:
        _show_plan(plan(settings, options), form)
        return
    with with_progress() as (progress, on_stage):
        report = run_pipeline(settings, options, progress, on_stage)
    print_report(report, settings.store, form)


def _show_plan(stages: dict[str, str], form: Format) -> None:
    if form is Format.JSON:
        write_json(stages)
    else:
        for name, state in stages.items():
            print_text(f"{name:<12} {state}")


@contextmanager
def with_progress() -> Iterator[tuple[Progress, Callable[[str, StageResult | None], None]]]:
    """Yield listeners for progress and stages, which print to standard error."""
    with shown_progress() as bars:

        def on_stage(name: str, stage: StageResult | None) -> None:
            if stage is not None:
                errors().print(_line(name, stage), markup=False, soft_wrap=True)
            else:
                bars.begin(name)
                if not errors().is_interactive:
                    errors().print(f"{name:<12} begins", markup=False)

        yield bars, on_stage


def _line(name: str, stage: StageResult) -> str:
    if stage.state == "skipped":
        return f"{name:<12} skipped: {as_typed(stage.reason)}"
    return f"{name:<12} {stage.state:<8} {stage.seconds:>8.1f} s  {_memory(stage)}"


def _memory(stage: StageResult) -> str:
    engine = "" if stage.engine is None else f" + {stage.engine / 2**30:.2f} GiB engine"
    return f"{stage.memory / 2**30:.2f} GiB{engine}"


def print_report(report: PipelineReport, store: str, form: Format) -> None:
    """Print the report of a run."""
    if form is Format.JSON:
        write_json(report.to_dict())
        return
    if form is Format.QUIET:
        write_line(report.out)
        return
    _draw_stages(report.stages)
    atlas = report.atlas
    print_text(f"{atlas['models']:,} models: claims by source", "bold")
    rows = [{"attribute": name, **counts} for name, counts in atlas["claims"].items()]
    draw(("attribute", "declared", "inferred", "predicted", "unknown"), rows)
    print_text("Lineage", "bold")
    print_text("  " + ", ".join(f"{number:,} {status}" for status, number in atlas["lineage"].items()))
    print_text("Licences", "bold")
    print_text("  " + ", ".join(f"{number:,} {verdict}" for verdict, number in atlas["verdicts"].items()))
    draw(("rule", "finding", "verdict", "findings", "models"), atlas["findings"][:8])
    _places(Path(report.out), store)


def _draw_stages(stages: dict[str, StageResult]) -> None:
    rows: list[dict[str, Any]] = []
    for name, stage in stages.items():
        rows.append(
            {
                "stage": name,
                "": stage.state,
                "seconds": stage.seconds if stage.state != "skipped" else None,
                "memory": stage.reason if stage.state == "skipped" else _memory(stage),
            }
        )
    draw(("stage", "", "seconds", "memory"), rows)


def _places(out: Path, store: str) -> None:
    print_text("Results", "bold")
    for file in sorted(each for each in out.iterdir() if each.suffix in (".parquet", ".jsonl", ".csv", ".json")):
        print_text(f"  {file}")
    if (out / "site" / "index.html").is_file():
        print_text(f"  {out / 'site' / 'index.html'}   (opens in a browser)")
    if not missing_package("dashboard"):
        print_text(f"  the graph: {command('dashboard', *(() if store == 'local' else ('--store', store)))}")
