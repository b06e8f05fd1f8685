"""`atlas-db demo`: all stages on a small packaged atlas, a few queries, and what to try next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from atlas_db.cli.common import ReportFormatOption, guarded, home_of, opened, settings_for
from atlas_db.cli.invocation import command
from atlas_db.cli.output import Format, draw, print_text, write_json, write_line
from atlas_db.cli.run import print_report, with_progress
from atlas_db.core.extras import missing_package

if TYPE_CHECKING:
    from atlas_db.store.bolt import Store

HELP = """Build a small packaged atlas with all stages, and query it.

It holds a few hundred real models as the Hub lists them, and eight tiny ones with weights. They are loaded,
fingerprinted, charted, completed (with the extra gnn by training, else from packaged predictions), audited, and
exported for the browser (extra dashboard). The atlas has a store of its own: give `--store demo` to any other verb.

Examples:

  atlas-db demo

  atlas-db demo --store local:/tmp/atlas-demo --format json
"""


@guarded
def demo(
    store: Annotated[str, typer.Option("--store", help="Another store.")] = "demo",
    form: ReportFormatOption = Format.HUMAN,
) -> None:
    """Build the packaged atlas and query it."""
    from atlas_db.pipeline.run import run_pipeline
    from atlas_db.pipeline.sample import demo_options

    settings = settings_for(store)
    home_of(settings)
    with with_progress() as (progress, on_stage):
        report = run_pipeline(settings, demo_options(settings.home), progress, on_stage)
    with opened(settings) as graph:
        answers = _answers(graph)
    if form is Format.JSON:
        write_json({**report.to_dict(), "answers": answers, "next": [line for _, line in _next_steps(store)]})
        return
    if form is Format.QUIET:
        write_line(str(report.atlas["models"]))
        return
    print_report(report, store, form)
    for answer in answers:
        typed = [word for name, value in answer["parameters"].items() for word in ("--param", f"{name}={value}")]
        print_text()
        print_text(answer["question"], "bold")
        print_text(f"  {command('query', answer['query'], *typed, '--store', store)}", "dim")
        draw(answer["columns"], answer["rows"][:8])
    print_text()
    print_text("Try next:", "bold")
    for text, line in _next_steps(store):
        print_text(f"  {text}:", "dim")
        print_text(f"    {line}")


def _next_steps(store: str) -> list[tuple[str, str]]:
    """Return what to try next, with its command line. A step whose extra is not installed is left out."""
    from atlas_db.pipeline.sample import NEXT_STEPS

    return [
        (step.text, command(*step.words, *(("--store", store) if step.on_store else ())))
        for step in NEXT_STEPS
        if not step.extra or not missing_package(step.extra)
    ]


def _answers(graph: Store) -> list[dict[str, Any]]:
    from atlas_db.pipeline.sample import QUESTIONS
    from cypher import query_library

    answers = []
    for question in QUESTIONS:
        query, rows = query_library.run_query(graph, question.query, question.parameters)
        answers.append(
            {
                "question": question.text, "query": query.name, "parameters": question.parameters,
                "columns": list(query.columns), "rows": rows,
            }
        )  # fmt: skip
    return answers
