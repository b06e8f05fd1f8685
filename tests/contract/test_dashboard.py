"""What the dashboard counts and shows, on both engines; a worker killed half-way; a store that is no longer there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from atlas_db.core.errors import (
    ModelNotFoundError,
    StoreError,
    StoreUnavailableError,
    UsageError,
)
from atlas_db.core.settings import Settings
from atlas_db.dashboard import views
from atlas_db.dashboard.aggregates import Bundle, build_bundle, bundle_key, load_bundle
from atlas_db.dashboard.app import create_app
from atlas_db.dashboard.app_state import AppState
from atlas_db.licenses.audit import AuditOptions
from atlas_db.licenses.write_findings import audit_and_write
from atlas_db.lineage.traversal import lineage
from atlas_db.store.bolt import Store
from ingest.load.load_records import load
from ingest.load.stream import LoadOptions
from tests.support.graphs import child, model, write_rows
from tests.support.hubs import made_up

ROWS = [
    *made_up(150),
    *(child(f"f/fan-{n}", "quantized:org0/base0-7b", tags=["license:mit"], downloads=n) for n in range(60)),
    child("m/merge", "merge:org0/base0-7b", "merge:org2/base2-7b", tags=["license:mit"]),
]
LAYERS = 30


@pytest.fixture
def counted(store: Store, tmp_path: Path) -> Bundle:
    write_rows(tmp_path / "rows.jsonl", ROWS)
    load(store, [str(tmp_path / "rows.jsonl")], LoadOptions(tmp_path))
    audit_and_write(store, tmp_path, AuditOptions(), 5000)
    return build_bundle(store, tmp_path)


_SEEN: dict[str, Any] = {}
_TIMED = ("key", "made", "runs", "audit")


def test_both_engines_show_the_same(counted: Bundle, store: Store, tmp_path: Path) -> None:
    page = views.model(store, "org0/base0-7b")
    for row in (*page["declared"], *page["lineage_claims"]):
        assert row["first_seen"]
    page["properties"] = {name: value for name, value in page["properties"].items() if "run_id" not in name}
    shown = {
        "report": {name: value for name, value in counted.report.items() if name not in _TIMED},
        "findings": counted.findings,
        "names": counted.names,
        "map": (counted.folder / "map.js").read_text(),
        "model": page,
        "verdicts": counted.report["audit"]["verdicts"],
    }
    if _SEEN:
        assert shown == _SEEN
    _SEEN.update(shown)
    again = load_bundle(store, tmp_path)
    assert again is not None
    assert again.report == counted.report
    assert again.report["key"] == bundle_key(store)
    write_rows(tmp_path / "more.jsonl", [model("n/new")])
    load(store, [str(tmp_path / "more.jsonl")], LoadOptions(tmp_path))
    assert again.report["key"] != bundle_key(store), "a run makes it stale"


def test_a_page_agrees_with_the_lineage_verb(counted: Bundle, store: Store) -> None:
    page = views.model(store, "org0/base0-7b")
    found = lineage(store, "org0/base0-7b", depth=0)
    assert page["counts"]["descendants"] == found.counts["descendants"]
    direct = lineage(store, "org0/base0-7b")
    assert page["counts"]["children_by_relation"] == direct.counts["children_by_relation"]
    wide = views.model(store, "org0/base0-7b", wide="quantized")
    assert [row["child"] for row in wide["children"]] == [f"f/fan-{n}" for n in reversed(range(60))]
    region = views.region(store, counted, ["org0/base0-7b"], share=1.0)["regions"][0]
    assert region["shown"] == found.counts["descendants"] + 1
    with pytest.raises(ModelNotFoundError):
        views.model(store, "nobody/nothing")
    with pytest.raises(UsageError):
        views.region(store, counted, [], share=0)


def test_search_finds_whatever_the_case(counted: Bundle) -> None:
    assert counted.search("FAN-59", 5) == ["f/fan-59"]
    assert counted.search("fan-", 3) == ["f/fan-59", "f/fan-58", "f/fan-57"] or len(counted.search("fan-", 3)) == 3
    expected = {row["id"] for row in ROWS if "chat" in row["id"]}
    assert set(counted.search("chat", 1000)) == expected
    assert counted.search("org0/base0-7b", 5)[0] == "org0/base0-7b"
    assert counted.search(".*", 5) == counted.search("", 5) == counted.search("a\nb", 5) == []


def test_a_ladder_of_merges_is_shown_at_once(store: Store, tmp_path: Path) -> None:
    rows = [model(f"l/0-{place}") for place in range(3)]
    for layer in range(1, LAYERS):
        above = [f"merge:l/{layer - 1}-{place}" for place in range(3)]
        rows += [child(f"l/{layer}-{place}", *above) for place in range(3)]
    write_rows(tmp_path / "rows.jsonl", rows)
    load(store, [str(tmp_path / "rows.jsonl")], LoadOptions(tmp_path))
    everyone = [row["id"] for row in rows]
    start = time.monotonic()
    page = views.model(store, f"l/{LAYERS // 2}-0", opened=everyone)
    assert time.monotonic() - start < 20
    assert page["counts"]["ancestors"] == 3 * (LAYERS // 2)
    assert page["counts"]["descendants"] == 3 * (LAYERS // 2 - 1)
    assert len(page["picture"]["boxes"]) == 3 * (LAYERS - 1) + 1


@pytest.fixture
def desk(local_store: Store, local_settings: Settings, tmp_path: Path) -> Iterator[AppState]:
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


def test_pages_follow_the_store_and_outlive_it(desk: AppState, local_store: Store, tmp_path: Path) -> None:
    with TestClient(create_app(desk), base_url="http://127.0.0.1") as client:
        assert client.get("/?format=json").json()["models"] == 2
        write_rows(tmp_path / "more.jsonl", [model("n/new")])
        load(local_store, [str(tmp_path / "more.jsonl")], LoadOptions(tmp_path))
        assert client.get("/ecosystem").status_code == 200, "what was counted before is shown meanwhile"
        _wait(client, 3)
        desk.settings = replace(desk.settings, store="bolt://127.0.0.1:1")
        desk.release_store()
        gone = client.get("/models/a/b")
        assert gone.status_code == 503
        assert "does not answer" in gone.text
        assert "use --store local" in gone.text
        assert client.get("/models/a/b?format=json").json()["error"] == "The store does not answer"
        assert client.get("/ecosystem").status_code == 200
        assert client.get("/", headers={"host": "evil.example"}).status_code == 400
        assert client.post("/").status_code == 405


def test_a_store_is_closed_by_its_last_reader(desk: AppState) -> None:
    gone = StoreUnavailableError("it does not answer")
    with desk.store() as old:
        with pytest.raises(StoreUnavailableError), desk.store():
            raise gone
        with desk.store() as new:
            assert new is not old
        with pytest.raises(StoreUnavailableError), desk.store() as late, desk.store():
            raise gone
        assert bundle_key(old)
    with pytest.raises(StoreError):
        bundle_key(old)
    with pytest.raises(StoreError):
        bundle_key(late)


def test_a_bundle_that_was_not_finished_is_not_taken(local_store: Store, tmp_path: Path) -> None:
    write_rows(tmp_path / "rows.jsonl", [model("a/b")])
    load(local_store, [str(tmp_path / "rows.jsonl")], LoadOptions(tmp_path))
    made = build_bundle(local_store, tmp_path)
    part = made.folder.with_name(made.folder.name + ".part")
    part.mkdir()
    (part / "report.json").write_text("{")
    (made.folder / "report.json").unlink()
    assert load_bundle(local_store, tmp_path) is None
    assert build_bundle(local_store, tmp_path).report["models"] == 1
    assert not part.exists()
