"""Tests of `ingest/load/load_records.py`."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from atlas_db.core.errors import InputError
from atlas_db.store.bolt import Store
from atlas_db.store.statements import Statement
from ingest.load.load_records import load
from ingest.load.stream import LoadOptions
from tests.support.graphs import child, load_rows, model, pairs, whole, write_rows
from tests.support.hubs import FAMILY
from tests.support.stores import wipe


def test_a_family_becomes_the_graph_it_is(store: Store, tmp_path: Path) -> None:
    report = load_rows(store, tmp_path, FAMILY, as_of="2024-07-01")
    assert report.parents == {
        "renamed": 1, "exact": 6 - 1, "case": 1, "self_loop": 1, "cycle": 1, "absent": 1, "ambiguous": 1
    } | {"exact": 4}  # fmt: skip
    assert pairs(store, "DERIVED_FROM") == {
        ("ann/tuned", "openai-community/gpt2", "finetune"),
        ("ann/tuned-GGUF", "ann/tuned", "quantized"),
        ("ann/lora", "ann/tuned", "adapter"),
        ("ann/merged", "ann/tuned", "merge"),
        ("ann/merged", "ann/lora", "merge"),
        ("ann/one", "ann/two", "finetune"),
        ("ann/lost", "nobody/nothing", "finetune"),
    }
    assert ("ann/tuned", "openai-community/gpt2", "gpt2") in pairs(store, "CLAIMS_PARENT", "mention")
    assert ("ann/two", "ann/one", "cycle") in pairs(store, "CLAIMS_PARENT", "resolution")
    assert ("ann/tuned", "apache-2.0", "declared") in pairs(store, "HAS_LICENSE", "source")
    assert ("ann/tuned", "1706.03762", 1.0) in pairs(store, "CITES", "confidence")
    missing = store.read(Statement("MATCH (m:Model {placeholder: true}) RETURN m.id AS id"))
    assert {row["id"] for row in missing} == {"nobody/nothing"}


def test_loading_again_changes_nothing(store: Store, tmp_path: Path) -> None:
    load_rows(store, tmp_path, FAMILY)
    before = whole(store)
    again = load_rows(store, tmp_path, FAMILY)
    assert again.changed == 0
    assert again.nodes == {"unchanged": len(FAMILY)}
    assert whole(store) == before


def test_bulk_creation_and_merging_make_the_same_graph(store: Store, tmp_path: Path) -> None:
    load_rows(store, tmp_path, FAMILY, as_of="2024-07-01")
    created = whole(store)
    wipe(store)
    load_rows(store, tmp_path, [model("z/seed")], as_of="2024-07-01")
    load_rows(store, tmp_path, FAMILY, as_of="2024-07-01")
    merged = whole(store)
    wipe(store)
    load_rows(store, tmp_path, [model("z/seed"), *FAMILY], as_of="2024-07-01")
    assert whole(store) == merged
    assert {n for n in merged[0] if "seed" not in n and '"z"' not in n} == set(created[0])


def test_a_placeholder_becomes_the_model_when_it_arrives(store: Store, tmp_path: Path) -> None:
    load_rows(store, tmp_path, [child("a/kid", "b/base")], as_of="2024-01-01")
    assert pairs(store, "CLAIMS_PARENT", "resolution") == {("a/kid", "b/base", "absent")}
    load_rows(store, tmp_path, [model("b/base")], as_of="2024-01-01")
    assert pairs(store, "CLAIMS_PARENT", "resolution") == {("a/kid", "b/base", "exact")}
    assert store.read(Statement("MATCH (m:Model {placeholder: true}) RETURN m.id AS id")) == []


def test_an_ambiguous_name_is_resolved_again_when_the_right_model_arrives(store: Store, tmp_path: Path) -> None:
    load_rows(store, tmp_path, [child("a/kid", "gpt2"), model("x/gpt2", downloads=2)], as_of="2024-01-01")
    assert pairs(store, "DERIVED_FROM") == set()
    real = model("openai-community/gpt2", downloads=10**6, createdAt="2022-03-02T23:29:04.000Z")
    load_rows(store, tmp_path, [real], as_of="2024-01-01")
    assert pairs(store, "DERIVED_FROM") == {("a/kid", "openai-community/gpt2", "finetune")}


def test_a_claim_that_is_no_longer_made_ends(store: Store, tmp_path: Path) -> None:
    load_rows(store, tmp_path, [child("a/m", "b/p", tags=["license:mit"]), model("b/p")], as_of="2024-01-01")
    load_rows(store, tmp_path, [model("a/m", tags=["license:gemma"])], as_of="2024-02-01")
    assert pairs(store, "HAS_LICENSE", "valid_to") == {("a/m", "mit", "2024-02-01"), ("a/m", "gemma", None)}
    assert pairs(store, "CLAIMS_PARENT", "valid_to") == {("a/m", "b/p", "2024-02-01")}
    assert pairs(store, "DERIVED_FROM") == set()
    load_rows(store, tmp_path, [child("a/m", "b/p", tags=["license:mit"])], as_of="2024-03-01")
    assert pairs(store, "HAS_LICENSE", "valid_to") == {("a/m", "mit", None), ("a/m", "gemma", "2024-03-01")}
    assert pairs(store, "DERIVED_FROM") == {("a/m", "b/p", "finetune")}


SNAPSHOTS: list[tuple[str, list[dict[str, Any]]]] = [
    ("2024-01-01", [child("a/m", "b/p", tags=["license:mit"], downloads=5), child("a/n", "gpt2"), model("q/gpt2")]),
    ("2024-02-01", [model("a/m", tags=["license:gemma", "en"], downloads=7), model("o/gpt2", downloads=10**6)]),
    ("2024-03-01", [model("b/p", tags=["dataset:squad"]), child("a/m", "B/P", tags=["license:gemma"], downloads=6)]),
    ("2024-02-15", [{"id": "a/m", "modelId": "a/m", "tags": ["license:mit"], "siblings": [{"rfilename": "NOTICE"}],
                     "cardData": {"license": "mit", "base_model": "b/p", "language": ["no"]}, "sha": "abc"}]),
    ("2024-03-01", [child("b/p", "a/m", createdAt="2024-02-02T00:00:00.000Z")]),
]  # fmt: skip


def test_any_order_of_snapshots_gives_the_same_graph(store: Store, tmp_path: Path) -> None:
    """A then B = B then A = A+B, over all orders of four snapshots and one joint load."""
    graphs = {}
    orders = [(0, 1, 2, 3, 4), *itertools.islice(itertools.permutations(range(5)), 7, 120, 13)]
    for order in orders:
        wipe(store)
        for place in order:
            date, rows = SNAPSHOTS[place]
            load_rows(store, tmp_path, rows, as_of=date)
        graphs[order] = whole(store)
    first = graphs[orders[0]]
    for order, graph in graphs.items():
        assert graph == first, order


NAMES = st.sampled_from(["a/x", "a/y", "b/x", "B/X", "x", "c/z"])


RECORDS = st.lists(
    st.builds(
        lambda identifier, parents, license_id, downloads, old: child(
            identifier,
            *parents,
            tags=[f"license:{license_id}"],
            downloads=downloads,
            createdAt="2022-03-02T23:29:04.000Z" if old else f"2024-01-0{1 + downloads % 9}T00:00:00.000Z",
        ),
        st.sampled_from(["a/x", "a/y", "b/x", "B/X", "c/z"]),
        st.lists(NAMES, max_size=2, unique=True),
        st.sampled_from(["mit", "gemma"]),
        st.integers(0, 5000),
        st.booleans(),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=12)
# A counterexample of once: the newer record, loaded first, names no parent.
@example(first=[child("a/x")], second=[child("a/x", "a/x")], dates=("2024-02-01", "2024-01-01"))
@given(first=RECORDS, second=RECORDS, dates=st.tuples(*[st.sampled_from(["2024-01-01", "2024-02-01"])] * 2))
def test_order_independence_as_a_property(
    local_store: Store, tmp_path: Path, first: list[Any], second: list[Any], dates: tuple[str, str]
) -> None:
    graphs = []
    for parts in (((first, dates[0]), (second, dates[1])), ((second, dates[1]), (first, dates[0]))):
        wipe(local_store)
        for rows, date in parts:
            load_rows(local_store, tmp_path, rows, as_of=date)
        graphs.append(whole(local_store))
    assert graphs[0] == graphs[1]
    if dates[0] == dates[1]:
        wipe(local_store)
        load_rows(local_store, tmp_path, [*first, *second], as_of=dates[0])
        assert whole(local_store) == graphs[0]


def test_an_older_record_does_not_bring_back_parents_that_a_newer_one_lacks(store: Store, tmp_path: Path) -> None:
    older, newer = ("2024-01-01", [child("a/x", "b/y")]), ("2024-02-01", [model("a/x")])
    graphs = []
    for order in ((older, newer), (newer, older)):
        wipe(store)
        for date, rows in order:
            load_rows(store, tmp_path, rows, as_of=date)
        graphs.append(whole(store))
        nodes = [node["props"] for node in map(json.loads, graphs[-1][0]) if node["props"].get("id") == "a/x"]
        assert len(nodes) == 1 and "base_model" not in nodes[0]
    assert graphs[0] == graphs[1]


def test_a_dry_run_counts_what_a_load_does_and_writes_nothing(store: Store, tmp_path: Path) -> None:
    for rows in (FAMILY, [child("new/one", "ann/tuned"), model("ann/lora", tags=["license:mit"])]):
        before = whole(store)
        dry = load_rows(store, tmp_path, rows, as_of="2024-07-02", dry_run=True)
        assert whole(store) == before
        wet = load_rows(store, tmp_path, rows, as_of="2024-07-02")
        assert (dry.nodes, dry.claims, dry.lineage, dry.parents) == (wet.nodes, wet.claims, wet.lineage, wet.parents)


def test_every_kind_of_bad_input_is_set_aside(store: Store, tmp_path: Path) -> None:
    good = [json.dumps(model(f"ok/{n}")) for n in range(3)]
    bad = [
        '{"modelId": null, "tags": []}',
        "<html>nothing here</html>",
        json.dumps(model("bad/date", createdAt="20240-01-01T00:00:00.000Z")),
        json.dumps(model("bad/type") | {"downloads": "many"}),
        '{"id": "cut/off", "tags": [',
        json.dumps({"id": "x/space", "sdk": "gradio", "tags": []}),
        json.dumps(model("i" * 600)),
    ]
    tricky = [json.dumps(model(name)) for name in ("it's/a`name", 'q"uote/\nline', "ünï/cødé 🤗")]
    path = tmp_path / "dirt.jsonl"
    path.write_text("\n".join([good[0], *bad, good[1], *tricky, good[2]]) + "\n", encoding="utf-8")
    long_tag = model("long/tag", tags=["t" * 10_000, "license:" + "l" * 10_000])
    tagged = write_rows(tmp_path / "tagged.jsonl", [long_tag])
    report = load(store, [str(path), tagged], LoadOptions(tmp_path))
    assert report.rejects == {"no_id": 1, "not_json": 2, "unknown_kind": 1, "id_too_long": 1, "bad_id": 1}
    assert report.notes == {"oversized_value": 1, "unreadable_field": 2, "odd_id": 2}
    entries = [json.loads(line) for line in Path(report.reject_file).read_text(encoding="utf-8").splitlines()]
    assert [entry["line"] for entry in entries] == [2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 1]
    assert [(entry["id"], entry["kept"]) for entry in entries[2:4]] == [("bad/date", True), ("bad/type", True)]
    assert json.loads(entries[5]["record"])["id"] == "x/space"
    ids = {row["id"] for row in store.read(Statement("MATCH (m:Model) RETURN m.id AS id"))}
    assert ids == {
        "ok/0",
        "ok/1",
        "ok/2",
        "bad/date",
        "bad/type",
        "it's/a`name",
        "ünï/cødé 🤗",
        "long/tag",
    }


def test_nothing_readable_is_an_error(store: Store, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").write_text("")
    (tmp_path / "page.jsonl").write_text("<!doctype html><title>Too many requests</title>")
    with pytest.raises(InputError, match="empty.*HTML"):
        load(store, [str(tmp_path / "empty.jsonl"), str(tmp_path / "page.jsonl")], LoadOptions(tmp_path))


def test_an_unfinished_load_makes_the_next_one_look_at_everything(store: Store, tmp_path: Path) -> None:
    """What a kill leaves: some nodes without their claims, no lineage, a run that never finished."""
    load_rows(store, tmp_path, FAMILY, as_of="2024-07-01")
    expected = whole(store)
    store.write(lambda tx: tx.run(Statement("MATCH (:Model)-[r:HAS_LICENSE|DERIVED_FROM|CLAIMS_PARENT]->() DELETE r")))
    store.write(lambda tx: tx.run(Statement("MATCH (r:Run) SET r.complete = false")))
    load_rows(store, tmp_path, FAMILY, as_of="2024-07-01")
    assert whole(store) == expected
