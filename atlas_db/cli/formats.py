"""`atlas-db formats`: which formats of weights are read."""

from __future__ import annotations

from atlas_db.cli.common import FormatOption, guarded
from atlas_db.cli.output import Format, write_rows

HELP = """List the formats of weights: what is read of each, from where, and how near to the tool's own values.

`error` is the largest difference to what the tool itself dequantizes, as a share of the largest magnitude. `bytes_read`
is what a fingerprint reads of a model of 1B parameters. `verdict` is what a chart says of copies next to their
original. What is not read is refused by its name and counted, and so is a
model of whose blocks most cannot be read.

Examples:

  atlas-db formats

  atlas-db formats --format json
"""
COLUMNS = ("name", "read", "places", "tool", "error", "bytes_read", "verdict", "unknown")


@guarded
def formats(form: FormatOption = Format.HUMAN) -> None:
    """List the formats of weights."""
    from ingest.formats.format_registry import format_rows

    write_rows(COLUMNS, [row._asdict() for row in format_rows()], form, "Formats of weights")
