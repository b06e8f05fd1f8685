"""Scores of families: a zoo of six models on disk, charted whole, alone, and without its root."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from atlas_db.core.terms import Relation
from benchmarks import families
from benchmarks.zoo.score import Score, prints_of, read_truth, score
from benchmarks.zoo.views import common_origins
from ingest.weights.chart import chart
from ingest.weights.tree.edge import Edge
from tests.support.families import root, trained, write

STEPS = {"r": None, "a": "r", "b": "r", "a1": "a", "half": "r", "s": None}
DATES = {name: f"2023-0{place + 1}-01T00:00:00.000Z" for place, name in enumerate(STEPS)}


@pytest.fixture(scope="module")
def zoo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("zoo") / "tiny-1"
    weights = {"r": root(1), "s": root(2)}
    weights |= {"a": trained(weights["r"], 3), "b": trained(weights["r"], 4), "half": weights["r"]}
    weights["a1"] = trained(weights["a"], 5)
    for name in STEPS:
        write(out / name, weights[name], "BF16" if name == "half" else "F32")
    kinds = {
        name: "cast_bf16" if name == "half" else "finetune" if parent else "root" for name, parent in STEPS.items()
    }
    truth = {
        "nodes": [
            {"id": name, "family": "s" if name == "s" else "r", "kind": kinds[name], "stage": "specialise"}
            for name in STEPS
        ],
        "edges": [
            {
                "child": name, "parent": parent, "kind": kinds[name], "optional": False, "relation": "finetune",
                "relation_accept": ["quantized"] if name == "half" else ["finetune"],
            }
            for name, parent in STEPS.items() if parent
        ],
        "roots": ["r", "s"],
        "core": ["r", "s", "a"],
    }  # fmt: skip
    (out / "truth.json").write_text(json.dumps(truth))
    lines = [json.dumps({"id": name, "created_at": DATES[name], "folder": name}) for name in STEPS]
    (out / "hub.jsonl").write_text("\n".join(lines) + "\n")
    return out


@pytest.mark.slow
def test_a_whole_family_is_scored_with_and_without_dates(zoo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = zoo.parent / "whole.json"
    families.main([str(zoo), "--json", str(figures)])
    one, together = json.loads(figures.read_text())
    assert one["zoo"] == "tiny-1"
    assert one["dates"]["f1"] == together["dates"]["f1"] == 1.0
    assert one["dates"]["verdicts"] == {"right": 6, "part": 0, "missed": 0, "wrong": 0, "not read": 0}
    assert one["dates"]["kinds"]["cast_bf16"] == [1, 1, 0]
    assert 0 <= one["no dates"]["f1"] <= 1
    shown = capsys.readouterr().out
    assert "tiny-1" in shown
    assert "cast_bf16" in shown


@pytest.mark.parametrize(("edges", "least", "most"), [(20, 0.06, 0.2), (20_000, 0.0, 0.01)])
def test_few_edges_leave_an_error_of_calibration_by_chance(edges: int, least: float, most: float) -> None:
    confidence = np.random.default_rng(1).uniform(0.5, 1, edges).tolist()
    guessed = Score(confidence=[(each, True) for each in confidence])
    assert least < families.Found(Score(), guessed, {}, {}, [0, 0, 0]).chance_ece < most


@pytest.mark.slow
def test_alone_counts_only_the_model_outside_the_core(zoo: Path) -> None:
    figures = zoo.parent / "alone.json"
    families.main([str(zoo), "--view", "alone", "--json", str(figures)])
    one, _ = json.loads(figures.read_text())
    assert sum(one["dates"]["verdicts"].values()) == 3  # b, a1 and half
    assert one["dates"]["verdicts"]["right"] == 3


@pytest.mark.slow
def test_without_the_root_its_cast_stands_for_it(zoo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = zoo.parent / "open.json"
    families.main([str(zoo), "--leave-out", "roots", "--json", str(figures)])
    one, _ = json.loads(figures.read_text())
    dated = one["dates"]
    assert sum(dated["verdicts"].values()) == 5  # s has no children: it stays
    assert dated["kept_of"] == dated["kept"] == 1  # a1 comes from a
    assert dated["high_right"] <= dated["high_right_or_ancestor"] <= dated["high"]
    assert "siblings of an absent parent" in capsys.readouterr().out


def test_leaving_out_and_the_view_alone_do_not_go_together(zoo: Path) -> None:
    with pytest.raises(SystemExit) as stopped:
        families.main([str(zoo), "--view", "alone", "--leave-out", "roots"])
    assert stopped.value.code == 2


def test_an_origin_that_is_not_there_is_a_group_and_no_edge_to_a_model(zoo: Path) -> None:
    truth, prints = read_truth(zoo / "truth.json"), prints_of(zoo)
    edges = chart(list(prints))
    to_origin = [Edge(name, "origin:0123456789abcdef", Relation.FINETUNE, 0.99, edges[0].evidence) for name in "ab"]
    assert common_origins(prints, [*edges, *to_origin]) == [{"a", "b"}]
    same = {item.id: item.weights_hash for item in prints}
    assert score([*edges, *to_origin], truth, same, prints).right == score(edges, truth, same, prints).right
    assert common_origins(prints, edges) == []
