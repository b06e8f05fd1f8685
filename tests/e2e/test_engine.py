"""The local engine's life: secrets, locks, idle stop, kill -9, unusable places."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from atlas_db.core.errors import StoreLockedError, StoreUnavailableError
from atlas_db.core.settings import Settings
from atlas_db.store import engines
from atlas_db.store.bolt import Store
from atlas_db.store.connect import connect, open_store
from atlas_db.store.managed_engine import engine_status, is_owned, read_state, stop_engine
from atlas_db.store.statements import Statement, create_nodes
from tests.support.graphs import child, load_rows, model, whole, write_rows

pytestmark = [pytest.mark.engine, pytest.mark.slow]
COUNT = Statement("MATCH (m:Model) RETURN count(m) AS n")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Settings]:
    found = Settings(home=tmp_path, store=f"local:{tmp_path / 'store'}", heap="512m")
    yield found
    stop_engine(tmp_path / "store")


def wait_for(condition: Any, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.1)


def test_the_secret_shows_nowhere_and_nothing_listens_outside(place: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    with open_store(place):
        secret = (folder / "secret").read_text()
        assert len(secret) >= 24
        for name in ("secret", "java.args", "state.json"):
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


def test_two_clients_share_one_engine_and_it_stops_when_idle(tmp_path: Path) -> None:
    found = Settings(home=tmp_path, store=f"local:{tmp_path / 'store'}", heap="512m", idle_minutes=0.03)
    with open_store(found) as one, open_store(found) as two:
        assert one.address == two.address
        time.sleep(4)
        assert one.read(COUNT) == [{"n": 0}]
    wait_for(lambda: not is_owned(tmp_path / "store"))
    assert not engine_status(engines.ARCADEDB, tmp_path / "store").running


def test_what_was_committed_survives_kill_9_of_the_engine(place: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    acknowledged = 0
    with open_store(place) as store:
        state = read_state(folder)
        assert state is not None
        for number in range(30):
            rows = [{"id": f"a/{number}-{n}"} for n in range(20)]
            store.write(lambda tx, rows=rows: tx.run_batch(create_nodes("Model"), rows))
            acknowledged += 20
        os.kill(int(str(state["java_pid"])), signal.SIGKILL)
    wait_for(lambda: not is_owned(folder))
    with open_store(place) as store:
        assert store.read(COUNT) == [{"n": acknowledged}]


def test_a_killed_keeper_leaves_no_orphan_behind(place: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    with open_store(place) as store:
        store.write(lambda tx: tx.run_batch(create_nodes("Model"), [{"id": "a/b"}]))
        first = read_state(folder)
        assert first is not None
        os.kill(int(str(first["pid"])), signal.SIGKILL)
    wait_for(lambda: not is_owned(folder))
    with open_store(place) as store:
        assert store.read(COUNT) == [{"n": 1}]
        second = read_state(folder)
        assert second is not None
        assert second["java_pid"] != first["java_pid"]
    wait_for(lambda: not Path(f"/proc/{first['java_pid']}").exists())


def test_unusable_directories_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(StoreUnavailableError, match="data directory .* not usable.*--store local:DIR"):
        connect(Settings(home=tmp_path, store=f"local:{tmp_path / 'file'}"))
    (tmp_path / "other" / "neo4j").mkdir(parents=True)
    with pytest.raises(StoreLockedError, match="holds a neo4j-local store"):
        connect(Settings(home=tmp_path, store=f"local:{tmp_path / 'other'}"))


def test_a_missing_java_runtime_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = tmp_path / "site" / "arcadedb_embedded"
    fake.mkdir(parents=True)
    (fake / "__init__.py").write_text("")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    with pytest.raises(StoreUnavailableError, match=r"no Java runtime at .*Reinstall"):
        connect(Settings(home=tmp_path, store=f"local:{tmp_path / 'store'}"))


def test_a_heap_that_java_refuses_is_reported_with_the_log(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError, match=r"did not come up.*engine\.log"):
        connect(Settings(home=tmp_path, store=f"local:{tmp_path / 'store'}", heap="nonsense"))


def test_a_server_that_speaks_no_bolt_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"bolt://127.0.0.1:{server.getsockname()[1]}"
        server.close()
        with pytest.raises(StoreUnavailableError, match="does not answer"):
            connect(Settings(home=Path(), store=address))


ROWS = [
    child(f"own{n % 40}/m{n}", f"own{(n * 7) % 40}/m{n // 3}", tags=["license:mit", "en", f"dataset:d{n % 9}"],
          pipeline_tag="fill-mask", createdAt=f"2024-01-{n % 27 + 1:02d}T00:00:00.000Z")
    for n in range(3000)
] + [model("own0/m0", downloads=9)]  # fmt: skip


@pytest.mark.timeout(600)
def test_a_load_killed_ten_times_ends_in_the_same_graph(engine_settings: Settings, tmp_path: Path) -> None:
    """Kill -9 at ten random moments, then run it to the end."""
    wipe = Statement("MATCH (n) DETACH DELETE n")
    with connect(engine_settings) as store:
        store.write(lambda tx: tx.run(wipe))
    with open_store(engine_settings) as store:
        load_rows(store, tmp_path, ROWS, batch_rows=300)
        expected = whole(store)
        store.write(lambda tx: tx.run(wipe))
    path = write_rows(tmp_path / "again.jsonl", ROWS)
    environ = {
        **os.environ,
        "ATLAS_DB_HOME": str(engine_settings.home),
        "ATLAS_DB_STORE": engine_settings.store,
        "ATLAS_DB_USER": engine_settings.user,
        "ATLAS_DB_PASSWORD": engine_settings.password,
        "ATLAS_DB_BATCH_ROWS": "100",
        "ATLAS_DB_HEAP": engine_settings.heap,
    }
    command = [sys.executable, "-m", "atlas_db.cli.main", "load", "--no-statistics", path]
    moments = random.Random(2024)
    killed = 0
    while killed < 10:
        process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            process.wait(timeout=moments.uniform(0.4, 2.2))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        killed += 1
    subprocess.run(command, env=environ, check=True, stdout=subprocess.DEVNULL)
    with open_store(engine_settings) as store:
        assert whole(store) == expected


def test_a_store_that_vanishes_half_way_is_an_error_and_the_load_goes_on_later(place: Settings, tmp_path: Path) -> None:
    from atlas_db.core.errors import StoreError
    from ingest.load.load_records import load
    from ingest.load.stream import LoadOptions

    path = write_rows(tmp_path / "rows.jsonl", ROWS)
    with open_store(place) as store:
        state = read_state(tmp_path / "store")
        assert state is not None
        killed = []

        def kill_half_way(stage: str, done: int, total: int) -> None:
            if stage == "records" and not killed:
                killed.append(done)
                os.kill(int(str(state["java_pid"])), signal.SIGKILL)

        with pytest.raises(StoreError):
            load(store, [path], LoadOptions(tmp_path, batch_rows=200), kill_half_way)
    assert killed
    wait_for(lambda: not is_owned(tmp_path / "store"))
    with open_store(place) as store:
        load(store, [path], LoadOptions(tmp_path, batch_rows=200))
        again = whole(store)
    other = Settings(home=tmp_path, store=f"local:{tmp_path / 'fresh'}", heap="512m")
    with open_store(other) as store:
        load(store, [path], LoadOptions(tmp_path))
        assert whole(store) == again
    stop_engine(tmp_path / "fresh")
