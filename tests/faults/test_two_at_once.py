"""Two commands at once on one store: one waits for the other, and both do their work."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from atlas_db.core.errors import StoreLockedError
from atlas_db.core.locks import exclusive_lock
from atlas_db.core.settings import Settings
from atlas_db.pipeline.sample import sample
from atlas_db.store.connect import open_store
from ingest.hub import api_listing
from ingest.weights.fingerprints.batch import LOCK_FILE, fingerprint_all
from tests.support.command import ATLAS, environment, run, run_json
from tests.support.graphs import child, model, whole, write_rows
from tests.support.stores import wipe
from tests.support.waiting import COUNT


@pytest.mark.engine
@pytest.mark.slow
def test_two_first_loads_at_once_both_come_through(own_engine: Settings, tmp_path: Path) -> None:
    """Engine, schema and statistics do not exist yet: each is made once, and nothing of either list is lost."""
    lists = [
        write_rows(tmp_path / f"{name}.jsonl", [model(f"{name}/base"), *(child(f"{name}/m{n}", f"{name}/base") for n in range(300))])
        for name in ("one", "two")
    ]  # fmt: skip
    env = environment(tmp_path, ATLAS_DB_STORE=own_engine.store, ATLAS_DB_HEAP=own_engine.heap)
    both = [
        subprocess.Popen([*ATLAS, "load", path], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for path in lists
    ]
    said = [process.communicate(timeout=120)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    with open_store(own_engine) as store:
        assert store.read(COUNT) == [{"n": 602}]


@pytest.mark.engine
@pytest.mark.slow
def test_a_reader_during_a_load_reads_what_was_written_so_far(own_engine: Settings, tmp_path: Path) -> None:
    """Each answer is of before or of after, none goes back, and the graph is that of a load that nobody watched."""
    environ = {"ATLAS_DB_STORE": own_engine.store, "ATLAS_DB_HEAP": own_engine.heap, "ATLAS_DB_BATCH_ROWS": "50"}
    lists = [
        write_rows(tmp_path / f"{base}.jsonl", [model(f"{base}/base"), *(child(f"a/m{n}", f"{base}/base", tags=[f"license:{license}"], createdAt=f"2024-0{month}-01T00:00:00.000Z") for n in range(800))])
        for base, license, month in (("old", "mit", 1), ("new", "apache-2.0", 2))
    ]  # fmt: skip
    run(tmp_path, "load", lists[0], **environ)
    with subprocess.Popen(
        [*ATLAS, "load", lists[1]], env=environment(tmp_path, **environ), stdout=subprocess.DEVNULL
    ) as loading:
        seen = []
        while loading.poll() is None:
            read = run_json(tmp_path, "query", "MATCH (m:Model {id: 'a/m700'}) RETURN m.license AS license", **environ)
            lineage = run(tmp_path, "lineage", "a/m700", **environ).stdout
            seen.append((read[0]["license"], "new/base" in lineage))
    assert loading.returncode == 0
    assert len(seen) > 2 and seen == sorted(seen, key=lambda each: (each[0] == "apache-2.0", each[1])), seen
    with open_store(own_engine) as store:
        watched = whole(store)
        wipe(store)
    for each in lists:
        run(tmp_path, "load", each, **environ)
    with open_store(own_engine) as store:
        assert whole(store) == watched


@pytest.mark.slow
def test_two_processes_do_not_fingerprint_into_one_file(tmp_path: Path) -> None:
    """One makes the file; the other is told at once, and finds all of it made afterwards."""
    words = [*ATLAS, "fingerprint", str(sample() / "weights"), "--out", str(tmp_path / "fp.parquet")]
    both = [
        subprocess.Popen(words, env=environment(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(2)
    ]
    said = [process.communicate(timeout=120)[0] for process in both]
    codes = sorted(process.returncode for process in both)
    assert codes in ([0, 0], [0, StoreLockedError.exit_code]), said
    assert codes == [0, 0] or any("another process writes" in each for each in said), said
    assert [each.name for each in tmp_path.glob("fp.*")] == ["fp.parquet"]


def test_a_file_of_fingerprints_has_one_writer(tmp_path: Path) -> None:
    parts = tmp_path / "fp.parquet.parts"
    parts.mkdir()
    with (
        exclusive_lock(parts / LOCK_FILE, "busy"),
        pytest.raises(StoreLockedError, match="another process writes"),
    ):
        fingerprint_all([], tmp_path / "fp.parquet", lambda *_: None)
    assert not (tmp_path / "fp.parquet").exists()
    fingerprint_all([], tmp_path / "fp.parquet", lambda *_: None)
    assert not parts.exists()


def test_a_folder_of_a_listing_has_one_writer(tmp_path: Path) -> None:
    with (
        exclusive_lock(tmp_path / api_listing.LOCK_FILE, "busy"),
        pytest.raises(StoreLockedError, match="another process fetches"),
    ):
        api_listing.fetch(tmp_path)
