"""Tests of `atlas_db/api/agent_server.py`: the protocol's own client, and a server in a process of its own."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from atlas_db.pipeline.sample import sample
from cypher.query_library import queries
from tests.support.command import ATLAS, environment, run_json

if TYPE_CHECKING:
    from mcp import Client


def session(home: Path, work: Callable[[Client], Awaitable[None]], **environ: str) -> None:
    # The protocol's packages take seconds to import, which the fast tier would pay for nothing.
    from mcp import Client, StdioServerParameters

    server = StdioServerParameters(
        command=ATLAS[0], args=[*ATLAS[1:], "mcp"], env=environment(home, **environ), cwd=home.parent
    )

    async def main() -> None:
        async with Client(server, read_timeout_seconds=120) as client:
            await work(client)

    anyio.run(main)


def test_a_client_asks_every_kind_of_question(demo_home: Path) -> None:
    import jsonschema

    asked: dict[str, Any] = {}

    async def work(client: Client) -> None:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        asked["tools"] = set(tools)
        for tool in tools.values():
            jsonschema.Draft202012Validator.check_schema(tool.input_schema)
            assert tool.input_schema["type"] == "object" and tool.description
            assert tool.annotations is not None and tool.annotations.read_only_hint

        async def ask(name: str, **arguments: Any) -> Any:
            found = await client.call_tool(name, arguments)
            assert json.loads(found.content[0].text) == found.structured_content if not found.is_error else True
            return (found.content[0].text, None) if found.is_error else ("", found.structured_content)

        asked["ancestors"] = await ask("ancestors", model="atlas-demo/tern-chat-code-merge")
        asked["top"] = await ask("top_parents", limit=2)
        asked["lineage"] = await ask("lineage", model="atlas-demo/tern-chat", depth=0)
        asked["audit"] = await ask("audit", models=["atlas-demo/tern-chat"])
        asked["cypher"] = await ask("cypher", query="MATCH (m:Model) RETURN m.id AS id ORDER BY id")
        asked["origin"] = await ask("origin", paths=[str(sample() / "weights" / "tern-chat")])
        asked["schema"] = await ask("schema")
        asked["write"] = await ask("cypher", query="MATCH (m:Model) SET m.likes = 0")
        asked["typo"] = await ask("ancestors", model="atlas-demo/tern-chta")
        asked["wrong"] = await ask("lineage", modle="x")
        asked["nothing"] = await ask("ancestor", model="x")
        asked["nowhere"] = await ask("origin", paths=["acme/thing"])

    session(demo_home, work)
    assert asked["tools"] >= set(queries()) | {"lineage", "audit", "origin", "cypher", "schema"}
    rows = run_json(demo_home, "query", "ancestors", "-p", "model=atlas-demo/tern-chat-code-merge")
    assert asked["ancestors"][1]["rows"] == rows and len(asked["top"][1]["rows"]) == 2
    assert {row["parent"] for row in asked["lineage"][1]["rows"]} >= {"atlas-demo/tern"}
    assert (
        asked["audit"][1]["findings"][0]["rule"] == "non-commercial-lost"
        and "legal advice" in asked["audit"][1]["disclaimer"]
    )
    whole = asked["cypher"][1]
    assert (len(whole["rows"]), whole["total"], whole["complete"]) == (200, 381, False)
    assert asked["origin"][1]["answers"][0]["verdict"] == "comes_from"
    assert "DERIVED_FROM" in asked["schema"][1]["markdown"]
    assert "writes" in asked["write"][0] or "reader" in asked["write"][0]
    assert "Did you mean atlas-demo/tern-chat" in asked["typo"][0]
    assert "modle" in asked["wrong"][0] and "ancestors" in asked["nothing"][0] and "acme/thing" in asked["nowhere"][0]


@pytest.mark.engine
def test_an_empty_atlas_says_so(tmp_path: Path) -> None:
    answers: list[str] = []

    async def work(client: Client) -> None:
        found = await client.call_tool("search", {"text": "bert"})
        assert found.is_error
        answers.append(found.content[0].text)

    session(tmp_path / "home", work)
    assert "empty" in answers[0] and "atlas-db demo" in answers[0]
    run_json(tmp_path / "home", "store", "stop")
