"""A store of another schema: every verb refuses it plainly, names what to do, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import atlas_db
from atlas_db.core.errors import SchemaVersionError
from atlas_db.core.schema import SCHEMA
from atlas_db.core.settings import Settings
from atlas_db.pipeline.sample import sample
from atlas_db.store.bolt import Store
from atlas_db.store.statements import merge_nodes
from tests.support.command import run
from tests.support.graphs import child, load_rows, model, whole, write_rows

pytestmark = [pytest.mark.engine, pytest.mark.slow]


@pytest.fixture(params=[SCHEMA.version - 1, SCHEMA.version + 1], ids=["older", "newer"])
def other_schema(request: pytest.FixtureRequest, local_store: Store, tmp_path: Path) -> Iterator[Store]:
    load_rows(local_store, tmp_path / "home", [model("a/base"), child("a/m", "a/base", tags=["license:mit"])])
    _state_version(local_store, request.param)
    yield local_store
    _state_version(local_store, SCHEMA.version)


def _state_version(store: Store, version: int) -> None:
    rows = [{"id": "atlas", "set": {"schema_version": version}}]
    store.write(lambda tx: tx.run_batch(merge_nodes("Atlas"), rows))


def test_no_verb_reads_or_writes_another_schema(other_schema: Store, local_settings: Settings, tmp_path: Path) -> None:
    rows, out = write_rows(tmp_path / "rows.jsonl", [model("a/more")]), tmp_path / "out"
    before = whole(other_schema)
    verbs = [
        ["load", rows],
        ["audit", "--all"],
        ["audit", "a/m"],
        ["complete"],
        ["runs"],
        ["runs", "rollback", "load-1"],
        ["export", "--to", "jsonl", "--out", str(out)],
        ["snapshot", str(out / "atlas.parquet")],
        ["lineage", "a/m"],
        ["query", "MATCH (m:Model) RETURN m.id"],
        ["bom", "a/m"],
        ["dashboard", "--export", str(out)],
        ["run", "--hub", str(sample() / "tiny.jsonl"), "--out", str(tmp_path / "run")],
    ]
    for words in verbs:
        done = run(
            local_settings.home, *words, code=SchemaVersionError.exit_code, ATLAS_DB_STORE=local_settings.store,
            ATLAS_DB_HEAP=local_settings.heap,
        )  # fmt: skip
        assert "schema version" in done.stderr and "Rebuild it in a new store" in done.stderr, words
        assert done.stdout == "", words
    with pytest.raises(SchemaVersionError):
        atlas_db.connect(local_settings.store, home=local_settings.home)
    assert whole(other_schema) == before
    assert not out.exists()
