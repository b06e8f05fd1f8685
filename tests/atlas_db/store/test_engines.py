"""Arguments of local engines: nothing listens outside, the secret is in the file alone, jars that serve others are out."""

from __future__ import annotations

from pathlib import Path

import pytest

from atlas_db.core.errors import StoreUnavailableError
from atlas_db.store import engines
from atlas_db.store.engines import ARCADEDB, ENGINES, NEO4J, Engine, Launch, neo4j_jars
from atlas_db.store.neo4j_version import LTS, NEWEST


def launch(folder: Path, version: str = "") -> Launch:
    return Launch(folder, "made-up-secret", "512m", 4001, 4002, folder / "cache", version)


def resolved(cache: Path, version: str) -> Path:
    """Make a cache look as if the jars of a version were fetched."""
    cache.mkdir(exist_ok=True)
    jar = cache / f"neo4j-{version}.jar"
    jar.write_bytes(b"")
    (cache / f"neo4j-{version}.jars").write_text(f"{jar}\n")
    return jar


def test_engines_are_known_by_name() -> None:
    assert {name: engine.name for name, engine in ENGINES.items()} == {name: name for name in ("local", "neo4j-local")}


def test_the_local_engine_listens_on_loopback_alone(tmp_path: Path) -> None:
    words = ARCADEDB.arguments(launch(tmp_path))
    hosts = [word.partition("=")[2] for word in words if "host" in word.lower() and word.startswith("-D")]
    assert hosts and set(hosts) == {"127.0.0.1"}
    assert "-Xmx512m" in words and "-Darcadedb.bolt.port=4001" in words
    jars = words[words.index("-cp") + 1]
    assert "graphql" not in jars and "redisw" not in jars and "bolt" in jars
    assert ARCADEDB.java("").is_file()


def test_jars_that_were_resolved_are_not_fetched_again(tmp_path: Path) -> None:
    jars = {version: resolved(tmp_path, version) for version in (LTS, NEWEST)}
    assert {version: neo4j_jars(tmp_path, version) for version in jars} == {v: [jar] for v, jar in jars.items()}


@pytest.mark.parametrize(("version", "main"), [(LTS, "CommunityEntryPoint"), ("2025.01.0", "Neo4jCommunity")])
def test_each_line_of_neo4j_starts_by_its_own_main_class(tmp_path: Path, version: str, main: str) -> None:
    jar = resolved(tmp_path / "cache", version)
    words = NEO4J.arguments(launch(tmp_path, version))
    assert f"org.neo4j.server.{main}" in words
    assert words[words.index("-cp") + 1] == str(jar)
    conf = dict(line.split("=", 1) for line in (tmp_path / "neo4j" / "conf" / "neo4j.conf").read_text().split())
    assert {value.partition(":")[0] for key, value in conf.items() if "listen" in key} == {"127.0.0.1"}
    assert conf["dbms.usage_report.enabled"] == "false"
    assert conf["internal.dbms.bolt.netty_server_shutdown_quiet_period"] == "0", "it stops in a second, not in eleven"
    assert conf.get("server.fleet_discovery.enabled") == (None if version == LTS else "false")


def commands(engine: Engine, folder: Path) -> list[list[str]]:
    """Return the Java arguments of an engine: of its preparation where it has one, and of its run."""
    version = "2025.01.0" if engine is NEO4J else ""
    resolved(folder / "cache", version)
    prepared = engine.prepare(launch(folder, version))
    return [*([prepared] if prepared else []), engine.arguments(launch(folder, version))]


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_no_java_process_writes_its_arguments_into_a_file_for_monitors(tmp_path: Path, engine: Engine) -> None:
    found = commands(engine, tmp_path)
    assert len(found) == (2 if engine is NEO4J else 1)
    assert all("-XX:-UsePerfData" in words for words in found)
    assert ["org.neo4j.cli.AdminTool" in words for words in found] == ([True, False] if engine is NEO4J else [False])


@pytest.mark.parametrize("engine", ENGINES.values(), ids=ENGINES)
def test_preparing_closes_the_folders_of_the_engine_and_no_other(tmp_path: Path, engine: Engine) -> None:
    names = ["neo4j", "neo4j/conf"] if engine is NEO4J else ["arcadedb"]
    for name in ("cache", *names):  # as an earlier version made them
        (tmp_path / name).mkdir()
    for folder in (tmp_path, *(tmp_path / name for name in ("cache", *names))):
        folder.chmod(0o755)
    commands(engine, tmp_path)
    assert {name: (tmp_path / name).stat().st_mode & 0o777 for name in names} == dict.fromkeys(names, 0o700)
    assert {folder.stat().st_mode & 0o777 for folder in (tmp_path, tmp_path / "cache")} == {0o755}


def test_a_package_that_is_missing_is_named_with_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(StoreUnavailableError, match="jgo is not installed") as raised:
        neo4j_jars(tmp_path, LTS)
    assert "neo4j-local" in raised.value.hint and "Install it: " in raised.value.hint
    with pytest.raises(StoreUnavailableError, match="arcadedb_embedded is not installed"):
        ARCADEDB.java("")
