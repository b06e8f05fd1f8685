"""Tests of `atlas_db/api/graph_access.py`, on the demo."""

from __future__ import annotations

from typing import Any

import networkx as nx
import polars as pl
import pytest

from atlas_db.core.errors import UsageError


def test_nodes_and_edges_are_frames_with_true_types(names: dict[str, Any]) -> None:
    atlas = names["atlas"]
    models = atlas.nodes()
    frame = models.to_frame()
    assert str(frame.created_at.dtype) == "datetime64[us, UTC]" and str(frame.downloads.dtype) == "Int64"
    assert pl.from_arrow(models.table).schema["created_at"] == pl.Datetime("us", "UTC")
    assert len(models) == atlas.status().models + atlas.status().placeholders == len(frame)
    assert "<table>" in models._repr_html_() and "381 rows" in repr(models)
    claims = atlas.edges("CLAIMS_PARENT").to_frame()
    assert claims.source.value_counts().to_dict() == {
        row["source"]: row["n"]
        for row in atlas.query("MATCH ()-[c:CLAIMS_PARENT]->() RETURN c.source AS source, count(*) AS n")
    }
    with pytest.raises(UsageError, match="HAS_LICENSE.Dataset.License"):
        atlas.edges("HAS_LICENSE")
    with pytest.raises(UsageError, match="no label of nodes"):
        atlas.nodes("DERIVED_FROM")


def test_networkx_finds_the_ancestors_that_the_queries_find(names: dict[str, Any]) -> None:
    atlas = names["atlas"]
    graph = atlas.to_networkx()
    active = nx.DiGraph((a, b) for a, b, active in graph.edges(data="active") if active)
    merge = "atlas-demo/tern-chat-code-merge"
    assert nx.descendants(active, merge) == set(atlas.query("ancestors", model=merge).column("id"))
    family = atlas.query("descendants", model="mistralai/Mistral-7B-v0.1").column("id")
    part = atlas.to_networkx(models=family)
    assert set(part.nodes) == set(family) and set(part.edges) == set(graph.subgraph(family).edges)
    many = atlas.to_networkx("CLAIMS_PARENT", "HAS_LICENSE.Model.License")
    assert many.is_multigraph() and {kind for _, kind in many.nodes(data="node_type")} == {"Model", "License"}


def test_pytorch_geometric_says_that_the_graph_is_valid(names: dict[str, Any]) -> None:
    atlas = names["atlas"]
    data = atlas.to_pyg("DERIVED_FROM", "HAS_TASK")
    assert data.validate() and set(data.node_types) == {"Model", "Task"}
    edge = data["Model", "DERIVED_FROM", "Model"]
    status = [edge.categories["status"][code] for code in edge.status.tolist()]
    assert {name: status.count(name) for name in set(status)} == {
        row["status"]: row["n"]
        for row in atlas.query("MATCH ()-[e:DERIVED_FROM]->() RETURN e.status AS status, count(*) AS n")
    }
    assert (edge.declared | edge.inferred | edge.predicted).all()
    model = data["Model"]
    place = model.ids.index("mistralai/Mistral-7B-v0.1")
    assert model.categories["license"][model.license[place]] == "apache-2.0"


def test_rows_of_a_query_have_true_types(names: dict[str, Any]) -> None:
    frame = names["atlas"].query("MATCH (m:Model) RETURN m.created_at AS born, m.downloads AS downloads").to_frame()
    assert str(frame.born.dtype) == "datetime64[us, UTC]" and str(frame.downloads.dtype) == "Int64"
