"""Tests of `ingest/load/record_merge.py`."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from atlas_db.core.records import HubRecord, ValueClaim
from atlas_db.core.terms import RecordKind, RecordPart
from ingest.load.record_merge import claim_properties, merge_claims, merge_node

RECORD = st.builds(
    lambda parts, stated, details, license_ids: HubRecord(
        RecordKind.MODEL, "a/m", parts, stated if RecordPart.TAGS in parts else {}, details,
        [ValueClaim("HAS_LICENSE", license_id, 1.0, part) for license_id in license_ids for part in parts], [], digest="d",
    ),
    st.sampled_from([(RecordPart.TAGS,), (RecordPart.CARD,), (RecordPart.TAGS, RecordPart.CARD)]),
    st.fixed_dictionaries({"downloads": st.integers(0, 9), "license": st.sampled_from([None, "mit", "isc"])}),
    st.dictionaries(st.sampled_from(["sha", "license_name"]), st.sampled_from(["x", "y"])),
    st.sets(st.sampled_from(["mit", "isc"])).map(sorted),
)  # fmt: skip


DATED = st.tuples(RECORD, st.sampled_from(["2024-01-01", "2024-02-01", "2024-03-01"]))


@given(st.lists(DATED, min_size=1, max_size=4), st.randoms())
def test_merging_records_does_not_depend_on_order(items: list[tuple[HubRecord, str]], random: Any) -> None:
    results = []
    for _ in range(3):
        node: dict[str, Any] | None = None
        claims: dict[tuple[str, str], dict[str, Any]] = {}
        for record, as_of in items:
            node = merge_node(node, record, as_of)
            claims = merge_claims(claims, record.claims, node, as_of)
        for record, as_of in items:  # and once more: nothing changes
            assert merge_node(node, record, as_of) == node
        results.append((node, claims))
        random.shuffle(items)
    assert results[0] == results[1] == results[2]


def test_claims_of_two_parts_remember_both() -> None:
    spans = {RecordPart.TAGS: ("2024-01", "2024-02"), RecordPart.CARD: ("2024-01", "2024-01")}
    props = claim_properties(spans, {RecordPart.TAGS: ["2024-01", "2024-02"], RecordPart.CARD: ["2024-01"]}, 1.0)
    assert props["method"] == "hub-card@1+hub-tags@1"
    assert props["stated_in"] == "card:2024-01..2024-01;tags:2024-01..2024-02"


def test_what_a_chart_wrote_is_not_carried_forward() -> None:
    record = HubRecord(RecordKind.MODEL, "a/m", (RecordPart.TAGS,), {}, {}, [], [], digest="d")
    old = merge_node(None, record, "2024-01") | {"weights_hash": "h", "behaviour_cluster": "a/m", "license_name": "x"}
    node = merge_node(old, record, "2024-02")
    assert (node["weights_hash"], node["behaviour_cluster"]) == ("h", "a/m")
    assert node["carried_forward"] == ["license_name=2024-01"]
