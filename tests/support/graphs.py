"""Whole graphs as comparable values, and records to make them of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from atlas_db.store.bolt import Store
from atlas_db.store.statements import Statement
from ingest.load.load_records import load
from ingest.load.load_report import LoadReport
from ingest.load.stream import LoadOptions

_NODES = Statement("MATCH (n) WHERE NOT n:Run AND NOT n:Atlas RETURN labels(n)[0] AS label, properties(n) AS props")
_EDGES = Statement(
    "MATCH (a)-[r]->(b) RETURN labels(a)[0] AS la, a.id AS a, type(r) AS rel, labels(b)[0] AS lb, b.id AS b, "
    "properties(r) AS props"
)


def whole(store: Store) -> tuple[list[str], list[str]]:
    """Return all nodes and edges, sorted, without run ids."""
    nodes = [json.dumps({**row, "props": _without_runs(row["props"])}, sort_keys=True) for row in store.read(_NODES)]
    edges = [json.dumps({**row, "props": _without_runs(row["props"])}, sort_keys=True) for row in store.read(_EDGES)]
    return sorted(nodes), sorted(edges)


def _without_runs(props: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in props.items() if not name.endswith("run_id")}


def pairs(store: Store, rel: str, prop: str = "relation") -> set[tuple[str, str, Any]]:
    """Return (start, end, property) of all edges of a type."""
    return {(row["a"], row["b"], row["props"].get(prop)) for row in store.read(_EDGES) if row["rel"] == rel}


def model(identifier: str, **fields: Any) -> dict[str, Any]:
    """Return a list row of a model."""
    tags = fields.pop("tags", [])
    row = {"id": identifier, "modelId": identifier, "downloads": 10, "likes": 1, "private": False, "tags": tags}
    return {**row, "createdAt": "2024-01-01T00:00:00.000Z", **fields}


def child(identifier: str, *parents: str, **fields: Any) -> dict[str, Any]:
    """Return a list row of a model that names parents."""
    tags = [*fields.pop("tags", []), *(f"base_model:{parent}" for parent in parents)]
    return model(identifier, tags=tags, **fields)


def write_rows(path: Path, rows: list[dict[str, Any]]) -> str:
    """Write JSON lines and return the path."""
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def load_rows(store: Store, home: Path, rows: list[dict[str, Any]], **options: Any) -> LoadReport:
    """Load rows from a file of their own."""
    home.mkdir(exist_ok=True, parents=True)
    number = len(list(home.glob("rows-*.jsonl")))
    path = write_rows(home / f"rows-{number}.jsonl", rows)
    return load(store, [path], LoadOptions(home, **options))
