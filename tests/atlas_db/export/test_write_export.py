"""Tests of `atlas_db/export/`, on both engines: each format is read by a second tool."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import networkx as nx
import pandas as pd
import polars as pl
import pytest
from safetensors.torch import load_file
from torch_geometric.data import HeteroData

from atlas_db.core.errors import EmptyStoreError, InputError, UsageError
from atlas_db.core.safe_text import visible
from atlas_db.export import graph_tables as graph_tables_module
from atlas_db.export.graph_tables import graph_tables
from atlas_db.export.write_export import QueryRows, export_graph
from atlas_db.store.bolt import Store
from atlas_db.store.statements import Statement
from tests.support.graphs import child, load_rows, model

FORMULA = "=1+1"
_NAME = Statement("MATCH (m:Model {id: 'a/root'}) SET m.license_name = $text")
CONTROL = "bell\x07\x1b[31m & <b>"


@pytest.fixture
def filled(store: Store, tmp_path: Path) -> Store:
    rows = [
        model("a/root", tags=["license:mit", FORMULA, "en"], library_name="transformers"),
        child("b/leaf", "a/root", tags=["license:apache-2.0", "dataset:d/set"], pipeline_tag="text-generation"),
        child("c/merge", "a/root", "b/leaf", tags=["merge"]),
        child("mit", "a/gone", downloads=2**40),
    ]
    load_rows(store, tmp_path, rows)
    store.write(lambda tx: tx.run(_NAME, text=CONTROL))
    return store


def counts(store: Store) -> dict[str, int]:
    """Count nodes by label and edges by type, with statements of this test's own."""
    nodes = store.read(Statement("MATCH (n) RETURN labels(n)[0] AS name, count(*) AS n"))
    edges = store.read(Statement("MATCH ()-[r]->() RETURN type(r) AS name, count(*) AS n"))
    return {row["name"]: row["n"] for row in [*nodes, *edges] if row["name"] != "Atlas"}


def test_parquet_holds_all_and_polars_reads_it(filled: Store, tmp_path: Path) -> None:
    report = export_graph(filled, tmp_path / "out", "parquet")
    found: dict[str, int] = {}
    for file in (tmp_path / "out").glob("*.parquet"):
        kind = file.name.partition(".")[0]
        found[kind] = found.get(kind, 0) + pl.read_parquet(file).height
    assert {kind: n for kind, n in found.items() if n} == counts(filled)
    models = pl.read_parquet(tmp_path / "out" / "Model.parquet")
    assert models.schema["created_at"] == pl.Datetime("us", "UTC") and models.schema["downloads"] == pl.Int64
    row = models.row(by_predicate=pl.col("id") == "mit", named=True)
    assert (row["created_at"], row["downloads"]) == (datetime(2024, 1, 1, tzinfo=UTC), 2**40)
    assert models.row(by_predicate=pl.col("id") == "a/root", named=True)["license_name"] == CONTROL
    claims = pl.read_parquet(tmp_path / "out" / "CLAIMS_PARENT.parquet")
    assert set(claims["source"]) == {"declared"} and {"confidence", "method", "run_id", "evidence"} <= set(
        claims.columns
    )
    assert report.manifest.complete
    rows = {name: sum(file.rows.values()) for name, file in report.manifest.files.items()}
    assert rows["CLAIMS_PARENT.parquet"] == claims.height


def test_answers_in_parts_hold_each_row_once(filled: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graph_tables_module, "NODES_AT_ONCE", 2)
    monkeypatch.setattr(graph_tables_module, "STARTS_AT_ONCE", 2)
    steps: list[tuple[str, int, int]] = []
    for name in ("Model", "CLAIMS_PARENT"):
        table = graph_tables()[name]
        rows = [row for batch in table.stream(filled, lambda *step: steps.append(step)) for row in batch.to_pylist()]
        assert len(rows) == counts(filled)[name]
        assert len({(row.get("id"), row.get("start"), row.get("end"), row.get("method")) for row in rows}) == len(rows)
    assert steps[0] == ("export Model", 2, 5) and steps[-1] == ("export CLAIMS_PARENT", 5, 5)


