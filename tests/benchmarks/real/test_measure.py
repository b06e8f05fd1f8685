"""Tests of `benchmarks/real/measure.py`: charts made by hand against sets made by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from atlas_db.core.terms import Relation
from atlas_db.fusion.evidence import CastEvidence
from benchmarks.real.measure import Charted, EdgeCounts, SetResult, found_at, measure, similarity
from benchmarks.real.public_sets import ExpectedEdge, ExpectedPair, ListedModel, PublicSet
from ingest.weights.fingerprints.fingerprint import Fingerprint
from ingest.weights.tree.edge import Edge
from tests.support.changes import adapter, permuted
from tests.support.families import print_of, root, trained, write

FINETUNE, QUANTIZED, DUPLICATE = (Relation.FINETUNE,), (Relation.QUANTIZED,), (Relation.DUPLICATE,)


def made(folder: Path) -> dict[str, Fingerprint]:
    """Return fingerprints of a family with a copy, and of an independent model."""
    base = root(1)
    weights = {"base": base, "tuned": trained(base, 2), "copy": base, "next": trained(base, 3), "far": root(9)}
    return {name: print_of(write(folder / name, each), name) for name, each in weights.items()}


def edge(child: str, parent: str, relation: Relation = Relation.FINETUNE, confidence: float = 0.95) -> Edge:
    return Edge(child, parent, relation, confidence, CastEvidence(explained=1.0, alternatives={}))


def a_set(name: str = "one", **fields: object) -> PublicSet:
    models = tuple(
        ListedModel(id, "far" if id == "far" else "near") for id in ("base", "tuned", "copy", "next", "far", "gone")
    )
    return PublicSet(name, "own/set", "c0ffee", "none stated", True, **{"models": models, **fields})  # type: ignore[arg-type]


def result(folder: Path, found: PublicSet, edges: list[Edge], *others: PublicSet, threshold: float = 0.5) -> SetResult:
    chart = Charted(made(folder).values(), edges, {"old-name": "base"}, threshold)
    (only,) = measure([found], [found, *others], chart)
    return only


def test_each_expected_edge_is_counted_once(tmp_path: Path) -> None:
    stated = a_set(edges=(
        ExpectedEdge("tuned", ("base", "gone"), FINETUNE, "finetune"),
        ExpectedEdge("next", ("base",), QUANTIZED, "quantized"),
        ExpectedEdge("base", ("far",), FINETUNE, "finetune"),
        ExpectedEdge("far", ("next",), FINETUNE, "finetune"),
        ExpectedEdge("copy", ("old-name",), (), "not stated"),
        ExpectedEdge("gone", ("base",), FINETUNE, "finetune"),
        ExpectedEdge("tuned", ("gone",), FINETUNE, "finetune"),
    ))  # fmt: skip
    edges = [
        edge("tuned", "copy"), edge("next", "base"), edge("far", "base", confidence=0.7),
        edge("copy", "base", Relation.DUPLICATE),
    ]  # fmt: skip
    found = result(tmp_path, stated, edges)
    assert (found.models, found.here) == (6, 5)
    assert found.edges["quantized"] == EdgeCounts(stated=1, possible=1, parent=1, relation=0, typed=1)
    assert found.edges["not stated"] == EdgeCounts(stated=1, possible=1, parent=1)
    assert found.edges["finetune"] == EdgeCounts(
        stated=5, possible=3, parent=1, relation=1, typed=1, reversed=1, other=1
    ), "tuned has an exact copy of its parent; base is below far in the chart; far has another parent"
    assert found.given == [4, 3, 3, 3]
    assert found.without_parent == 0
    uncertain = result(tmp_path / "again", stated, edges, threshold=0.8)
    assert uncertain.edges["finetune"].abstained == 2, "far's edge, and so base's, is below the threshold"


def test_edges_of_a_child_whose_parent_is_not_here_are_no_errors(tmp_path: Path) -> None:
    stated = a_set(edges=(ExpectedEdge("tuned", ("gone",), FINETUNE, "finetune"),))
    found = result(tmp_path, stated, [edge("tuned", "next")])
    assert found.edges["finetune"] == EdgeCounts(stated=1)
    assert (found.given, found.without_parent) == ([0, 0, 0, 0], 1)


def test_an_origin_that_is_not_here_is_an_answer(tmp_path: Path) -> None:
    stated = a_set(edges=(
        ExpectedEdge("tuned", ("gone",), FINETUNE, "finetune"), ExpectedEdge("next", ("base",), FINETUNE, "finetune"),
    ))  # fmt: skip
    found = result(tmp_path, stated, [edge("tuned", "origin"), edge("next", "origin")])
    assert (found.absent_origin, found.without_parent, found.given) == ([1, 1], 0, [0, 0, 0, 0])
    assert found.edges["finetune"] == EdgeCounts(stated=2, possible=1, abstained=1)
    assert found.related["same family"].joined == 1, "tuned and next have an origin in common"


def test_families_make_pairs(tmp_path: Path) -> None:
    found = result(
        tmp_path, a_set(), [edge("tuned", "base"), edge("next", "base", confidence=0.1), edge("far", "copy")]
    )
    near = found.related["same family"]
    assert (near.stated, near.here, near.comparable, near.joined) == (10, 6, 6, 3)
    every, alike = found.independent["all"], found.independent["one architecture"]
    assert (every.stated, every.here, every.joined) == (5, 4, 1), "far was given a parent of the other family"
    assert (alike.stated, alike.here, alike.joined) == (4, 4, 1)
    assert found.auc == 1.0 and found.tpr == 1.0, "the weights themselves are not in doubt"


def test_a_pair_that_another_set_relates_is_not_held_against_the_chart(tmp_path: Path) -> None:
    other = a_set("two", models=(), pairs=(ExpectedPair("far", "next", True, "pruning"),))
    found = result(tmp_path, a_set(), [], other)
    assert (found.disputed, found.independent["all"].stated, found.auc) == (5, 0, None)


def test_similarity_is_that_of_families(tmp_path: Path) -> None:
    prints = made(tmp_path)
    assert similarity(prints["base"], prints["copy"]) == pytest.approx(1)
    assert similarity(prints["tuned"], prints["next"]) == pytest.approx(0.99, abs=0.01)
    assert similarity(prints["base"], prints["far"]) == pytest.approx(0, abs=0.1)
    moved = print_of(write(tmp_path / "moved", permuted(root(1), 4)), "moved")
    assert similarity(prints["base"], moved) == pytest.approx(1), "the vocabulary alone agrees"
    named = {f"blocks.{place}.weight": value for place, value in enumerate(root(1).values())}
    assert similarity(prints["base"], print_of(write(tmp_path / "named", named), "named")) is None
    assert similarity(prints["base"], print_of(adapter(tmp_path / "adapter", root(1)), "adapter")) is None


def test_false_alarms_bound_what_is_found() -> None:
    scores = np.array([0.9, 0.8, 0.5, 0.4, 0.7, 0.1])
    truth = np.array([True, True, True, True, False, False])
    assert found_at(scores, truth) == 0.5
    assert found_at(scores, truth, 0.5) == 1.0
    assert found_at(-scores, truth) == 0.0
