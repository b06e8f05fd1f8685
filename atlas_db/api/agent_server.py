"""A server of the Model Context Protocol over standard input and output: the tools of `agent_tools`, read-only."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import anyio
import msgspec
from mcp.server import Server, ServerRequestContext
from mcp.server.stdio import stdio_server
from mcp.types import (
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
    ToolAnnotations,
)

from atlas_db.api.agent_tools import Answer, agent_tools
from atlas_db.api.atlas import Atlas
from atlas_db.core.errors import AtlasError, UsageError, did_you_mean
from atlas_db.core.extras import DISTRIBUTION
from atlas_db.core.terms import SOFTWARE

INSTRUCTIONS = (
    "An atlas of machine-learning models: lineage, licences, datasets, and what weights themselves show. Every edge "
    "and attribute says whether it is declared, inferred from weights, or predicted, and with which confidence. Repeat "
    "that in answers. `unknown` and `not in this atlas` are answers, too. Find ids with `search`."
)


class AgentServer:
    """Answers the calls of one client; the atlas is opened with the first call.

    Args:
        store: Address of the store, as for `atlas_db.connect`.
        home: Home folder, as for `atlas_db.connect`.
    """

    def __init__(self, store: str | None, home: str | Path | None = None) -> None:
        self._open = partial(Atlas, store, home)
        self._tools = agent_tools()
        self._lock = threading.Lock()
        self._atlas: Atlas | None = None
        self._closing = ExitStack()

    def close(self) -> None:
        """Close the atlas, where it was opened."""
        self._closing.close()

    async def list_tools(self, _: ServerRequestContext[Any], __: PaginatedRequestParams | None) -> ListToolsResult:
        """Answer with all tools."""
        return ListToolsResult(
            tools=[
                Tool(
                    name=tool.name,
                    title=tool.title,
                    description=tool.description,
                    input_schema=tool.schema,
                    annotations=ToolAnnotations(
                        title=tool.title, read_only_hint=True, idempotent_hint=True, open_world_hint=False
                    ),
                )
                for tool in self._tools.values()
            ]
        )

    async def call_tool(self, _: ServerRequestContext[Any], params: CallToolRequestParams) -> CallToolResult:
        """Answer one call. An error that the agent can repair is an answer with its message and the next step."""
        try:
            answer = await anyio.to_thread.run_sync(self._answer, params.name, params.arguments or {})
        except AtlasError as error:
            text = f"{error.message}. {error.hint}".strip()
            return CallToolResult(content=[TextContent(type="text", text=text)], is_error=True)
        text = msgspec.json.encode(answer).decode()
        return CallToolResult(
            content=[TextContent(type="text", text=text)], structured_content=msgspec.json.decode(text)
        )

    def _answer(self, name: str, arguments: dict[str, Any]) -> Answer:
        tool = self._tools.get(name)
        if tool is None:
            raise UsageError(f"there is no tool {name!r}", hint=did_you_mean(name, self._tools) or "List the tools")
        with self._lock:
            if self._atlas is None:
                self._atlas = self._closing.enter_context(self._open())
            return tool.answer(self._atlas, arguments)


async def serve(store: str | None) -> None:
    """Serve one client over standard input and output, until it closes them.

    Args:
        store: Address of the store, as for `atlas_db.connect`.
    """
    answers = AgentServer(store)
    server: Server[Any] = Server(
        SOFTWARE,
        version=version(DISTRIBUTION),
        instructions=INSTRUCTIONS,
        on_list_tools=answers.list_tools,
        on_call_tool=answers.call_tool,
    )
    try:
        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())
    finally:
        answers.close()
