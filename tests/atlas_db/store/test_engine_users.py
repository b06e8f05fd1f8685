"""The secret of a data directory and the users that follow from it: never two, never none, and none that others know."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from atlas_db.core.errors import StoreRefusedError, StoreUnavailableError
from atlas_db.core.settings import Settings
from atlas_db.store.bolt import Store
from atlas_db.store.connect import connect, credentials, open_store
from atlas_db.store.engine_users import arcadedb_users, neo4j_users, read_or_make_secret, write_arcadedb_users
from atlas_db.store.managed_engine import read_state, stop_engine

SECRET = "0123456789abcdef" * 3


def test_a_password_is_no_option_to_any_tool(tmp_path: Path) -> None:
    made = read_or_make_secret(tmp_path)
    assert made.isalnum() and len(made) == 48
    assert read_or_make_secret(tmp_path) == made
    assert [file.name for file in tmp_path.iterdir()] == ["secret"]
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("torn", [b"", b"0123", b"\xff" * 48, b"g" * 48])
def test_a_torn_secret_is_replaced(tmp_path: Path, torn: bytes) -> None:
    (tmp_path / "secret").write_bytes(torn)
    made = read_or_make_secret(tmp_path)
    assert len(made) == 48 and (tmp_path / "secret").read_text() == made
    assert (tmp_path / "secret").stat().st_mode & 0o777 == 0o600


def test_all_who_are_first_at_once_get_one_secret(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(lambda _: read_or_make_secret(tmp_path), range(64)))) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["secret"]


def test_users_follow_from_the_secret_alone(tmp_path: Path) -> None:
    users = arcadedb_users(SECRET)
    assert users == arcadedb_users(SECRET) != arcadedb_users(SECRET[::-1])
    assert len({*users.owner, *users.reader, SECRET}) == 5
    assert neo4j_users(SECRET).owner == neo4j_users(SECRET).reader == ("neo4j", SECRET)


def test_files_of_users_hold_no_password_and_give_the_reader_no_more_than_reading(tmp_path: Path) -> None:
    write_arcadedb_users(tmp_path / "config", SECRET)
    texts = {file.name: file.read_text() for file in (tmp_path / "config").iterdir()}
    users = arcadedb_users(SECRET)
    assert not any(
        each in text for each in (SECRET, users.owner.password, users.reader.password) for text in texts.values()
    )
    groups = json.loads(texts["server-groups.json"])["databases"]["*"]["groups"]
    assert groups["reader"]["access"] == [] and groups["reader"]["types"] == {"*": {"access": ["readRecord"]}}
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "config").iterdir()} == {0o600}


@pytest.mark.engine
@pytest.mark.slow
def test_wrong_passwords_of_others_lock_nobody_out(own_engine: Settings, tmp_path: Path) -> None:
    with connect(own_engine):
        state = read_state(tmp_path / "store")
        assert state is not None
        for name in ("root", "owner", "neo4j"):
            for number in range(8):
                wrong = Store(
                    f"bolt://127.0.0.1:{state['port']}", user=name, password=f"guess{number}", database="atlas"
                )
                with pytest.raises(Exception, match="refused|does not answer"):
                    wrong.ping()
                wrong.close()
        with connect(own_engine) as store:
            store.ping()


@pytest.mark.engine
@pytest.mark.slow
@pytest.mark.parametrize("lost", ["", "0123"])
def test_a_secret_that_was_lost_is_drawn_anew(own_engine: Settings, tmp_path: Path, lost: str) -> None:
    check_a_lost_secret(own_engine, tmp_path / "store", lost)


@pytest.mark.engine
@pytest.mark.neo4j
@pytest.mark.slow
def test_a_secret_of_neo4j_that_was_lost_is_drawn_anew(own_neo4j: Settings, tmp_path: Path) -> None:
    check_a_lost_secret(own_neo4j, tmp_path / "store", "0123")


def check_a_lost_secret(settings: Settings, folder: Path, lost: str) -> None:
    with open_store(settings) as store:
        store.run_user_query("CREATE (:Model {id: 'a/b'})", {}, write=True)
        before = credentials(settings)
    (folder / "secret").write_text(lost)
    with pytest.raises(StoreUnavailableError, match=r"does not accept the password in .*secret.*atlas-db store stop"):
        connect(settings)
    stop_engine(folder)
    (folder / "secret").write_text(lost)
    with open_store(settings) as store:
        assert store.run_user_query("MATCH (m:Model) RETURN m.id AS id", {})[1] == [{"id": "a/b"}]
        with pytest.raises(StoreRefusedError):  # The constraints of the schema are still there.
            store.run_user_query("CREATE (:Model {id: 'a/b'})", {}, write=True)
    assert credentials(settings) != before
