"""Jars are those whose checksums we ship: a changed or a foreign one does not run."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from atlas_db.core.errors import StoreUnavailableError
from atlas_db.store import jar_checksums
from atlas_db.store.jar_checksums import check_jars, known_checksums
from atlas_db.store.neo4j_version import LTS, NEWEST


@pytest.mark.parametrize("version", [LTS, NEWEST])
def test_each_tested_version_has_its_checksums(version: str) -> None:
    known = known_checksums(version)
    assert len(known) > 200 and f"neo4j-{version}.jar" in known
    assert {len(digest) for digest in known.values()} == {64}


def test_jars_that_were_fetched_are_those_of_the_list(engine_cache: Path) -> None:
    listing = engine_cache / f"neo4j-{LTS}.jars"
    if not listing.is_file():
        pytest.skip("no jars were fetched on this machine")
    check_jars([Path(line) for line in listing.read_text().splitlines()], LTS)


def test_a_changed_or_a_foreign_jar_does_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = tmp_path / "good.jar"
    good.write_bytes(b"good")
    monkeypatch.setattr(
        jar_checksums, "known_checksums", lambda version: {"good.jar": hashlib.sha256(b"good").hexdigest()}
    )
    check_jars([good], LTS)
    (tmp_path / "foreign.jar").write_bytes(b"good")
    with pytest.raises(StoreUnavailableError, match="foreign.jar is not the file"):
        check_jars([good, tmp_path / "foreign.jar"], LTS)
    good.write_bytes(b"evil")
    with pytest.raises(StoreUnavailableError, match="good.jar is not the file.*SHA-256.*Remove the cache"):
        check_jars([good], LTS)


@pytest.mark.parametrize("version", [LTS, NEWEST])
def test_a_jar_that_is_missing_keeps_all_from_running(tmp_path: Path, version: str) -> None:
    kept = tmp_path / min(known_checksums(version))
    kept.write_bytes(b"")
    missing = len(known_checksums(version)) - 1
    with pytest.raises(StoreUnavailableError, match=rf"{missing} are missing, such as .*\.jar.*Remove the cache"):
        check_jars([kept], version)


def test_a_version_that_no_test_runs_on_has_no_list(tmp_path: Path) -> None:
    assert known_checksums("5.26.1") == {}
    check_jars([tmp_path / "missing.jar"], "5.26.1")
