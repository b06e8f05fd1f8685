"""Tests of `atlas_db/store/bulk/offline_import.py`, on true Neo4j of both versions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from atlas_db.core.errors import InputError, StoreRefusedError
from atlas_db.core.settings import Settings
from atlas_db.core.terms import Progress
from atlas_db.store.bolt import Store
from atlas_db.store.bulk import offline_import as module
from atlas_db.store.bulk.first_load import IMPORT_FOLDER, NewGraph, is_cut_off
from atlas_db.store.bulk.offline_import import OfflineEndpoint, offline_import, seize_engine
from atlas_db.store.connect import atlas_node, connect, open_store
from atlas_db.store.managed_engine import is_owned
from atlas_db.store.neo4j_version import LTS, NEWEST
from atlas_db.store.statements import Statement, constraints, create_edges, create_nodes, indexes
from tests.support.graphs import whole

pytestmark = [pytest.mark.engine, pytest.mark.neo4j, pytest.mark.slow]

MODELS: list[dict[str, Any]] = [
    {"id": "a/whole", "downloads": 2**40, "likes": 7, "private": False, "tags": ["x", "#1:2", ' "@id", '], "name": ""},
    {"id": "null", "name": ' {"@type": "edge"} ', "placeholder": True, "likes": -1, "tags": ["", ""]},
    {"id": 'a/"\\\n\u2028é😀', "name": "1.0", "author": "a\r\nb", "tags": ["null", "7"]},
    {"id": "a/none", "tags": []},
    {"id": "a/split", "tags": ["x\x1fy", "z"], "base_model": [""]},
]
CLAIMS: list[list[Any]] = [["a/whole", "mit", 1.0], ["null", "mit", 0.1], ["null", "'", 1e-9]]
COMMON = {"source": "declared", "first_seen": "2024-07-01", "evidence": '{"x": ["y\\n"]}'}
SCHEMA_OF = Statement("SHOW INDEXES YIELD labelsOrTypes, properties, owningConstraint, type WHERE type = 'RANGE'")


def _in_cypher(store: Store) -> None:
    def work(tx: Any) -> None:
        tx.run_batch(create_nodes("Model"), MODELS)
        tx.run_batch(create_nodes("License"), [{"id": name} for name in ("mit", "'")])
        statement = create_edges("HAS_LICENSE", "Model", "License", ("confidence",), tuple(COMMON))
        tx.run_batch(statement, CLAIMS, common=COMMON)
        tx.run_batch(create_edges("DERIVED_FROM", "Model", "Model"), [["null", "a/whole"]])

    store.write(work)


def _add(out: NewGraph) -> None:
    out.node("Atlas", atlas_node("5107e"))
    for props in MODELS:
        out.node("Model", {**props, "sha": None})
    for name in ("mit", "'"):
        out.node("License", {"id": name})
    out.edges("HAS_LICENSE", "Model", "License", CLAIMS, ("confidence",), COMMON)
    out.edges("DERIVED_FROM", "Model", "Model", [["null", "a/whole"]])


def _endpoint(store: Store) -> OfflineEndpoint:
    assert store.offline is not None
    return store.offline


def _import(
    store: Store, then: Callable[[NewGraph], None] = lambda _: None, progress: Progress = lambda *_: None
) -> None:
    owner = seize_engine(store, _endpoint(store))
    assert owner is not None
    with offline_import(store, _endpoint(store), owner, progress) as out:
        _add(out)
        then(out)


@pytest.fixture(params=[LTS, NEWEST])
def own_store(own_neo4j: Settings, request: pytest.FixtureRequest) -> Iterator[Store]:
    with open_store(replace(own_neo4j, neo4j_version=request.param)) as store:
        assert store.engine == f"Neo4j/{request.param}"
        yield store


def test_an_import_makes_the_graph_and_the_schema_that_cypher_makes(own_store: Store, tmp_path: Path) -> None:
    _in_cypher(own_store)
    own_store.apply_schema(indexes())
    expected, schema = whole(own_store), own_store.read(SCHEMA_OF)
    assert len(schema) == len(constraints()) + len(indexes())
    own_store.write(lambda tx: tx.run(Statement("MATCH (n) DETACH DELETE n")))
    heard = set()
    _import(own_store, progress=lambda stage, *_: heard.add(stage))
    assert heard == {"import", "start"}
    assert whole(own_store) == expected

    def key(row: dict[str, Any]) -> str:
        return str((row["labelsOrTypes"], row["properties"], bool(row["owningConstraint"])))

    assert sorted(map(key, own_store.read(SCHEMA_OF))) == sorted(map(key, schema))
    assert not is_cut_off(tmp_path / "store")
    left = {file.name for file in (tmp_path / "store").iterdir()}
    assert not left & {IMPORT_FOLDER, "import.args", "import.log"}, left


def _refuse(_: NewGraph) -> None:
    raise InputError("nothing readable came in")


def test_a_tool_that_fails_is_an_error_and_leaves_an_empty_store_that_answers(
    own_neo4j: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_store(own_neo4j) as store:
        with pytest.raises(StoreRefusedError, match=r"import tool failed \(Error importing csv file") as caught:
            _import(store, lambda out: out.node("Model", MODELS[0]))
        assert caught.value.exit_code == 4 and "import.log" in caught.value.hint
        assert whole(store) == ([], [])
        # An engine that another process has started meanwhile is left to that process.
        assert seize_engine(store, _endpoint(store)._replace(stop=lambda: None)) is None
        assert not is_cut_off(tmp_path / "store") and whole(store) == ([], [])
        with pytest.raises(InputError):
            _import(store, _refuse)
        assert whole(store) == ([], [])
        monkeypatch.setattr(module, "constraints", lambda: (Statement("CREATE CONSTRAINT mistyped"),))
        with pytest.raises(StoreRefusedError, match="Invalid input"):
            _import(store)
        assert is_cut_off(tmp_path / "store")
    with open_store(own_neo4j) as store:
        assert whole(store) == ([], [])


def test_only_an_engine_of_one_client_is_replaced(own_neo4j: Settings, tmp_path: Path) -> None:
    with connect(own_neo4j) as store:
        assert _endpoint(store).is_unused()
        with connect(own_neo4j) as other:
            assert not _endpoint(store).is_unused() and not _endpoint(other).is_unused()
        assert _endpoint(store).is_unused()
    assert is_owned(tmp_path / "store")


def test_progress_is_the_share_over_all_stages_that_the_tool_states(tmp_path: Path) -> None:
    log = tmp_path / "import.log"
    log.write_text("Neo4j version: 5.26.30\n")
    assert module._percent(log) == 0
    log.write_text("(1/4) Node import\n.... 100% x\n(3/4) Relationship linking\n.....   5% y\n.... 40% z\n")
    assert module._percent(log) == 60


def test_the_reason_of_a_failure_is_the_last_that_the_tool_states(tmp_path: Path) -> None:
    log = tmp_path / "import.log"
    log.write_text("Neo4j version: 5.26.30\nError in input data\n\nWARNING x\nError importing csv file.\nRun it\n")
    assert module._reason(log) == "Error importing csv file."
    log.write_text(
        "---\nCommand Failed\nError importing csv file.\n\nId twice\n'a' is\n\nFull exception details: x\n---\n"
    )
    assert module._reason(log) == "Error importing csv file. Id twice 'a' is"
    log.write_text('Exception in thread "main" java.lang.OutOfMemoryError: Java heap space\n\tat x.y(Z.java:1)\n')
    assert module._reason(log).endswith("OutOfMemoryError: Java heap space")
    log.write_text("Killed\n")
    assert module._reason(log) == ""
