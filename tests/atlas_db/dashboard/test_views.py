"""Tests of `atlas_db/dashboard/views.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from atlas_db.core.errors import InputError, ModelNotFoundError
from atlas_db.dashboard import views
from atlas_db.dashboard.aggregates import Bundle, build_bundle, bundle_key, load_bundle
from atlas_db.dashboard.templating import Exported, Served, render
from atlas_db.licenses.audit import AuditOptions
from atlas_db.licenses.write_findings import audit_and_write
from atlas_db.lineage.traversal import lineage
from atlas_db.store.bolt import Store
from ingest.load.load_records import load
from ingest.load.stream import LoadOptions
from tests.support.graphs import child, load_rows, model, write_rows

LAYERS = 30


_SEEN: dict[str, Any] = {}


_TIMED = ("key", "made", "runs", "audit")


def test_both_engines_show_the_same(counted: Bundle, store: Store, tmp_path: Path) -> None:
    page = views.model_page(store, "org0/base0-7b")
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
    page = views.model_page(store, "org0/base0-7b")
    found = lineage(store, "org0/base0-7b", depth=0)
    assert page["counts"]["descendants"] == found.counts["descendants"]
    direct = lineage(store, "org0/base0-7b")
    assert page["counts"]["children_by_relation"] == direct.counts["children_by_relation"]
    wide = views.model_page(store, "org0/base0-7b", wide="quantized")
    assert [row["child"] for row in wide["children"]] == [f"f/fan-{n}" for n in reversed(range(60))]
    tree = views.family_page(store, counted, ["org0/base0-7b"])["trees"][0]
    assert tree["models"] == found.counts["descendants"] + 1
    assert sum(tree["relations"].values()) == found.counts["descendants"]
    assert [each["models"] for each in page["came_of_it"]] == list(page["counts"]["children_by_relation"].values())
    with pytest.raises(ModelNotFoundError):
        views.model_page(store, "nobody/nothing")


def test_a_ladder_of_merges_is_shown_at_once(store: Store, tmp_path: Path) -> None:
    rows = [model(f"l/0-{place}") for place in range(3)]
    for layer in range(1, LAYERS):
        above = [f"merge:l/{layer - 1}-{place}" for place in range(3)]
        rows += [child(f"l/{layer}-{place}", *above) for place in range(3)]
    write_rows(tmp_path / "rows.jsonl", rows)
    load(store, [str(tmp_path / "rows.jsonl")], LoadOptions(tmp_path))
    everyone = [row["id"] for row in rows]
    # Whoever follows each path, of which there are three to the power of the layers, never ends.
    page = views.model_page(store, f"l/{LAYERS // 2}-0", opened=everyone)
    assert page["counts"]["ancestors"] == 3 * (LAYERS // 2)
    assert page["counts"]["descendants"] == 3 * (LAYERS // 2 - 1)
    assert len(page["picture"]["boxes"]) == 3 * (LAYERS - 1) + 1


def _shown(template: str, page: dict[str, Any]) -> str:
    return render(template, page, Served(), current="", title="x")


def test_never_seen_and_states_none_are_two_things_on_every_page(store: Store, tmp_path: Path) -> None:
    same = "c/twin"
    rows = [
        child("c/gone", "finetune:p/gone", tags=["license:mit"]), model("p/silent"),
        child("c/silent", "finetune:p/silent", tags=["license:mit"]),
        model(same, tags=["license:mit", f"dataset:{same}", "dataset:d/d"]),
        {"id": "d/d", "tags": ["license:cc-by-nc-4.0"], "citation": "", "description": "", "author": "d"},
    ]  # fmt: skip
    load_rows(store, tmp_path, rows)
    audit_and_write(store, tmp_path, AuditOptions(), 1000)
    bundle = build_bundle(store, tmp_path)
    audit = views.audit_page(bundle, {})
    assert audit["unknown_by_state"] == {"states_none": 2, "unreadable": 0, "not_in_atlas": 1, "unresolved": 0}
    assert audit["not_in_atlas"] == {"models": 1, "datasets": 1}
    assert {row["ancestor"] for row in audit["findings"]} == {"datasets/d/d"}
    html = _shown("audit", audit)
    assert "is not in this atlas. Fetch or load it" in html
    assert 'href="/datasets/d/d"' in html
    searched = views.search_page(store, bundle, "p/")
    only_named = "not in this atlas, only named"
    assert {hit["id"]: hit["known"] for hit in searched["found"]} == {"p/gone": only_named, "p/silent": None}
    assert [bundle.names[hit["at"]] for hit in searched["found"]] == [hit["id"] for hit in searched["found"]]
    assert only_named in _shown("search", searched)
    pages = {name: views.model_page(store, name) for name in ("p/gone", "p/silent", "c/gone", "c/silent", same)}
    states = {name: page["license_state"] for name, page in pages.items()}
    assert states == {
        "p/gone": "not_in_atlas", "p/silent": "states_none", "c/gone": "stated", "c/silent": "stated", same: "stated",
    }  # fmt: skip
    texts = {name: _shown("model", page) for name, page in pages.items()}
    assert "Not in this atlas (newest record 2024-01-01)" in texts["p/gone"]
    assert [name for name, text in texts.items() if "default copyright" in text] == ["p/silent", "c/silent"]
    # A model is not trained on itself: the dataset of its name is another page.
    assert f'href="/datasets/{same}"' in texts[same]
    assert f'href="/models/{same}"' not in texts[same].replace(f"/download/models/{same}", "")
    assert {row["value"] for row in pages[same]["declared"] if row["attribute"] == "datasets"} == {
        f"datasets/{same}", "datasets/d/d",
    }  # fmt: skip
    exported = render("model", pages[same], Exported({same: "twin.html"}), current="", title="x")
    assert exported.count("twin.html") == 0
    layers = {layer["name"]: layer["legend"] for layer in bundle.report["map"]["layers"]}
    for name in ("license", "known", "task"):
        assert {entry["word"]: entry["models"] for entry in layers[name]}["not in this atlas"] == 1


def test_a_dataset_has_a_page_of_its_own(store: Store, tmp_path: Path) -> None:
    rows = [
        model("c/one", tags=["dataset:d/d"], downloads=5), model("c/two", tags=["dataset:d/d", "dataset:d/gone"]),
        {"id": "d/d", "tags": ["license:cc-by-nc-4.0"], "citation": "", "description": "", "author": "d"},
    ]  # fmt: skip
    load_rows(store, tmp_path, rows)
    page = views.dataset_page(store, "d/d")
    assert (page["id"], page["licenses"], page["known"]) == ("datasets/d/d", ["cc-by-nc-4.0"], "record")
    assert [row["model"] for row in page["models"]] == ["c/two", "c/one"]
    assert 'href="/models/c/one"' in _shown("dataset", page)
    gone = views.dataset_page(store, "d/gone")
    assert (gone["license_state"], gone["known"]) == ("not_in_atlas", "name")
    assert "Not in this atlas" in _shown("dataset", gone)
    with pytest.raises(InputError, match="there is no datasets/no/such"):
        views.dataset_page(store, "no/such")