def test_csv_and_json_lines_are_read_by_pandas_and_duckdb(filled: Store, tmp_path: Path) -> None:
    for form in ("csv", "jsonl"):
        export_graph(filled, tmp_path / form, form, tables=["Model", "DERIVED_FROM"])
    frame = pd.read_csv(tmp_path / "csv" / "Model.csv", parse_dates=["created_at"], dtype={"downloads": "Int64"})
    by_id = frame.set_index("id")
    assert by_id.loc["mit", "downloads"] == 2**40 and by_id.created_at.dt.year.dropna().unique().tolist() == [2024]
    assert FORMULA in json.loads(by_id.loc["a/root", "tags"])
    ends = duckdb.sql(f'SELECT "start", "end" FROM read_json(\'{tmp_path}/jsonl/DERIVED_FROM.jsonl\')').fetchall()
    assert set(ends) == {("b/leaf", "a/root"), ("c/merge", "a/root"), ("c/merge", "b/leaf"), ("mit", "a/gone")}
    lines = [json.loads(line) for line in (tmp_path / "jsonl" / "Model.jsonl").read_bytes().splitlines()]
    assert CONTROL in {row["license_name"] for row in lines}
    assert {frozenset(row) for row in lines} == {frozenset(graph_tables()["Model"].schema.names)}


@pytest.mark.parametrize("form", ["graphml", "gexf", "networkx"])
def test_networkx_reads_the_graph_files(filled: Store, tmp_path: Path, form: str) -> None:
    def read(folder: str) -> Any:
        file = next(each for each in (tmp_path / folder).iterdir() if each.name.startswith("graph."))
        if form == "networkx":
            return nx.node_link_graph(json.loads(file.read_text()), edges="edges")
        return (nx.read_graphml if form == "graphml" else nx.read_gexf)(file)

    export_graph(filled, tmp_path / "lineage", form)
    graph = read("lineage")
    assert graph.is_directed() and not graph.is_multigraph()
    assert nx.descendants(graph, "c/merge") == {"a/root", "b/leaf"}
    assert graph.nodes["mit"]["downloads"] == 2**40
    assert datetime.fromisoformat(graph.nodes["mit"]["created_at"]) == datetime(2024, 1, 1, tzinfo=UTC)
    assert graph.edges["b/leaf", "a/root"]["status"] == "declared"
    shown = CONTROL if form == "networkx" else visible(CONTROL)
    assert graph.nodes["a/root"]["license_name"] == shown
    export_graph(filled, tmp_path / "more", form, tables=["DERIVED_FROM", "CLAIMS_PARENT", "HAS_LICENSE.Model.License"])
    more = read("more")
    assert {more.nodes[node]["node_type"] for node in ("mit", "License:mit")} == {"Model", "License"}
    types = [kind for *_, kind in more.edges(data="edge_type")]
    assert {kind: types.count(kind) for kind in set(types)} == {
        kind: n for kind, n in counts(filled).items() if kind in ("DERIVED_FROM", "CLAIMS_PARENT", "HAS_LICENSE")
    }


def test_pytorch_geometric_takes_the_tensors(filled: Store, tmp_path: Path) -> None:
    export_graph(filled, tmp_path / "pyg", "pyg", tables=["DERIVED_FROM", "TRAINED_ON"])
    data = HeteroData()
    for name, tensor in load_file(tmp_path / "pyg" / "graph.safetensors").items():
        kind, _, attribute = name.rpartition(".")
        ends = tuple(kind.split("/"))
        data[ends if len(ends) == 3 else kind][attribute] = tensor
    ids = pl.read_parquet(tmp_path / "pyg" / "Model.parquet")["id"].to_list()
    assert data.validate() and data["Model"].num_nodes == len(ids)
    edge = data["Model", "DERIVED_FROM", "Model"]
    pairs = {(ids[a], ids[b]) for a, b in edge.edge_index.T.tolist()}
    assert ("b/leaf", "a/root") in pairs and len(pairs) == 4
    assert edge.declared.all() and not edge.predicted.any()
    assert data["Model"].downloads[ids.index("mit")] == 2**40 and data["Model"].downloads.isnan().sum() == 1
    assert ("Model", "TRAINED_ON", "Dataset") in data.edge_types


