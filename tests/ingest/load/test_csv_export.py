"""What `load --export-csv` writes, taken in by Neo4j's own import tool, is the graph that a load makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from atlas_db.core.settings import Settings
from atlas_db.pipeline.sample import AS_OF, sample_files
from atlas_db.store.connect import open_store
from atlas_db.store.managed_engine import stop_engine
from atlas_db.store.neo4j_version import LTS
from benchmarks.offline import import_files
from ingest.load.csv_export import export_csv
from ingest.load.load_records import load
from ingest.load.stream import LoadOptions
from tests.support.graphs import child, whole, write_rows


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_offline_import_makes_the_same_graph(tmp_path: Path, engine_cache: Path, neo4j_settings: Settings) -> None:
    odd = [child('it\'s/a"b\nc', "x;y/z,\\w", tags=["with;semicolon", "with,comma", ""]), child("twice/told", "gpt2"),
           child("twice/told", "mlabonne/Beagle14-7B", downloads=99)]  # fmt: skip
    extra = write_rows(tmp_path / "odd.jsonl", odd)
    options = LoadOptions(tmp_path, as_of=AS_OF)
    paths = [*sample_files(), extra]
    report, command = export_csv(paths, options, tmp_path / "csv", lambda *_: None)
    with open_store(Settings(home=tmp_path, store=f"local:{tmp_path / 'local'}", heap="512m")) as store:
        assert load(store, paths, options).records == report.records
        expected = whole(store)
    stop_engine(tmp_path / "local")

    folder = tmp_path / "imported"
    version = neo4j_settings.neo4j_version or LTS
    import_files(command, folder, engine_cache, version)
    (tmp_path / "cache").symlink_to(engine_cache)
    with open_store(Settings(home=tmp_path, store=f"neo4j-local:{folder}", heap="1g")) as store:
        assert store.engine == f"Neo4j/{version}"
        nodes, edges = whole(store)
    stop_engine(folder)
    assert nodes == expected[0]
    assert edges == expected[1]
