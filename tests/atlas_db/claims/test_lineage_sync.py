"""Tests of `atlas_db/claims/lineage_sync.py` that need no engine."""

from __future__ import annotations

from atlas_db.claims.lineage_sync import LineageDiff, claim_properties, edge_properties, placeholders
from atlas_db.core.records import LineageClaim, LineageEdge
from atlas_db.core.terms import Relation, Resolution, Source, Status


def claim(parent: str, confidence: float = 0.9) -> LineageClaim:
    return LineageClaim(
        "o/child", parent, Source.DECLARED, Relation.MERGE, confidence, "m@1", parent, Resolution.EXACT, "{}", "2024",
        "2024", None,
    )  # fmt: skip


def edge(parent: str, status: Status = Status.DECLARED) -> LineageEdge:
    return LineageEdge("o/child", parent, Relation.MERGE, 0.9, status, (Source.DECLARED,))


def test_the_difference_counts_what_is_new_changed_and_gone() -> None:
    known = [claim("o/same"), claim("o/other", 0.5), claim("o/gone")]
    wanted = [claim("o/same"), claim("o/other"), claim("o/new")]
    old_edges = {("o/child", "o/same"): edge("o/same"), ("o/child", "o/gone"): edge("o/gone")}
    edges = [edge("o/same"), edge("o/new")]
    found = LineageDiff(Source.DECLARED, wanted, known, edges, old_edges, "run")
    assert found.counts == {"created": 2, "changed": 1, "removed": 2}
    assert LineageDiff(Source.DECLARED, wanted, wanted, [], {}, "run").counts == {}


def test_properties_of_claims_and_edges() -> None:
    props = claim_properties(claim("o/p"), "run-1")
    assert (props["mention"], props["resolution"], props["run_id"]) == ("o/p", "exact", "run-1")
    assert "valid_to" not in props, "a live claim has no end"
    assert edge_properties(edge("o/p"))["active"]
    assert not edge_properties(edge("o/p", Status.CONTRADICTED))["active"]


def test_placeholders_stand_for_parents_without_a_record() -> None:
    assert placeholders(["o/a", "b", "o/a", "known"], {"known"}) == [
        {"id": "b", "name": "b", "placeholder": True},
        {"id": "o/a", "name": "a", "placeholder": True},
    ]
