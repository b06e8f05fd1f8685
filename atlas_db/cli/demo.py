"""`atlas-db demo`: a small packaged atlas, five questions, what to try next."""

from __future__ import annotations

from typing import Any

from atlas_db.cli.common import FormatOption, StoreOption, guarded, home_of, opened, settings_for, shown_progress
from atlas_db.cli.output import Format, draw, say, write_json, write_line

HELP = """Load a small packaged atlas and ask it five questions.

Examples:

  atlas-db demo

  atlas-db demo --store local:/tmp/atlas-demo --format json
"""


@guarded
def demo(store: StoreOption = None, form: FormatOption = Format.HUMAN) -> None:
    """Load the packaged atlas and ask it five questions."""
    from atlas_db.demo import AS_OF, NEXT, QUESTIONS, sample_files
    from cypher import library
    from ingest.load import load
    from ingest.stream import LoadOptions

    settings = settings_for(store)
    answers: list[dict[str, Any]] = []
    with opened(settings) as graph, sample_files() as paths:
        with shown_progress() as progress:
            report = load(graph, paths, LoadOptions(home_of(settings), as_of=AS_OF), progress)
        for question in QUESTIONS:
            query = library.find(question.query)
            _, rows = graph.ask(query.text, query.bind(question.parameters))
            answers.append(
                {"question": question.words, "query": query.name, "parameters": question.parameters, "rows": rows}
            )
    if form is Format.JSON:
        write_json({"loaded": report.counts(), "answers": answers, "next": list(NEXT)})
        return
    if form is Format.QUIET:
        write_line(str(report.records["model"]))
        return
    say(f"{report.records['model']:,} real models as of {AS_OF}, {sum(report.edges.values()):,} lineage edges.", "bold")
    for answer in answers:
        typed = " ".join(f"--param {name}={value}" for name, value in answer["parameters"].items())
        say()
        say(answer["question"], "bold")
        say(f"  atlas-db query {answer['query']} {typed}".rstrip(), "dim")
        columns = library.find(answer["query"]).columns
        draw(columns, answer["rows"][:8])
    say()
    say("Try next:", "bold")
    for line in NEXT:
        say(f"  {line}")
