"""A chart in the graph, on both engines: verified, undeclared, contradicted; again, one model more, and taken back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atlas_db.claims.runs import list_runs, rollback
from atlas_db.columnar.read import read_graph
from atlas_db.core.errors import InputError
from atlas_db.core.terms import is_origin
from atlas_db.lineage.traversal import lineage
from atlas_db.store.bolt import Store
from atlas_db.store.connect import ensure_schema
from atlas_db.store.statements import all_nodes
from cypher.query_library import find_query
from gnn.dataset.grouping_keys import groupings
from ingest.weights.chart import chart
from ingest.weights.fingerprints.fingerprint import Fingerprint
from ingest.weights.probes.forward_probe import GRAM_LENGTH
from ingest.weights.probes.probe_table import Probe, load_store_probes
from ingest.weights.samples.resample import Resampler
from ingest.weights.write_inferred import write_chart
from tests.support.families import HIDDEN, print_of, root, trained, write
from tests.support.graphs import child, load_rows, model, pairs, whole

BASE, STRANGE = "org/base", "other/stranger"


@pytest.fixture(scope="module")
def prints(tmp_path_factory: pytest.TempPathFactory) -> list[Fingerprint]:
    folder = tmp_path_factory.mktemp("weights")
    base = root(1)
    tuned = trained(base, 2)
    models = {
        BASE: base, "org/tuned": tuned, "me/grand": trained(tuned, 3), "me/quiet": trained(base, 4),
        "me/liar": trained(base, 5), STRANGE: root(9),
        "me/merge": {name: (value + base[name]) / 2 for name, value in tuned.items()},
    }  # fmt: skip
    made = []
    for day, (name, weights) in enumerate(models.items(), 1):
        write(folder / name, weights)
        made.append(print_of(folder / name, name, f"2024-02-{day:02d}"))
    return made


ROWS: list[dict[str, Any]] = [
    model(BASE), model(STRANGE), child("org/tuned", f"finetune:{BASE}"), child("me/grand", "finetune:org/tuned"),
    model("me/quiet"), child("me/liar", f"finetune:{STRANGE}"), child("me/elsewhere", f"finetune:{BASE}"),
]  # fmt: skip


def charted(store: Store, prints: list[Fingerprint], home: Path) -> dict[str, Any]:
    return write_chart(store, home, prints, chart(prints, Resampler()))


def test_statuses(store: Store, tmp_path: Path, prints: list[Fingerprint]) -> None:
    load_rows(store, tmp_path, ROWS)
    counts = charted(store, prints, tmp_path)
    assert pairs(store, "DERIVED_FROM", "status") == {
        ("org/tuned", BASE, "verified"), ("me/grand", "org/tuned", "verified"), ("me/quiet", BASE, "undeclared"),
        ("me/liar", BASE, "undeclared"), ("me/liar", STRANGE, "contradicted"), ("me/elsewhere", BASE, "declared"),
        ("me/merge", BASE, "undeclared"), ("me/merge", "org/tuned", "undeclared"),
    }  # fmt: skip
    assert pairs(store, "DERIVED_FROM") >= {("me/merge", BASE, "merge"), ("me/liar", BASE, "finetune")}
    assert (counts["contradicted"], counts["verified"]) == (1, 2)
    (row,) = store.run_user_query(find_query("contradicted").text, {"limit": 10})[1]
    assert (row["child"], row["parent"]) == ("me/liar", STRANGE)
    assert {row["child"] for row in store.run_user_query(find_query("undeclared").text, {"limit": 10})[1]} == {
        "me/quiet",
        "me/liar",
        "me/merge",
    }


def test_what_is_abstained_from_keeps_its_family(store: Store, tmp_path: Path, prints: list[Fingerprint]) -> None:
    load_rows(store, tmp_path, ROWS)
    edges = chart(prints, Resampler())
    write_chart(store, tmp_path, prints, [replace(edge, confidence=0.4) for edge in edges])
    assert not {status for *_, status in pairs(store, "DERIVED_FROM", "status")} - {"declared", "contradicted"}
    _, rows = store.run_user_query("MATCH (m:Model {weights_family: $root}) RETURN m.id AS id", {"root": BASE})
    assert {row["id"] for row in rows} == {item.id for item in prints} - {STRANGE}
    assert write_chart(store, tmp_path, prints, edges)["verified"] == 2


def test_charting_again_and_loading_again_change_nothing(
    store: Store, tmp_path: Path, prints: list[Fingerprint]
) -> None:
    load_rows(store, tmp_path, ROWS)
    charted(store, prints, tmp_path)
    before = whole(store)
    again = charted(store, prints, tmp_path)
    assert not {"created", "changed", "removed"} & again.keys()
    assert whole(store)[1] == before[1]
    load_rows(store, tmp_path, ROWS)
    assert whole(store)[1] == before[1]


def test_one_model_more_leaves_the_others_as_they_are(store: Store, tmp_path: Path, prints: list[Fingerprint]) -> None:
    load_rows(store, tmp_path, ROWS)
    charted(store, [item for item in prints if item.id != "me/grand"], tmp_path)
    without = pairs(store, "DERIVED_FROM", "status")
    assert ("me/grand", "org/tuned", "declared") in without
    charted(store, prints, tmp_path)
    assert pairs(store, "DERIVED_FROM", "status") - without == {("me/grand", "org/tuned", "verified")}


def test_a_chart_can_be_taken_back(store: Store, tmp_path: Path, prints: list[Fingerprint]) -> None:
    load_rows(store, tmp_path, ROWS)
    before = whole(store)
    run = charted(store, prints, tmp_path)["run_id"]
    assert {row["kind"] for row in list_runs(store)} == {"load", "chart"}
    assert whole(store) != before
    rollback(store, run, tmp_path, 500)
    assert whole(store) == before


def test_an_origin_that_is_not_here_is_a_node_until_the_model_comes(store: Store, tmp_path: Path) -> None:
    start = root(21)
    models = {"a/start": start} | {f"a/child{n}": trained(start, n, 0.1) for n in range(1, 7)}
    known = [print_of(write(tmp_path / name, weights), name, "2024-01-01") for name, weights in models.items()]
    charted(store, known[1:], tmp_path)
    (origin,) = {parent for _, parent, _ in pairs(store, "DERIVED_FROM") if is_origin(parent)}
    siblings = {child for child, parent, _ in pairs(store, "DERIVED_FROM") if parent == origin}
    assert len(siblings) > 1 and siblings <= models.keys() - {"a/start"}
    walked = lineage(store, sorted(siblings)[0], depth=2)
    assert {step.parent for step in walked.ancestors} == {origin}
    assert {step.child for step in lineage(store, origin, depth=1).descendants} == siblings
    charted(store, known, tmp_path)
    assert pairs(store, "DERIVED_FROM") == {(name, "a/start", "finetune") for name in models.keys() - {"a/start"}}
    assert {row[0] for row in store.fetch_all(all_nodes("Model", ("id",)))} == models.keys()


def test_a_dry_run_writes_nothing(store: Store, tmp_path: Path, prints: list[Fingerprint]) -> None:
    load_rows(store, tmp_path, ROWS)
    before = whole(store)
    counts = write_chart(store, tmp_path, prints, chart(prints, Resampler()), dry_run=True)
    assert counts["contradicted"] == 1
    assert whole(store) == before
    assert len(list_runs(store)) == 1


def test_what_models_answer_reaches_the_graph_and_completion(
    store: Store, tmp_path: Path, prints: list[Fingerprint]
) -> None:
    """Made-up answers: two that are similar, one that is not."""
    load_rows(store, tmp_path, ROWS)
    before = whole(store)
    rng = np.random.default_rng(0)
    one, other = (gram / np.linalg.norm(gram) for gram in rng.normal(size=(2, GRAM_LENGTH)).astype(np.float32))
    grams = {BASE: one, "me/quiet": one, STRANGE: other}
    probes = [Probe(name, "", "", "tokens", "logits:9", one, gram) for name, gram in grams.items()]
    edges = chart(prints, Resampler())
    run = write_chart(store, tmp_path, prints, edges, probes=probes)["run_id"]
    rows = store.run_user_query(
        "MATCH (m:Model) WHERE m.behaviour_cluster IS NOT NULL RETURN m.id AS id, m.behaviour_cluster AS b", {}
    )[1]
    assert {row["id"]: row["b"] for row in rows} == {BASE: "me/quiet", "me/quiet": "me/quiet", STRANGE: STRANGE}
    graph = read_graph(store)
    behaves = {name: int(graph.behaviour_cluster[graph.ids.index(name)]) for name in (*grams, "me/grand")}
    assert behaves[BASE] == behaves["me/quiet"] >= 0
    assert behaves[STRANGE] not in (-1, behaves[BASE])
    assert behaves["me/grand"] == -1
    (kind,) = (
        each for each in groupings(graph, frozenset({"license"}), lambda _: False) if each.name == "behaviour cluster"
    )
    assert kind.cold_start
    assert {item.id for item in load_store_probes(tmp_path, ensure_schema(store))} == set(grams)
    assert not {"created", "changed"} & write_chart(store, tmp_path, prints, edges, probes=probes).keys()
    for known in [row["id"] for row in list_runs(store) if row["kind"] == "chart"]:
        rollback(store, known, tmp_path, 500)
    assert run
    assert whole(store) == before


def test_the_base_that_a_configuration_names_is_declared_and_never_verified(
    store: Store, tmp_path: Path, prints: list[Fingerprint]
) -> None:
    """Adapters of random numbers: the weights cannot know their base."""
    folder = tmp_path / "weights"
    adapters = []
    for name in ("me/lora", "me/unlisted"):
        rng = np.random.default_rng(len(name))
        shapes = {"lora_A": (2, HIDDEN), "lora_B": (HIDDEN, 2)}
        prefix = "base_model.model.model.layers.0.self_attn.q_proj"
        factors = {f"{prefix}.{part}.weight": rng.normal(size=size) for part, size in shapes.items()}
        write(folder / name, {key: value.astype(np.float32) for key, value in factors.items()})
        config = {"peft_type": "LORA", "r": 2, "lora_alpha": 2, "base_model_name_or_path": BASE}
        (folder / name / "adapter_config.json").write_text(json.dumps(config))
        adapters.append(print_of(folder / name, name, "2024-02-20"))
    load_rows(store, tmp_path, [*ROWS, child("me/lora", f"adapter:{BASE}")])
    before = whole(store)
    everything = [*prints, *adapters]
    edges = chart(everything, Resampler(), declared=True)
    assert {edge.child for edge in edges if edge.parent == BASE} >= {"me/lora", "me/unlisted"}
    run = write_chart(store, tmp_path, everything, edges)["run_id"]
    statuses = pairs(store, "DERIVED_FROM", "status")
    assert {("me/lora", BASE, "declared"), ("me/unlisted", BASE, "declared")} <= statuses
    methods = {row for row in pairs(store, "CLAIMS_PARENT", "method") if row[0] in ("me/lora", "me/unlisted")}
    assert methods == {
        ("me/lora", BASE, "hub-tags@1"), ("me/lora", BASE, "adapter-config@1"), ("me/unlisted", BASE, "adapter-config@1"),
    }  # fmt: skip
    again = whole(store)
    assert not {"created", "changed", "removed"} & write_chart(store, tmp_path, everything, edges).keys()
    load_rows(store, tmp_path, [*ROWS, child("me/lora", f"adapter:{BASE}")])
    assert whole(store)[1] == again[1]
    for known in [row["id"] for row in list_runs(store) if row["kind"] == "chart"]:
        rollback(store, known, tmp_path, 500)
    assert run
    assert whole(store) == before


def test_rolling_back_a_load_keeps_what_a_chart_found(store: Store, tmp_path: Path, prints: list[Fingerprint]) -> None:
    load_rows(store, tmp_path, [model("x/first")])
    charted(store, prints, tmp_path)
    before = whole(store)
    run = load_rows(store, tmp_path, ROWS).run_id
    assert whole(store) != before
    rollback(store, run, tmp_path, 500)
    _, rows = store.run_user_query(
        "MATCH (m:Model) WHERE m.weights_hash IS NOT NULL RETURN m.id AS id, m.placeholder AS p", {}
    )
    assert {(row["id"], row["p"]) for row in rows} == {(item.id, True) for item in prints}
    assert pairs(store, "DERIVED_FROM", "status") >= {("me/quiet", BASE, "undeclared")}


@pytest.mark.parametrize("name", ["a/b\n", "\x1b[31m", " ", "origin:0a", "a//b"])
def test_a_model_whose_id_nobody_could_name_is_not_written(
    store: Store, tmp_path: Path, prints: list[Fingerprint], name: str
) -> None:
    before = whole(store)
    with pytest.raises(InputError, match="cannot be written: the ") as caught:
        write_chart(store, tmp_path, [*prints, replace(prints[0], id=name)], [])
    assert "Rename" in caught.value.hint
    assert whole(store) == before
