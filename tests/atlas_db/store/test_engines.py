"""Arguments of local engines: nothing listens outside, the secret is in the file alone, jars that serve others are out."""

from __future__ import annotations

from pathlib import Path

import pytest

from atlas_db.core.errors import StoreUnavailableError
from atlas_db.store import engines
from atlas_db.store.engines import ARCADEDB, ENGINES, Launch, neo4j_jars


def launch(folder: Path) -> Launch:
    return Launch(folder, "made-up-secret", "512m", 4001, 4002, folder / "cache")


def test_engines_are_known_by_name() -> None:
    assert {name: engine.name for name, engine in ENGINES.items()} == {name: name for name in ("local", "neo4j-local")}


def test_the_local_engine_listens_on_loopback_alone(tmp_path: Path) -> None:
    words = ARCADEDB.arguments(launch(tmp_path))
    hosts = [word.partition("=")[2] for word in words if "host" in word.lower() and word.startswith("-D")]
    assert hosts and set(hosts) == {"127.0.0.1"}
    assert "-Xmx512m" in words and "-Darcadedb.bolt.port=4001" in words
    jars = words[words.index("-cp") + 1]
    assert "graphql" not in jars and "redisw" not in jars and "bolt" in jars
    assert ARCADEDB.java().is_file()


def test_jars_that_were_resolved_are_not_fetched_again(tmp_path: Path) -> None:
    jar = tmp_path / "neo4j.jar"
    jar.write_bytes(b"")
    (tmp_path / f"neo4j-{engines.NEO4J_VERSION}.jars").write_text(f"{jar}\n")
    assert neo4j_jars(tmp_path) == [jar]


def test_a_package_that_is_missing_is_named_with_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(StoreUnavailableError, match="jgo is not installed") as raised:
        neo4j_jars(tmp_path)
    assert "[neo4j-local]" in raised.value.hint
    with pytest.raises(StoreUnavailableError, match="arcadedb_embedded is not installed"):
        ARCADEDB.java()
