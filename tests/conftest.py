"""Real engines for all tests, shared by the tests of a worker; markers and groups that follow from what a test uses."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import pytest
from filelock import FileLock
from hypothesis import HealthCheck, settings

from atlas_db.core.settings import Settings
from atlas_db.store import managed_engine
from atlas_db.store.bolt import Store
from atlas_db.store.connect import connect, local_place
from atlas_db.store.managed_engine import stop_engine
from atlas_db.store.neo4j_version import LTS, NEWEST
from tests.support.command import ATLAS
from tests.support.java_archive import OPTIONS, use_archive
from tests.support.stores import wipe

if TYPE_CHECKING:
    from playwright.sync_api import Browser

settings.register_profile(
    "atlas", deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
settings.load_profile("atlas")

ENGINES = {"local": "local_settings", "neo4j": "neo4j_settings", "neo4j-newest": "newest_neo4j_settings"}
"""Fixture of each engine. Tests of the graph run on the first two, those marked `contract` on all."""
STARTS_ENGINE = {*ENGINES.values(), "engine_settings", "demo_made", "own_engine", "own_neo4j", "shown_home"}
"""Fixtures that start an engine. A test that starts one by itself is marked by hand."""
# Engines of tests live for minutes. Java's second compiler would cost them more than it saves: half of their start.
os.environ.setdefault(OPTIONS, "-XX:TieredStopAtLevel=1")
# Workers share the cores. Threads of numerical libraries that wait must not spin on a core that another needs.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
# What collection makes lives to the end: thousands of tests, and libraries. It is not walked for garbage again and again
gc.disable()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test of the graph on its engines."""
    if "engine_settings" in metafunc.fixturenames:
        contract = any(mark.name == "contract" for mark in metafunc.definition.iter_markers())
        metafunc.parametrize(
            "engine_settings", list(ENGINES)[: None if contract else 2], indirect=True, scope="session"
        )


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark each test by what it needs, and group by worker what shares a fixture."""
    for item in items:
        if isinstance(item, pytest.Function):
            for name in _needs(item):
                item.add_marker(name)
            if item.get_closest_marker("xdist_group") is None and (group := _group(item)):
                item.add_marker(pytest.mark.xdist_group(group))
    if hasattr(config, "workerinput"):
        _longest_first(items)


def pytest_collection_finish(session: pytest.Session) -> None:
    """See that groups reach the scheduler: where they do not, engines are compared with nothing, unnoticed."""
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)  # after 700 new objects each, a search takes a fifth of the time
    gc.enable()
    if getattr(session.config.option, "loadgroup", False):
        lost = [
            each.nodeid for each in session.items if each.get_closest_marker("xdist_group") and "@" not in each.nodeid
        ]
        if lost:
            raise pytest.UsageError(
                f"pytest-xdist sees no group of {lost[0]}: see the note on pytest in pyproject.toml"
            )


def _engine(item: pytest.Function) -> str:
    if set(item.fixturenames) & {ENGINES["neo4j"], ENGINES["neo4j-newest"]}:
        return "neo4j"
    return str(item.callspec.params.get("engine_settings", "")) if hasattr(item, "callspec") else ""


def _needs(item: pytest.Function) -> set[str]:
    """Return the markers that follow from a test's fixtures."""
    fixtures = set(item.fixturenames)
    found = {"engine"} if fixtures & STARTS_ENGINE else set()
    found |= {"neo4j"} if _engine(item).startswith("neo4j") else set()
    return found | ({"browser"} if "browser" in fixtures else set())


def _group(item: pytest.Function) -> str:
    """Return the tests that one worker takes together: those of both engines, or those that share a module's fixture."""
    if _engine(item):
        return "engines"
    definitions = item._fixtureinfo.name2fixturedefs.values()
    return (
        item.nodeid.partition("::")[0] if any(each.scope == "module" for found in definitions for each in found) else ""
    )


def _longest_first(items: list[pytest.Item]) -> None:
    """Put groups first, and of them those that are marked as slow: what comes last should be short."""

    def name_of(item: pytest.Item) -> str:
        mark = item.get_closest_marker("xdist_group")
        return str(mark.args[0]) if mark else ""

    def weight(item: pytest.Item) -> int:
        marks = {mark.name for mark in item.iter_markers()}
        return 4 * ("browser" in marks) + 3 * ("train" in marks) + 2 * ("slow" in marks) + ("engine" in marks)

    heaviest: dict[str, int] = {}
    for item in items:
        heaviest[name_of(item)] = max(heaviest.get(name_of(item), 0), weight(item))
    heaviest["engines"] = 100
    items.sort(key=lambda item: -(heaviest[name_of(item)] if name_of(item) else weight(item)))


@cache
def _quicken_engines() -> None:
    use_archive(_engine_cache())


