"""Tests of `ingest/weights/origins/common_origin.py`: charts of families whose parents are not there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from atlas_db.core.terms import is_origin
from atlas_db.fusion.evidence import CommonOriginEvidence
from ingest.weights.chart import chart
from ingest.weights.fingerprints.fingerprint import Fingerprint
from ingest.weights.origins.common_origin import origin_id
from ingest.weights.samples.resample import Resampler
from ingest.weights.tree.edge import Edge, above_threshold
from tests.support.families import Weights, print_of, root, trained, write

CHILDREN = 6


def prints(folder: Path, models: dict[str, Weights]) -> list[Fingerprint]:
    return [print_of(write(folder / name, weights), name) for name, weights in models.items()]


def said(known: list[Fingerprint]) -> list[Edge]:
    return above_threshold(chart(known, Resampler(), time=False))


@pytest.fixture(scope="module")
def family(tmp_path_factory: pytest.TempPathFactory) -> list[Fingerprint]:
    """A root, its children, and a grandchild."""
    start = root(1)
    models = {"root": start} | {f"child{n}": trained(start, 10 + n, 0.1 + 0.01 * n) for n in range(CHILDREN)}
    models["grandchild"] = trained(models["child0"], 30, 0.1)
    return prints(tmp_path_factory.mktemp("family"), models)


def test_siblings_of_an_absent_parent_are_grouped_and_never_parent_and_child(family: list[Fingerprint]) -> None:
    siblings = [item for item in family if item.id != "root"]
    edges = said(siblings)
    named = {(edge.child, edge.parent) for edge in edges if not is_origin(edge.parent)}
    assert named <= {("grandchild", "child0"), ("child0", "grandchild")}
    groups = {edge.parent for edge in edges if is_origin(edge.parent)}
    assert len(groups) == 1
    (group,) = groups
    members = {edge.child for edge in edges if edge.parent == group}
    assert {f"child{n}" for n in range(1, CHILDREN)} <= members
    assert group == origin_id(sorted(members))
    for edge in edges:
        if edge.parent == group:
            assert isinstance(edge.evidence, CommonOriginEvidence)
            assert {edge.child, *edge.evidence.siblings} == members


@pytest.mark.slow
def test_with_the_parent_there_is_no_origin_that_is_not_here(family: list[Fingerprint]) -> None:
    edges = said(family)
    assert not [edge for edge in edges if is_origin(edge.parent) or is_origin(edge.child)]
    found = {edge.child: edge.parent for edge in edges}
    assert {name: parent for name, parent in found.items() if name.startswith("child")} == {
        f"child{n}": "root" for n in range(CHILDREN)
    }


@pytest.mark.slow
def test_the_absent_parent_added_later_gives_the_chart_of_all_at_once(family: list[Fingerprint]) -> None:
    absent = chart([item for item in family if item.id != "root"], Resampler())
    assert any(is_origin(edge.parent) for edge in absent)
    assert chart(list(reversed(family)), Resampler()) == chart(family, Resampler())


def test_two_lone_relatives_are_neither_parent_nor_child(tmp_path: Path) -> None:
    start = root(5)
    pair = prints(tmp_path, {"one": trained(start, 1), "other": trained(start, 2)})
    assert not [edge for edge in said(pair) if not is_origin(edge.parent)]


def test_the_id_of_an_origin_is_a_digest_of_its_members_in_any_order() -> None:
    assert origin_id(["a/x", "b/y"]) == origin_id(["b/y", "a/x"]) != origin_id(["a/x", "b/z"])
    assert re.fullmatch(r"origin:[0-9a-f]{16}", origin_id(["a/x"]))
