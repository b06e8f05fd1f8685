"""`atlas-db mcp`: the questions of the atlas as tools for agents."""

from __future__ import annotations

from atlas_db.cli.common import StoreOption, guarded
from atlas_db.core.extras import require_extra

HELP = """Serve the atlas to an agent, over the Model Context Protocol on standard input and output.

Each shipped query is a tool; so are lineage, audit, origin, cypher and schema. All of them only read, and nothing
listens on a port. An agent starts this command by itself: add `atlas-db mcp` to its configuration. Needs the extra
`mcp`.

Examples:

  atlas-db mcp --store demo
"""


@guarded
def mcp(store: StoreOption = None) -> None:
    """Serve one client."""
    require_extra("mcp")
    import anyio

    from atlas_db.api.agent_server import serve

    anyio.run(serve, store)
