"""Tests of `atlas_db/dashboard/views.py`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from atlas_db.core.errors import ModelNotFoundError, UsageError
from atlas_db.dashboard import views
from atlas_db.dashboard.aggregates import Bundle, bundle_key, load_bundle
from atlas_db.lineage.traversal import lineage
from atlas_db.store.bolt import Store
from ingest.load.load_records import load
from ingest.load.stream import LoadOptions
from tests.support.graphs import child, model, write_rows

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
    region = views.region_page(store, counted, ["org0/base0-7b"], share=1.0)["regions"][0]
    assert region["shown"] == found.counts["descendants"] + 1
    with pytest.raises(ModelNotFoundError):
        views.model_page(store, "nobody/nothing")
    with pytest.raises(UsageError):
        views.region_page(store, counted, [], share=0)


def test_a_ladder_of_merges_is_shown_at_once(store: Store, tmp_path: Path) -> None:
    rows = [model(f"l/0-{place}") for place in range(3)]
    for layer in range(1, LAYERS):
        above = [f"merge:l/{layer - 1}-{place}" for place in range(3)]
        rows += [child(f"l/{layer}-{place}", *above) for place in range(3)]
    write_rows(tmp_path / "rows.jsonl", rows)
    load(store, [str(tmp_path / "rows.jsonl")], LoadOptions(tmp_path))
    everyone = [row["id"] for row in rows]
    start = time.monotonic()
    page = views.model_page(store, f"l/{LAYERS // 2}-0", opened=everyone)
    assert time.monotonic() - start < 20
    assert page["counts"]["ancestors"] == 3 * (LAYERS // 2)
    assert page["counts"]["descendants"] == 3 * (LAYERS // 2 - 1)
    assert len(page["picture"]["boxes"]) == 3 * (LAYERS - 1) + 1
