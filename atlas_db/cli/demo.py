"""`atlas-db demo`: the whole flow on a small packaged atlas, a few questions, what to try next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from atlas_db.cli.common import FormatOption, guarded, home_of, opened, settings_for
from atlas_db.cli.output import Format, draw, print_text, write_json, write_line
from atlas_db.cli.run import show, with_progress
from atlas_db.core.errors import UsageError

if TYPE_CHECKING:
    from atlas_db.store.bolt import Store

HELP = """Run the whole flow on a small packaged atlas, and ask it a few questions.

A few hundred real models as the Hub lists them, and eight tiny ones with weights: loaded, fingerprinted, charted,
completed (afresh with the extra gnn, else with the packaged predictions), audited, and exported for the browser (extra
dashboard). It has a store of its own; `--store demo` names it to every other verb.

Examples:

  atlas-db demo

  atlas-db demo --store local:/tmp/atlas-demo --format json
"""


@guarded
def demo(
    store: Annotated[str, typer.Option("--store", help="Another store.")] = "demo", form: FormatOption = Format.HUMAN
) -> None:
    """Run the flow on the packaged atlas and ask a few questions."""
    from atlas_db.pipeline.run import run_pipeline
    from atlas_db.pipeline.sample import NEXT_STEPS, demo_options

    if form is Format.CSV:
        raise UsageError("demo writes no CSV report", hint="Use --format json")
    settings = settings_for(store)
    home_of(settings)
    with with_progress() as (progress, on_stage):
        report = run_pipeline(settings, demo_options(settings.home), progress, on_stage)
    with opened(settings) as graph:
        answers = _answers(graph)
    if form is Format.JSON:
        write_json({**report.to_dict(), "answers": answers, "next": list(NEXT_STEPS)})
        return
    if form is Format.QUIET:
        write_line(str(report.atlas["models"]))
        return
    show(report, store, form)
    for answer in answers:
        typed = " ".join(f"--param {name}={value}" for name, value in answer["parameters"].items())
        print_text()
        print_text(answer["question"], "bold")
        print_text(f"  atlas-db query {answer['query']} {typed}".rstrip(), "dim")
        draw(answer["columns"], answer["rows"][:8])
    print_text()
    print_text("Try next:", "bold")
    for line in NEXT_STEPS:
        print_text(f"  {line}")


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
