"""Tests of `atlas_db/store/managed_engine.py`."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from atlas_db.core.errors import StoreLockedError, StoreUnavailableError
from atlas_db.core.settings import Settings
from atlas_db.store import engines
from atlas_db.store.bolt import Store
from atlas_db.store.connect import connect, open_store
from atlas_db.store.engines import Engine
from atlas_db.store.managed_engine import _prepare_directory, engine_status, is_owned, read_state
from atlas_db.store.statements import create_nodes
from tests.support.waiting import COUNT, wait_for


@pytest.mark.engine
@pytest.mark.slow
def test_the_secret_shows_nowhere_and_nothing_listens_outside(own_engine: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    with open_store(own_engine):
        secret = (folder / "secret").read_text()
        assert len(secret) >= 24
        for name in ("secret", "java.args", "state.json", "engine.log", "arcadedb", "clients"):
            assert (folder / name).stat().st_mode & 0o077 == 0, name
        listing = subprocess.run(["ps", "-eww", "-o", "args"], capture_output=True, text=True, check=True).stdout
        assert f"@{folder / 'java.args'}" in listing
        assert secret not in listing
        assert secret not in (folder / "engine.log").read_text()
        state = read_state(folder)
        assert state is not None
        java = str(state["java_pid"])
        sockets = subprocess.run(["ss", "-ltnp"], capture_output=True, text=True, check=True).stdout
        mine = [line.split()[3] for line in sockets.splitlines() if f"pid={java}," in line]
        assert mine
        assert all("127.0.0.1" in address for address in mine), mine
    wrong = Store(f"bolt://127.0.0.1:{state['port']}", user="root", password="guess", database="atlas")
    with pytest.raises(Exception, match="refused|does not answer"):
        wrong.ping()
    wrong.close()


@pytest.mark.engine
@pytest.mark.slow
def test_two_clients_share_one_engine_and_it_stops_when_idle(tmp_path: Path) -> None:
    found = Settings(home=tmp_path, store=f"local:{tmp_path / 'store'}", heap="512m", idle_minutes=0.03)
    with open_store(found) as one, open_store(found) as two:
        assert one.address == two.address
        time.sleep(4)
        assert one.read(COUNT) == [{"n": 0}]
    wait_for(lambda: not is_owned(tmp_path / "store"))
    assert not engine_status(engines.ARCADEDB, tmp_path / "store").running


@pytest.mark.engine
@pytest.mark.slow
def test_what_was_committed_survives_kill_9_of_the_engine(own_engine: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    acknowledged = 0
    with open_store(own_engine) as store:
        state = read_state(folder)
        assert state is not None
        for number in range(30):
            rows = [{"id": f"a/{number}-{n}"} for n in range(20)]
            store.write(lambda tx, rows=rows: tx.run_batch(create_nodes("Model"), rows))
            acknowledged += 20
        os.kill(int(str(state["java_pid"])), signal.SIGKILL)
    wait_for(lambda: not is_owned(folder))
    with open_store(own_engine) as store:
        assert store.read(COUNT) == [{"n": acknowledged}]


@pytest.mark.parametrize("engine", engines.ENGINES.values(), ids=engines.ENGINES)
def test_an_empty_data_directory_is_closed_and_one_of_others_stays_as_it_is(tmp_path: Path, engine: Engine) -> None:
    folders = {name: tmp_path / name / "store" for name in ("new", "empty", "shared")}
    for name in ("empty", "shared"):
        folders[name].mkdir(parents=True)
        for folder in (folders[name], folders[name].parent):
            folder.chmod(0o755)
    (folders["shared"] / "of others").touch()
    for folder in folders.values():
        _prepare_directory(engine, folder)
    modes = {name: folder.stat().st_mode & 0o777 for name, folder in folders.items()}
    assert modes == {"new": 0o700, "empty": 0o700, "shared": 0o755}
    assert folders["empty"].parent.stat().st_mode & 0o777 == 0o755, "what is above it is not ours"


@pytest.mark.engine
@pytest.mark.slow
def test_unusable_directories_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreUnavailableError, match="data directory .* not usable.*--store local:DIR"):
        connect(Settings(home=tmp_path, store=f"local:{tmp_path / 'file'}"))
    (tmp_path / "other" / "neo4j").mkdir(parents=True)
    with pytest.raises(StoreLockedError, match="holds a neo4j-local store"):
        connect(Settings(home=tmp_path, store=f"local:{tmp_path / 'other'}"))


@pytest.mark.engine
@pytest.mark.slow
def test_a_missing_java_runtime_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "site" / "arcadedb_embedded"
    fake.mkdir(parents=True)
    (fake / "__init__.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    with pytest.raises(StoreUnavailableError, match=r"no Java runtime at .*Reinstall"):
        connect(Settings(home=tmp_path, store=f"local:{tmp_path / 'store'}"))


@pytest.mark.engine
@pytest.mark.slow
def test_a_heap_that_java_refuses_is_reported_with_the_log(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError, match=r"did not come up.*engine\.log"):
        connect(Settings(home=tmp_path, store=f"local:{tmp_path / 'store'}", heap="nonsense"))
