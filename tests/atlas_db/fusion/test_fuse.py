"""Tests of `atlas_db/fusion/fuse.py`."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_db.core.records import ChartedModel
from atlas_db.core.records import LineageClaim as Word
from atlas_db.core.terms import RecordPart, Relation, Resolution, Source, Status
from atlas_db.fusion.fuse import fuse_child, merge_spans, valid_time


def observed(
    parent: str, source: Source, confidence: float, relation: Relation = Relation.FINETUNE, **over: Any
) -> Word:
    base = Word("c", parent, source, relation, confidence, "m@1", parent, Resolution.EXACT, "", "2024", "2024", None)
    return base._replace(**over)


def test_agreeing_sources_verify() -> None:
    (edge,) = fuse_child([observed("p", Source.DECLARED, 0.8), observed("p", Source.INFERRED, 0.9, Relation.MERGE)])
    assert (edge.status, edge.relation, edge.sources) == (
        Status.VERIFIED, Relation.MERGE, (Source.DECLARED, Source.INFERRED)
    )  # fmt: skip
    assert edge.confidence == pytest.approx(0.98)


def test_unsure_weights_do_not_rename_the_relation() -> None:
    (edge,) = fuse_child([observed("p", Source.DECLARED, 0.8), observed("p", Source.INFERRED, 0.85, Relation.MERGE)])
    assert edge.relation is Relation.FINETUNE


CHARTED = {name: ChartedModel("q", name) for name in "cpq"}
"""Child, declared and inferred parent, all of one family."""


def test_weights_that_name_another_parent_contradict() -> None:
    said = [observed("p", Source.DECLARED, 0.8), observed("q", Source.INFERRED, 0.98)]
    edges = {e.parent: e for e in fuse_child(said, CHARTED)}
    assert edges["p"].status is Status.CONTRADICTED
    assert edges["p"].confidence == pytest.approx(0.8 * 0.02)
    assert edges["q"].status is Status.UNDECLARED
    unsure = fuse_child([observed("p", Source.DECLARED, 0.8), observed("q", Source.INFERRED, 0.97)], CHARTED)
    assert unsure[0].status is Status.DECLARED


def test_a_declared_parent_that_is_not_here_may_lie_between() -> None:
    """Weights see the nearest ancestor that is charted; a parent between it and the child is not wrong."""
    said = [observed("p", Source.DECLARED, 0.8), observed("q", Source.INFERRED, 0.999)]
    absent = {name: each for name, each in CHARTED.items() if name != "p"}
    assert {e.parent: e.status for e in fuse_child(said, absent)} == {"p": Status.DECLARED, "q": Status.UNDECLARED}


def test_an_origin_without_a_name_contradicts_nothing() -> None:
    said = [observed("p", Source.DECLARED, 0.8), observed("origin:0123456789abcdef", Source.INFERRED, 0.999)]
    for charted in (CHARTED, None):
        statuses = {e.parent: e.status for e in fuse_child(said, charted)}
        assert statuses == {"origin:0123456789abcdef": Status.UNDECLARED, "p": Status.DECLARED}


def test_the_model_that_a_merge_started_from_is_no_wrong_parent() -> None:
    merged = observed("q", Source.INFERRED, 0.98, Relation.MERGE)._replace(
        evidence='{"test": "merge", "base": "p", "method": "ties", "weight": 1.0, "residual": 0.0}'
    )
    edges = {
        e.parent: e
        for e in fuse_child(
            [observed("p", Source.DECLARED, 0.8), merged], {"c": ChartedModel("q", "1"), "p": ChartedModel("r", "2")}
        )
    }
    assert (edges["p"].status, edges["p"].confidence) == (Status.VERIFIED, 0.8)


def test_what_weights_think_possible_is_no_wrong_parent() -> None:
    confident = observed("q", Source.INFERRED, 0.98)
    listed = [
        observed("p", Source.DECLARED, 0.8),
        confident._replace(
            evidence='{"test": "residual", "alternatives": {"p": 0.03}, "containment_log_odds": 0.0, "distance": 0.1}'
        ),
    ]
    assert fuse_child(listed)[0].status is Status.DECLARED
    known = {"c": ChartedModel("q", "1"), "q": ChartedModel("q", "2"), "p": ChartedModel("q", "3")}
    assert fuse_child([listed[0], confident], known)[0].status is Status.CONTRADICTED
    copy = known | {"p": ChartedModel("q", "2")}
    assert fuse_child([listed[0], confident], copy)[0].status is Status.DECLARED, (
        "an exact copy of the one that is named"
    )
    assert fuse_child(listed, known | {"p": ChartedModel("r", "3")})[0].status is Status.CONTRADICTED, "another family"
    itself = known | {"p": ChartedModel("q", "1")}
    assert fuse_child([listed[0], confident], itself)[0].status is Status.DECLARED, "an exact copy of the child"


def test_one_parent_of_several_that_is_seen_does_not_contradict_the_others() -> None:
    """A trace names one parent, of a merge that weights do not recognise, too; and a share near zero leaves none."""
    declared = [observed(parent, Source.DECLARED, 0.8) for parent in "pq"]

    def status(*weights: Word, known: dict[str, ChartedModel] | None = None) -> list[Status]:
        charted = known or {name: ChartedModel("q", name) for name in "cpqr"}
        return [edge.status for edge in fuse_child([*declared, *weights], charted) if edge.parent in "pq"]

    trained = observed("p", Source.INFERRED, 0.98)
    assert status(trained) == [Status.VERIFIED, Status.DECLARED]
    assert status(trained._replace(relation=Relation.QUANTIZED)) == [Status.VERIFIED, Status.CONTRADICTED]
    merged = [observed(parent, Source.INFERRED, 0.98, Relation.MERGE) for parent in "pr"]
    assert status(*merged) == [Status.VERIFIED, Status.CONTRADICTED]
    assert status(merged[0]) == [Status.VERIFIED, Status.DECLARED]
    assert status(trained._replace(parent="r")) == 2 * [Status.CONTRADICTED]
    unrelated = {"c": ChartedModel("p", "1"), "q": ChartedModel("q", "2")}
    assert status(trained, known=unrelated) == [Status.VERIFIED, Status.CONTRADICTED], "another family"


@pytest.mark.parametrize(
    "over",
    [{"valid_to": "2024"}, {"resolution": Resolution.CYCLE}, {"resolution": Resolution.SELF_LOOP}, {"resolution": Resolution.AMBIGUOUS},
     {"resolution": Resolution.ABSENT, "confidence": 0.3}],
)  # fmt: skip
def test_what_is_never_followed(over: dict[str, Any]) -> None:
    assert fuse_child([observed("p", Source.DECLARED, 0.9)._replace(**over)]) == []


def test_predictions_stand_for_themselves() -> None:
    (edge,) = fuse_child([observed("p", Source.PREDICTED, 0.7, Relation.ADAPTER)])
    assert (edge.status, edge.relation, edge.confidence) == (Status.PREDICTED, Relation.ADAPTER, 0.7)


CLAIMS = st.builds(
    observed, st.sampled_from("pqr"), st.sampled_from(Source), st.floats(0, 1), st.sampled_from(Relation)
)


@given(st.lists(CLAIMS, max_size=6, unique_by=lambda t: (t.parent, t.source)), st.randoms())
def test_fusion_does_not_depend_on_order(items: list[Word], random: Any) -> None:
    shuffled = items[:]
    random.shuffle(shuffled)
    edges = fuse_child(items)
    assert fuse_child(shuffled) == edges
    assert all(0.0 <= edge.confidence <= 1.0 for edge in edges)


def test_valid_time_of_a_claim() -> None:
    dates = {RecordPart.TAGS: ["2024-01", "2024-03", "2024-05"], RecordPart.CARD: ["2024-02"]}
    assert valid_time({RecordPart.TAGS: ("2024-01", "2024-01")}, dates) == ("2024-01", "2024-01", "2024-03")
    assert valid_time({RecordPart.TAGS: ("2024-01", "2024-05")}, dates) == ("2024-01", "2024-05", None)
    both = {RecordPart.TAGS: ("2024-01", "2024-01"), RecordPart.CARD: ("2024-02", "2024-02")}
    assert valid_time(both, dates) == ("2024-01", "2024-02", None)


SPANS = st.dictionaries(
    st.sampled_from(RecordPart), st.tuples(*[st.sampled_from("abc")] * 2).map(lambda p: (min(p), max(p)))
)


@given(SPANS, SPANS, SPANS)
def test_spans_merge_in_any_order(a: Any, b: Any, c: Any) -> None:
    assert merge_spans(a, b, c) == merge_spans(c, merge_spans(b, a)) == merge_spans(merge_spans(a, b, c), a)


def test_a_merge_stays_one_where_the_hub_knows_a_single_parent() -> None:
    tags = observed("p", Source.DECLARED, 1.0, method="hub-tags@1")
    card = [observed(p, Source.DECLARED, 0.6, Relation.MERGE, method="hub-card@1") for p in ("p", "gone")]
    assert {edge.relation for edge in fuse_child([tags, *card])} == {Relation.MERGE}
    # One parent in the card, or other relations of the Hub, are no merge.
    assert fuse_child([tags, card[0]])[0].relation is Relation.FINETUNE
    quantized = tags._replace(relation=Relation.QUANTIZED)
    assert {e.parent: e.relation for e in fuse_child([quantized, *card])}["p"] is Relation.QUANTIZED


def test_a_merge_configuration_makes_a_merge() -> None:
    tags = observed("p", Source.DECLARED, 1.0, method="hub-tags@1")
    config = observed("p", Source.DECLARED, 1.0, Relation.MERGE, method="merge-config@1")
    (edge,) = fuse_child([tags, config])
    assert (edge.relation, edge.status, edge.confidence) == (Relation.MERGE, Status.DECLARED, 1.0)
