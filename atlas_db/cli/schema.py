"""`atlas-db schema`: the graph's labels, relationships and properties."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from atlas_db.cli.common import FormatOption, guarded
from atlas_db.cli.output import Format, say, write_json, write_line
from atlas_db.core.schema import SCHEMA
from atlas_db.core.schema import markdown as page

HELP = """Show the graph's labels, relationships and properties.

Examples:

  atlas-db schema

  atlas-db schema --markdown > SCHEMA.md
"""


@guarded
def schema(
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the page SCHEMA.md.")] = False,
    form: FormatOption = Format.HUMAN,
) -> None:
    """Show the graph's schema."""
    if markdown:
        write_line(page().rstrip())
    elif form is Format.JSON:
        write_json(asdict(SCHEMA))
    elif form is Format.QUIET:
        write_line(str(SCHEMA.version))
    else:
        for node in SCHEMA.nodes:
            say(f"({node.label})", "bold")
            say(f"  {node.description}", "dim")
            say("  " + ", ".join(prop.name for prop in node.properties))
        for rel in SCHEMA.relationships:
            ends = ", ".join(f"({source})-[{rel.type}]->({target})" for source, target in rel.ends)
            say(ends, "bold")
            say(f"  {rel.description}", "dim")
            if rel.properties:
                say("  " + ", ".join(prop.name for prop in rel.properties))
