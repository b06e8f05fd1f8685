"""`atlas-db status`: contents of the graph."""

from __future__ import annotations

from typing import Any

from atlas_db.cli.common import FormatOption, StoreOption, guarded, opened, settings_for
from atlas_db.cli.invocation import command
from atlas_db.cli.output import Format, print_text, write_json, write_line, write_rows

HELP = """Show the contents of the graph: nodes, relationships, and the newest run.

Examples:

  atlas-db status

  atlas-db status --format json --store neo4j-local
"""


@guarded
def status(store: StoreOption = None, form: FormatOption = Format.HUMAN) -> None:
    """Show the contents of the graph."""
    from atlas_db.claims.runs import list_runs
    from atlas_db.core.schema import SCHEMA
    from atlas_db.store.contents import count_contents

    settings = settings_for(store)
    with opened(settings) as graph:
        nodes, edges = count_contents(graph)
        runs = list_runs(graph)
        found: dict[str, Any] = {
            "store": settings.store,
            "address": graph.address,
            "engine": graph.engine,
            "schema_version": SCHEMA.version,
            "nodes": nodes,
            "relationships": edges,
            "newest_run": runs[0] if runs else None,
        }
    if form is Format.JSON:
        write_json(found)
    elif form.is_rows:
        kinds = (("node", nodes), ("relationship", edges))
        rows = [{"kind": kind, "name": name, "count": n} for kind, counts in kinds for name, n in counts.items()]
        write_rows(("kind", "name", "count"), rows, form)
    elif form is Format.QUIET:
        write_line(str(nodes["Model"]))
    else:
        _draw(found)


def _draw(found: dict[str, Any]) -> None:
    print_text(f"{found['store']} at {found['address']} ({found['engine']}), schema {found['schema_version']}", "bold")
    for title in ("nodes", "relationships"):
        print_text(f"  {title}")
        for name, number in found[title].items():
            if number:
                print_text(f"    {name:<15}{number:>12,}")
    if (run := found["newest_run"]) is None:
        print_text(f"  It is empty. Load a list: {command('load', 'FILE')}; or run {command('demo')}")
    elif not run["complete"]:
        print_text(f"  The run {run['id']} is incomplete. Run the same command again: it continues.", "yellow")
    else:
        print_text(f"  newest run {run['id']}, finished {run['finished']}", "dim")
