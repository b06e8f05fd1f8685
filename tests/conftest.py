"""Real engines for all tests: the local one, and a true Neo4j wherever one is to be had."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from atlas_db.core.settings import Settings
from atlas_db.store.bolt import Store
from atlas_db.store.connect import connect, ensure_schema, local_place
from atlas_db.store.managed_engine import stop_engine
from atlas_db.store.statements import Statement

settings.register_profile(
    "atlas", deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
settings.load_profile("atlas")

_WIPE = Statement("MATCH (n) DETACH DELETE n")
ENGINES = ("local", "neo4j")


@pytest.fixture(scope="session")
def session_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("atlas-home")


@pytest.fixture(scope="session")
def demo_made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder in which `atlas-db demo` ran, its engine stopped: made once, to be copied by whoever needs one."""
    home = tmp_path_factory.mktemp("demo-made")
    env = {**os.environ, "ATLAS_DB_HOME": str(home), "ATLAS_DB_HEAP": "1g"}
    for words in (["demo"], ["store", "stop", "--store", "demo"]):
        subprocess.run([sys.executable, "-m", "atlas_db.cli.main", *words], env=env, check=True, capture_output=True)
    return home


@pytest.fixture(scope="module")
def demo_home(demo_made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home folder of one's own in which the demo ran."""
    home = tmp_path_factory.mktemp("demo") / "home"
    shutil.copytree(demo_made, home)
    yield home
    stop_engine(home / "stores" / "demo")


@pytest.fixture(scope="session")
def engine_cache() -> Path:
    """Neo4j's jars are fetched once a machine, not once a test run."""
    return Path(os.environ.get("ATLAS_DB_TEST_CACHE") or Path.home() / ".cache" / "atlas-db-tests")


@pytest.fixture(scope="session")
def local_settings(session_home: Path) -> Iterator[Settings]:
    found = Settings(home=session_home, heap="1g")
    yield found
    place = local_place(found)
    assert place is not None
    stop_engine(place[1])


@pytest.fixture(scope="session")
def neo4j_settings(session_home: Path, engine_cache: Path) -> Iterator[Settings]:
    """A server given by ATLAS_DB_TEST_NEO4J, else one in Docker, else the one that `neo4j-local` runs."""
    if url := os.environ.get("ATLAS_DB_TEST_NEO4J"):
        yield Settings(
            home=session_home,
            store=url,
            user=os.environ.get("ATLAS_DB_TEST_NEO4J_USER", "neo4j"),
            password=os.environ.get("ATLAS_DB_TEST_NEO4J_PASSWORD", ""),
        )
        return
    if _docker_runs():
        from testcontainers.neo4j import Neo4jContainer

        with Neo4jContainer("neo4j:5.26.30-community", password="atlas-db-tests") as container:
            yield Settings(home=session_home, store=container.get_connection_url(), password="atlas-db-tests")
        return
    home = session_home / "neo4j-home"
    home.mkdir()
    engine_cache.mkdir(parents=True, exist_ok=True)
    (home / "cache").symlink_to(engine_cache)
    found = Settings(home=home, store="neo4j-local", heap="1g")
    yield found
    place = local_place(found)
    assert place is not None
    stop_engine(place[1])


def _docker_runs() -> bool:
    try:
        done = subprocess.run(["docker", "info"], capture_output=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


@pytest.fixture(scope="session", params=ENGINES)
def engine_settings(request: pytest.FixtureRequest) -> Settings:
    name = {"local": "local_settings", "neo4j": "neo4j_settings"}[request.param]
    found: Settings = request.getfixturevalue(name)
    return found


def _wiped(found: Settings) -> Iterator[Store]:
    with connect(found) as store:
        store.write(lambda tx: tx.run(_WIPE))
        ensure_schema(store)
        yield store


@pytest.fixture
def store(engine_settings: Settings) -> Iterator[Store]:
    """An empty store, once on each engine."""
    yield from _wiped(engine_settings)


@pytest.fixture
def local_store(local_settings: Settings) -> Iterator[Store]:
    """An empty store on the local engine."""
    yield from _wiped(local_settings)


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real data; a missing one fails under CI and skips elsewhere."""
    here = Path(__file__).parent.parent
    folder = Path(os.environ.get("ATLAS_DB_DATA") or here.parent / "shared" / "data")
    if not folder.is_dir():
        if os.environ.get("CI"):
            pytest.fail(f"the real data is not at {folder}; set ATLAS_DB_DATA")
        pytest.skip(f"the real data is not at {folder}; set ATLAS_DB_DATA")
    return folder
