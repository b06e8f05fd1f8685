"""`atlas-db schema`: labels, relationships and properties of the graph."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from atlas_db.cli.common import ReportFormatOption, guarded
from atlas_db.cli.output import Format, print_text, write_json, write_line
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
    form: ReportFormatOption = Format.HUMAN,
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
            print_text(f"({node.label})", "bold")
            print_text(f"  {node.description}", "dim")
            print_text("  " + ", ".join(prop.name for prop in node.properties))
        for rel in SCHEMA.relationships:
            ends = ", ".join(f"({source})-[{rel.type}]->({target})" for source, target in rel.ends)
            print_text(ends, "bold")
            print_text(f"  {rel.description}", "dim")
            if rel.properties:
                print_text("  " + ", ".join(prop.name for prop in rel.properties))
