"""Tests of `atlas_db/lineage/claim_evidence.py`."""

from __future__ import annotations

from pathlib import Path

from atlas_db.lineage.claim_evidence import claim_words, read_lineage_claims_of
from atlas_db.store.bolt import Store
from tests.support.graphs import child, load_rows, model


def test_claims_are_sentences() -> None:
    claim = {
        "source": "declared", "relation": "finetune", "parent": "a/b", "mention": "A/b", "resolution": "case",
        "method": "hub-tags@1", "confidence": 0.8, "first_seen": "2024-05-31", "valid_to": None,
    }  # fmt: skip
    assert claim_words(claim) == (
        "Its publisher states that it was trained on from a/b, written “A/b” (the same name in other case). "
        "Read by hub-tags@1, confidence 0.80, first seen 2024-05-31."
    )
    ended = claim_words({**claim, "source": "inferred", "valid_to": "2024-07-01"})
    assert ended.startswith("Its weights show that it was trained on from a/b. Read by")
    assert ended.endswith("no longer stated since 2024-07-01.")


def test_claims_of_models_come_with_what_they_rest_on(store: Store, tmp_path: Path) -> None:
    rows = [model("a/base"), child("b/tuned", "finetune:a/base"), child("b/copy", "quantized:a/base")]
    load_rows(store, tmp_path, rows)
    found = {row["child"]: row for row in read_lineage_claims_of(store, ["b/copy", "b/tuned", "b/tuned", "no/model"])}
    assert list(found) == ["b/copy", "b/tuned"]
    assert found["b/copy"]["words"].startswith("Its publisher states that it is a quantized copy of a/base, written")
    assert found["b/tuned"]["sentences"][0] == "The author of b/tuned names a/base: this is declared."
    assert found["b/tuned"]["evidence"]["relation_source"]
    store.run_user_query("MATCH (:Model {id: 'b/tuned'})-[r:CLAIMS_PARENT]->() SET r.evidence = '{}'", {}, write=True)
    (older,) = read_lineage_claims_of(store, ["b/tuned"])
    assert (older["sentences"], older["evidence"]) == ([], {})
