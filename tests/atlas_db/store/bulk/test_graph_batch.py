"""Tests of `atlas_db/store/bulk/graph_batch.py`, on the local engine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from atlas_db.core.errors import StoreRefusedError, StoreUnavailableError
from atlas_db.core.settings import Settings
from atlas_db.store.bolt import Store
from atlas_db.store.bulk import graph_batch
from atlas_db.store.bulk.first_load import is_cut_off
from atlas_db.store.bulk.graph_batch import GraphBatch
from atlas_db.store.connect import open_store
from atlas_db.store.statements import Statement, create_edges, create_nodes
from tests.support.graphs import load_rows, model, whole

pytestmark = pytest.mark.engine

MODELS: list[dict[str, Any]] = [
    {"id": "a/whole", "downloads": 2**40, "likes": 7, "private": False, "tags": ["x", "#1:2", "@id"]},
    {"id": "#12:0", "name": '{"@type": "edge"}', "created_at": "2024-01-01T00:00:00Z", "likes": -1},
    {"id": 'a/"\\\n\u2028é😀', "name": "1.0", "author": "true", "tags": ["null", "7"]},
]
CLAIMS: list[list[Any]] = [["a/whole", "mit", 1.0], ["#12:0", "mit", 0.1], ["#12:0", "@from", 1e-9]]
COMMON = {"source": "declared", "first_seen": "2024-07-01", "run_id": "r"}
BACK = Statement(
    "MATCH (l:License)<-[r:HAS_LICENSE]-(m:Model) RETURN l.id AS l, m.id AS m, r.confidence AS c ORDER BY c"
)


def in_cypher(store: Store) -> None:
    """Write the same by Cypher."""

    def work(tx: Any) -> None:
        tx.run_batch(create_nodes("Model"), MODELS)
        tx.run_batch(create_nodes("License"), [{"id": name} for name in ("mit", "@from")])
        statement = create_edges("HAS_LICENSE", "Model", "License", ("confidence",), tuple(COMMON))
        tx.run_batch(statement, CLAIMS, common=COMMON)
        tx.run_batch(create_edges("DERIVED_FROM", "Model", "Model"), [["#12:0", "a/whole"]])

    store.write(work)


def send(batch: GraphBatch) -> None:
    for props in MODELS:
        batch.node("Model", {**props, "sha": None})
    for name in ("mit", "@from"):
        batch.node("License", {"id": name})
    batch.edges("HAS_LICENSE", "Model", "License", CLAIMS, ("confidence",), COMMON)
    batch.edges("DERIVED_FROM", "Model", "Model", [["#12:0", "a/whole", None]], ("confidence",))
    batch.flush()


@pytest.mark.parametrize("max_bytes", [1, graph_batch.MAX_BYTES], ids=["a batch a line", "one batch"])
def test_a_batch_makes_the_graph_that_cypher_makes(
    own_engine: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, max_bytes: int
) -> None:
    monkeypatch.setattr(graph_batch, "MAX_BYTES", max_bytes)
    with open_store(own_engine) as store:
        assert store.batches is not None
        with GraphBatch(store, store.batches) as batch:
            send(batch)
        sent, back = whole(store), store.read(BACK)
        assert [row["c"] for row in back] == [1e-9, 0.1, 1.0], "an edge is known at both of its ends"
        store.write(lambda tx: tx.run(Statement("MATCH (n) WHERE NOT n:Atlas DETACH DELETE n")))
        in_cypher(store)
        assert sent == whole(store)
    assert not is_cut_off(tmp_path / "store")


def test_whole_numbers_keep_64_bits_whatever_the_first_load_held(own_engine: Settings, tmp_path: Path) -> None:
    """An index that is built over numbers of 32 bits would refuse larger ones ever after."""
    with open_store(own_engine) as store:
        load_rows(store, tmp_path, [model("a/small", downloads=7)])
        load_rows(store, tmp_path, [model("a/large", downloads=2**40), model("a/small", downloads=2**31)])
        found = store.read(
            Statement("MATCH (m:Model) RETURN m.downloads AS n, m.downloads + m.downloads AS s ORDER BY n")
        )
    assert [(row["n"], row["s"]) for row in found] == [(2**31, 2**32), (2**40, 2**41)]


def test_what_the_engine_refuses_is_an_error_and_leaves_an_empty_store(own_engine: Settings, tmp_path: Path) -> None:
    with open_store(own_engine) as store:
        assert store.batches is not None
        with pytest.raises(StoreRefusedError, match="refused a batch"), GraphBatch(store, store.batches) as batch:
            send(batch)
            batch.node("Model", {"id": "a/whole"})
            batch.flush()
        assert len(whole(store)[0]) >= len(MODELS)
    assert is_cut_off(tmp_path / "store")
    with open_store(own_engine) as store:
        assert whole(store) == ([], [])
        assert store.batches is not None
        with pytest.raises(StoreRefusedError), GraphBatch(store, store.batches._replace(password="wrong")):
            pass
        with pytest.raises(StoreUnavailableError, match="no batch"), GraphBatch(store, store.batches._replace(port=1)):
            pass


def test_an_edge_to_a_node_that_was_not_added_is_an_error(own_engine: Settings) -> None:
    with open_store(own_engine) as store:
        assert store.batches is not None
        with pytest.raises(KeyError, match="nobody"), GraphBatch(store, store.batches) as batch:
            batch.node("Model", {"id": "a/whole"})
            batch.edges("DERIVED_FROM", "Model", "Model", [["a/whole", "nobody"]])
            batch.flush()