def test_a_query_chooses_rows_or_models(filled: Store, tmp_path: Path) -> None:
    columns, rows = filled.run_user_query(
        "MATCH (m:Model) WHERE m.id < 'c' RETURN m.id AS id, m.created_at AS created_at", {}
    )
    chosen = QueryRows("mine", {}, columns, rows)
    export_graph(filled, tmp_path / "rows", "parquet", chosen=chosen)
    frame = pl.read_parquet(tmp_path / "rows" / "rows.parquet")
    assert frame.height == len(rows) and frame.schema["created_at"] == pl.Datetime("us", "UTC")
    export_graph(filled, tmp_path / "graph", "graphml", chosen=chosen)
    graph = nx.read_graphml(tmp_path / "graph" / "graph.graphml")
    assert set(graph.nodes) == {row["id"] for row in rows} and set(graph.edges) == {("b/leaf", "a/root")}
    with pytest.raises(UsageError, match="column `id`"):
        export_graph(filled, tmp_path / "no", "gexf", chosen=QueryRows("mine", {}, ["m"], [{"m": 1}]))
    with pytest.raises(UsageError, match="chooses models"):
        export_graph(filled, tmp_path / "no", "gexf", tables=["HAS_TASK"], chosen=chosen)
    with pytest.raises(UsageError, match="table of their own"):
        export_graph(filled, tmp_path / "no", "csv", tables=["HAS_TASK"], chosen=chosen)


def test_an_interrupted_export_leaves_no_half_file_and_goes_on(filled: Store, tmp_path: Path) -> None:
    def stop(stage: str, *_: int) -> None:
        if stage == "export HAS_TASK":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_graph(filled, tmp_path / "out", "parquet", progress=stop)
    assert (tmp_path / "out" / "Model.parquet").exists() and not (tmp_path / "out" / "HAS_TASK.parquet").exists()
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["complete"] is False
    (tmp_path / "out" / "Dataset.parquet").write_bytes(b"torn")
    report = export_graph(filled, tmp_path / "out", "parquet")
    assert "Model.parquet" in report.kept and not {"HAS_TASK.parquet", "Dataset.parquet"} & set(report.kept)
    assert list((tmp_path / "out").glob("*.part")) == []
    assert export_graph(filled, tmp_path / "out", "parquet").kept == ()
    load_rows(filled, tmp_path, [model("z/new")])
    with pytest.raises(KeyboardInterrupt):
        export_graph(filled, tmp_path / "out", "parquet", progress=stop)
    load_rows(filled, tmp_path, [model("z/newer")])
    assert export_graph(filled, tmp_path / "out", "parquet").kept == ()


def test_what_cannot_be_exported_is_refused(store: Store, tmp_path: Path) -> None:
    with pytest.raises(EmptyStoreError):
        export_graph(store, tmp_path / "out", "parquet")
    load_rows(store, tmp_path, [model("a/b")])
    with pytest.raises(UsageError, match="Did you mean DERIVED_FROM"):
        export_graph(store, tmp_path / "out", "parquet", tables=["DERIVED_FORM"])
    with pytest.raises(UsageError, match="needs edges"):
        export_graph(store, tmp_path / "out", "graphml", tables=["Model"])
    with pytest.raises(UsageError, match="jsonl"):
        export_graph(store, tmp_path / "out", "xlsx")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="--out"):
        export_graph(store, tmp_path / "file", "csv")
