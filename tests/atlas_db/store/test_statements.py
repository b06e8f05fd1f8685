"""Tests of `atlas_db/store/statements.py`."""

from __future__ import annotations

import ast

import pytest

from atlas_db.core.errors import UsageError
from atlas_db.core.schema import SCHEMA
from atlas_db.store import statements
from tests.support.paths import GOLDEN, ROOT

STATEMENTS = GOLDEN / "statements.cypher"


def test_statements_come_from_the_schema_alone() -> None:
    assert statements.create_edges("HAS_LICENSE", "Model", "License", ("confidence",), ("source",)).text == (
        "UNWIND $rows AS row MATCH (a:Model {id: row[0]}) MATCH (b:License {id: row[1]}) "
        "CREATE (a)-[:HAS_LICENSE {confidence: row[2], source: $common.source}]->(b)"
    )
    assert statements.merge_edges("HAS_TASK", "Model", "Task").text == (
        "UNWIND $rows AS row MATCH (a:Model {id: row.a}) MATCH (b:Task {id: row.b}) "
        "MERGE (a)-[r:HAS_TASK {source: row.set.source}]->(b) SET r = row.set"
    )
    assert len(statements.constraints()) == len(SCHEMA.nodes)
    with pytest.raises(UsageError, match="does not join"):
        statements.create_edges("HAS_TASK", "Dataset", "Task")
    with pytest.raises(UsageError, match="unknown properties"):
        statements.create_edges("HAS_TASK", "Model", "Task", ("confidense",))
    with pytest.raises(UsageError, match="no node label .*Did you mean Model"):
        statements.create_nodes("Model) DETACH DELETE (n")
    with pytest.raises(UsageError, match="no relationship type 'HAS_LICENCE'. Did you mean HAS_LICENSE"):
        SCHEMA.relationship("HAS_LICENCE")


def test_no_other_module_builds_a_statement_from_strings() -> None:
    """The text of a statement outside of `statements.py` is a constant, or that of a shipped query."""
    built = []
    for file in (file for name in ("atlas_db", "ingest", "gnn", "cypher") for file in (ROOT / name).rglob("*.py")):
        if file.samefile(statements.__file__):
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "Statement":
                parts = [each for argument in node.args for each in ast.walk(argument)]
                if any(isinstance(each, ast.JoinedStr | ast.BinOp) for each in parts) or any(
                    isinstance(each, ast.Call) and "find_query" not in ast.unparse(each) for each in parts
                ):
                    built.append(f"{file.relative_to(ROOT)}:{node.lineno}")
    assert built == []


def test_live_claims_are_of_known_types() -> None:
    assert "[r:HAS_TASK|CITES]" in statements.live_claims(("HAS_TASK", "CITES")).text
    with pytest.raises(UsageError, match="no relationship type"):
        statements.live_claims(("HAS_TASK]->() DETACH DELETE (m) //",))


def generated() -> str:
    """Every statement the schema gives, one a line, under its name."""
    lines = [f"// constraints\n{s.text};" for s in statements.constraints()]
    lines += [f"// indexes\n{s.text};" for s in statements.indexes()]
    for node in SCHEMA.nodes:
        for make in (
            statements.create_nodes, statements.merge_nodes, statements.ensure_nodes, statements.replace_nodes,
            statements.delete_nodes, statements.read_nodes, statements.count_nodes, statements.orphans,
        ):  # fmt: skip
            lines.append(f"// {make.__name__} {node.label}\n{make(node.label).text};")
    for rel in SCHEMA.relationships:
        for source, target in rel.ends:
            for make in (statements.merge_edges, statements.delete_edges, statements.read_edges):
                lines.append(f"// {make.__name__} {rel.type}\n{make(rel.type, source, target).text};")
        lines.append(f"// count_edges {rel.type}\n{statements.count_edges(rel.type).text};")
    return "\n".join(lines) + "\n"


def test_generated_statements_are_the_golden_ones() -> None:
    """To accept a change: python -c "from tests.atlas_db.store.test_statements import *; STATEMENTS.write_text(generated())"."""
    assert generated() == STATEMENTS.read_text(encoding="utf-8")
