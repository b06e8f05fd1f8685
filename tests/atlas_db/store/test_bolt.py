"""The one door to the driver: queries of users read but do not write, values come back plain, errors are ours."""

from __future__ import annotations

import pytest

from atlas_db.core.errors import StoreError, StoreRefusedError, WriteRefusedError
from atlas_db.store.bolt import Store
from atlas_db.store.statements import Statement


def test_own_cypher_may_read_but_not_write(store: Store) -> None:
    assert store.run_user_query("RETURN $x + 1 AS y", {"x": 1}) == (["y"], [{"y": 2}])
    for text in ("CREATE (n:Model {id: 'x'}) RETURN n", "MERGE (n:Model {id: 'x'})", "MATCH (a:Atlas) SET a.x = 1"):
        with pytest.raises((WriteRefusedError, StoreRefusedError), match="--write"):
            store.run_user_query(text, {})
    assert store.read(Statement("MATCH (m:Model) RETURN count(m) AS n")) == [{"n": 0}]
    store.run_user_query("CREATE (n:Model {id: 'x'})", {}, write=True)
    assert store.read(Statement("MATCH (m:Model) RETURN count(m) AS n")) == [{"n": 1}]
    with pytest.raises(StoreError):
        store.run_user_query("MATCH (n RETURN n", {})


def test_values_come_back_plain(store: Store) -> None:
    store.run_user_query(
        "CREATE (:Model {id: 'x', tags: ['a']})-[:DERIVED_FROM {confidence: 0.5}]->(:Model {id: 'y'})", {}, write=True
    )
    _, rows = store.run_user_query(
        "MATCH p = (a:Model)-[r]->(b) RETURN a, r, datetime('2024-07-01T00:00:00Z').year AS y, p", {}
    )
    assert rows[0]["a"] == {"labels": ["Model"], "id": "x", "tags": ["a"]}
    assert rows[0]["r"] == {"type": "DERIVED_FROM", "confidence": 0.5}
    assert rows[0]["y"] == 2024
    assert [node["id"] for node in rows[0]["p"]["nodes"]] == ["x", "y"]
