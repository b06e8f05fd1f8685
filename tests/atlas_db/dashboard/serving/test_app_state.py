"""Tests of `atlas_db/dashboard/serving/app_state.py`."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from atlas_db.core.errors import StoreError, StoreUnavailableError
from atlas_db.core.settings import Settings
from atlas_db.dashboard.aggregates import bundle_key
from atlas_db.dashboard.app import HEADERS, create_app
from atlas_db.dashboard.serving.app_state import AppState
from atlas_db.store.bolt import Store
from ingest.load.load_records import load
from ingest.load.stream import LoadOptions
from tests.support.graphs import child, model, write_rows
from tests.support.waiting import wait_for


@pytest.fixture
def state(local_store: Store, local_settings: Settings, tmp_path: Path) -> Iterator[AppState]:
    write_rows(tmp_path / "rows.jsonl", [model("a/b"), child("c/d", "finetune:a/b")])
    load(local_store, [str(tmp_path / "rows.jsonl")], LoadOptions(tmp_path))
    place = local_settings.home / "stores" / "local"
    with AppState(replace(local_settings, home=tmp_path, store=f"local:{place}"), poll_seconds=0.2) as found:
        yield found


def _wait(client: TestClient, models: int) -> None:
    for _ in range(600):
        answer = client.get("/?format=json")
        if answer.status_code == 200 and answer.json()["models"] == models:
            return
        time.sleep(0.1)
    pytest.fail(f"never counted {models} models")


def test_searches_are_prepared_before_the_first_reader(state: AppState) -> None:
    names = {"names", "_index", "_by_hash", "_heads"}
    wait_for(lambda: names <= vars(state.bundle).keys(), 30)
    assert state.bundle.search("a b", 5) == [state.bundle.names.index("a/b")]


def test_pages_wait_for_their_turn_at_the_store_and_files_do_not(state: AppState) -> None:
    with TestClient(create_app(state), base_url="http://127.0.0.1") as client, ThreadPoolExecutor(60) as readers:
        with ExitStack() as held:
            for _ in range(state.turns):
                held.enter_context(state.store())
            waiting = [readers.submit(client.get, "/models/a/b") for _ in range(50)]
            assert client.get("/static/atlas.css").status_code == client.get("/ecosystem").status_code == 200
            assert not any(each.done() for each in waiting)
        assert {each.result(60).status_code for each in waiting} == {200}


def test_pages_follow_the_store_and_outlive_it(state: AppState, local_store: Store, tmp_path: Path) -> None:
    with TestClient(create_app(state), base_url="http://127.0.0.1") as client:
        assert client.get("/?format=json").json()["models"] == 2
        write_rows(tmp_path / "more.jsonl", [model("n/new")])
        load(local_store, [str(tmp_path / "more.jsonl")], LoadOptions(tmp_path))
        assert client.get("/ecosystem").status_code == 200, "what was counted before is shown meanwhile"
        _wait(client, 3)
        state.settings = replace(state.settings, store="bolt://127.0.0.1:1")
        state.release_store()
        gone = client.get("/models/a/b")
        assert gone.status_code == 503
        assert "does not answer" in gone.text
        assert "use --store local" in gone.text
        assert client.get("/models/a/b?format=json").json()["error"] == "The store does not answer"
        assert client.get("/ecosystem").status_code == 200
        assert client.get("/", headers={"host": "evil.example"}).status_code == 400
        assert client.post("/").status_code == 405


def test_a_store_is_closed_by_its_last_reader(state: AppState) -> None:
    gone = StoreUnavailableError("it does not answer")
    with state.store() as old:
        with pytest.raises(StoreUnavailableError), state.store():
            raise gone
        with state.store() as new:
            assert new is not old
        with pytest.raises(StoreUnavailableError), state.store() as late, state.store():
            raise gone
        assert bundle_key(old)
    with pytest.raises(StoreError):
        bundle_key(old)
    with pytest.raises(StoreError):
        bundle_key(late)


@pytest.mark.parametrize("address", ["/", "/audit?format=json"])
def test_an_unforeseen_error_is_a_page_with_all_headers(address: str, tmp_path: Path) -> None:
    state = AppState(Settings(home=tmp_path))  # not entered, so that it has no bundle
    with TestClient(create_app(state), base_url="http://127.0.0.1", raise_server_exceptions=False) as client:
        answer = client.get(address)
    assert answer.status_code == 500
    assert "this page could not be made" in answer.text.lower() and "Attribute" not in answer.text
    assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS


ADDRESSES = (
    "/", "/?format=xml", "/search?q=a", f"/search?q={'a' * 600}", "/ecosystem?format=json", "/audit?page=0", "/audit?page=2",
    "/quality", "/questions", "/questions/licenses?ask=1", "/questions/no_such", "/cypher?q=RETURN 1", "/cypher?q=x", "/models/a/b", "/models/a/b?format=json", "/models/no/such", "/models/no/such?format=json", "/datasets/no/such",
    "/family", "/family?a=a/b", "/family?a=no/such", "/compare?left=a/b&right=c/d", "/compare?left=a/b&right=no/such", "/runs",
    "/download/models/a/b/bom.json", "/download/models/a/b/NOTICE.txt", "/download/models/no/such/NOTICE.txt", "/download/models/no/such/bom.json", "/download/audit.csv", "/download/audit.sarif",
)  # fmt: skip


def test_every_answer_is_one_that_the_description_names(state: AppState) -> None:
    with TestClient(create_app(state), base_url="http://127.0.0.1") as client:
        paths = client.get("/openapi.json").json()["paths"]
        for address in ADDRESSES:
            answer = client.get(address)
            path = next(
                each for each in sorted(paths, key=len, reverse=True) if _matches(each, address.partition("?")[0])
            )
            named = paths[path]["get"]["responses"]
            assert str(answer.status_code) in named, (address, answer.status_code)
            kinds = {kind.partition(";")[0] for kind in named[str(answer.status_code)]["content"]}
            assert answer.headers["content-type"].partition(";")[0] in kinds, address


def _matches(path: str, address: str) -> bool:
    return re.fullmatch(re.sub(r"\\\{\w+\\\}", ".+", re.escape(path)), address) is not None
