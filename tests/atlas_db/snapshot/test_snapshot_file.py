"""Tests of `atlas_db/snapshot/snapshot_file.py`: what is written is what is read, and damage is named."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_db.core.errors import InputError
from atlas_db.core.terms import RecordKind
from atlas_db.lineage.newest_records import NewestRecords
from atlas_db.snapshot.repositories import KeptRepositories, Repository, named_models
from atlas_db.snapshot.snapshot_file import SnapshotFile, closure, digest_file, write_repositories
from tests.support.kept import answered
from tests.support.license_hub import META, ROWS

NEWEST = NewestRecords("2026-11-29", "")


def _written(folder: Path) -> Path:
    place = answered(ROWS).repositories
    file = folder / "atlas.parquet"
    write_repositories(closure(place, [each.id for each in named_models(place)]), NEWEST, file)
    return file


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    place = answered(ROWS).repositories
    found = SnapshotFile(_written(tmp_path))
    ids = [each.id for each in named_models(place)]
    assert found.find(RecordKind.MODEL, ids).keys() == set(ids)
    for name in ids:
        kept, read = (each.find(RecordKind.MODEL, [name])[name] for each in (place, found))
        assert read.licenses == kept.licenses
        assert read.parents == kept.parents
        assert read.props["last_seen"] == "2026-11-29"
    assert sorted(found.children([META, "p/nc"])) == sorted(place.children([META, "p/nc"]))
    assert found.newest() == NEWEST
    assert {each.id for each in closure(found, ["m/below"])} == {"m/below", "m/merge", "p/nc", "p/mit"}


def test_a_database_reads_the_same_rows(tmp_path: Path) -> None:
    file = _written(tmp_path)
    counted = duckdb.sql(
        f"SELECT kind, count(*), sum(len(parents)) FROM '{file}' GROUP BY kind ORDER BY kind"
    ).fetchall()
    edges = sum(name.startswith("base_model:") for row in ROWS for name in row["tags"])
    assert counted == [("dataset", 1, 0), ("model", len(ROWS) - 1, edges)]


def test_the_digest_is_that_of_other_tools_and_is_checked(tmp_path: Path) -> None:
    file = _written(tmp_path)
    subprocess.run(["sha256sum", "--check", digest_file(file).name], cwd=tmp_path, check=True, capture_output=True)
    assert digest_file(file).read_text().split()[0] == hashlib.sha256(file.read_bytes()).hexdigest()
    digest_file(file).write_text("0" * 64 + "  atlas.parquet\n")
    with pytest.raises(InputError, match="another digest"):
        SnapshotFile(file)
    digest_file(file).unlink()
    assert len(SnapshotFile(file)) == len(ROWS)


def test_other_files_are_refused_by_name(tmp_path: Path) -> None:
    file = _written(tmp_path)
    digest_file(file).unlink()
    body = file.read_bytes()
    for damaged in (body[: len(body) // 2], b"", b"PAR1" + bytes(64)):
        (tmp_path / "cut.parquet").write_bytes(damaged)
        with pytest.raises(InputError, match="cannot be read as a snapshot"):
            SnapshotFile(tmp_path / "cut.parquet")
    table = pq.read_table(file)
    pq.write_table(table.replace_schema_metadata({}), tmp_path / "list.parquet")
    with pytest.raises(InputError, match="is no snapshot"):
        SnapshotFile(tmp_path / "list.parquet")
    head = {b"atlas-db": b'{"version": 99, "models": "", "datasets": ""}'}
    pq.write_table(table.replace_schema_metadata(head), tmp_path / "new.parquet")
    with pytest.raises(InputError, match="version 99"):
        SnapshotFile(tmp_path / "new.parquet")
    pq.write_table(table.drop_columns(["sha"]), tmp_path / "less.parquet")
    with pytest.raises(InputError, match="other columns"):
        SnapshotFile(tmp_path / "less.parquet")


@pytest.mark.slow
@given(st.sets(st.text(st.characters(codec="utf-8"), min_size=1, max_size=4), max_size=12), st.text(max_size=4))
def test_any_id_is_found_by_search(tmp_path_factory: pytest.TempPathFactory, ids: set[str], other: str) -> None:
    place = KeptRepositories()
    for name in ids:
        place.keep(Repository(name, RecordKind.MODEL))
    file = tmp_path_factory.getbasetemp() / "any.parquet"
    write_repositories(closure(place, sorted(ids)), NEWEST, file)
    found = SnapshotFile(file)
    assert found.find(RecordKind.MODEL, [*ids, other]).keys() == ids