def _engine_cache() -> Path:
    """Return the folder of what engines need, fetched or made once a machine, not once a test run."""
    return Path(os.environ.get("ATLAS_DB_TEST_CACHE") or Path.home() / ".cache" / "atlas-db-tests")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Let no test start an engine that is not marked so: those of the fast tier would become slow unnoticed."""
    if item.get_closest_marker("engine") is not None:
        _quicken_engines()
        return (yield)

    def refuse(*_: object) -> None:
        pytest.fail("this test starts an engine: mark it `engine`")

    with patch.object(managed_engine, "_start_supervisor", refuse):
        return (yield)


def _once_for_all_workers(factory: pytest.TempPathFactory, name: str) -> tuple[Path, FileLock]:
    """Return a folder that all workers share, and the lock under which the first of them fills it."""
    base = factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    return shared, FileLock(f"{shared}.lock")


@pytest.fixture(scope="session")
def session_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("atlas-home")


@pytest.fixture(scope="session")
def demo_made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder in which `atlas-db demo` ran, its engine stopped: made once, to be copied by whoever needs one."""
    home, lock = _once_for_all_workers(tmp_path_factory, "demo-made")
    env = {**os.environ, "ATLAS_DB_HOME": str(home), "ATLAS_DB_HEAP": "1g"}
    with lock:
        if not home.is_dir():
            for words in (["demo"], ["store", "stop", "--store", "demo"]):
                subprocess.run([*ATLAS, *words], env=env, check=True, capture_output=True)
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
    return _engine_cache()


@pytest.fixture(scope="session")
def local_settings(session_home: Path) -> Iterator[Settings]:
    found = Settings(home=session_home, heap="1g")
    yield found
    place = local_place(found)
    assert place is not None
    stop_engine(place[1])


@pytest.fixture(scope="session")
def neo4j_settings(session_home: Path, engine_cache: Path) -> Iterator[Settings]:
    """A server given by ATLAS_DB_TEST_NEO4J, else the version given by ATLAS_DB_TEST_NEO4J_VERSION."""
    if url := os.environ.get("ATLAS_DB_TEST_NEO4J"):
        yield Settings(
            home=session_home,
            store=url,
            user=os.environ.get("ATLAS_DB_TEST_NEO4J_USER", "neo4j"),
            password=os.environ.get("ATLAS_DB_TEST_NEO4J_PASSWORD", ""),
        )
        return
    yield from _neo4j(os.environ.get("ATLAS_DB_TEST_NEO4J_VERSION") or LTS, session_home / "neo4j", engine_cache)


@pytest.fixture(scope="session")
def newest_neo4j_settings(session_home: Path, engine_cache: Path) -> Iterator[Settings]:
    yield from _neo4j(NEWEST, session_home / "newest-neo4j", engine_cache)


def _neo4j(version: str, home: Path, engine_cache: Path) -> Iterator[Settings]:
    """Run a version of Neo4j in Docker, or as `neo4j-local` where no Docker runs."""
    home.mkdir()
    if _docker_runs():
        from testcontainers.neo4j import Neo4jContainer

        with Neo4jContainer(f"neo4j:{version}-community", password="atlas-db-tests") as container:
            yield Settings(home=home, store=container.get_connection_url(), password="atlas-db-tests")
        return
    engine_cache.mkdir(parents=True, exist_ok=True)
    (home / "cache").symlink_to(engine_cache)
    found = Settings(home=home, store="neo4j-local", heap="1g", neo4j_version=version)
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


@pytest.fixture(scope="session")
def engine_settings(request: pytest.FixtureRequest) -> Settings:
    found: Settings = request.getfixturevalue(ENGINES[request.param])
    return found


def _wiped(found: Settings) -> Iterator[Store]:
    with connect(found) as store:
        wipe(store)
        yield store


@pytest.fixture(scope="module")
def empty_home(local_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder of a module's own whose store, empty at first, is on the local engine that all tests share."""
    return _home_on(local_settings, tmp_path_factory.mktemp("home"))


@pytest.fixture
def fresh_home(local_settings: Settings, tmp_path: Path) -> Path:
    """A home folder of a test's own whose store, empty at first, is on the local engine that all tests share."""
    return _home_on(local_settings, tmp_path / "home")


def _home_on(found: Settings, home: Path) -> Path:
    place = local_place(found)
    assert place is not None
    (home / "stores").mkdir(parents=True)
    (home / "stores" / "local").symlink_to(place[1])
    with connect(found) as store:
        wipe(store)
    return home


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


@pytest.fixture
def own_engine(tmp_path: Path) -> Iterator[Settings]:
    found = Settings(home=tmp_path, store=f"local:{tmp_path / 'store'}", heap="512m")
    yield found
    stop_engine(tmp_path / "store")


@pytest.fixture
def own_neo4j(tmp_path: Path, engine_cache: Path) -> Iterator[Settings]:
    """A Neo4j of a test's own, as `neo4j-local`."""
    (tmp_path / "cache").symlink_to(engine_cache)
    found = Settings(home=tmp_path, store=f"neo4j-local:{tmp_path / 'store'}", heap="1g")
    yield found
    stop_engine(tmp_path / "store")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = os.environ.get("ATLAS_DB_TEST_CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("there is no Chromium; install Debian's package chromium, or set ATLAS_DB_TEST_CHROMIUM")
        pytest.skip("there is no Chromium; install Debian's package chromium, or set ATLAS_DB_TEST_CHROMIUM")
    from tests.support.browsers import launched

    with launched(path) as found:
        yield found
