"""Completion of a made-up hub, on both engines: same tensors, claims of their own, nothing declared touched."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atlas_db.columnar.graph import Graph, days_since_epoch
from atlas_db.columnar.read import read_graph
from atlas_db.core.arrays import csr_lists
from atlas_db.core.errors import CompletionError, InputError, UsageError
from atlas_db.store.bolt import Store
from gnn.candidates.dataset_candidates import DatasetIndex
from gnn.candidates.inverted_index import Vocabulary, tokenize_names
from gnn.candidates.parent_candidates import ParentIndex
from gnn.dataset.assemble import assemble_graph
from gnn.dataset.deduplicate import deduplicate_cards
from gnn.dataset.hashed_tokens import TokenTable, hash_bucket
from gnn.dataset.neighbourhood import Neighbourhood
from gnn.dataset.query import CompletionQuery
from gnn.dataset.tasks import HAS_PARENT, TASKS, VERSION, Task, leaking_tags, leaking_tokens, rows_missing
from gnn.evaluation.evaluate import evaluate, split
from gnn.features.candidate_table import CandidateTableBuilder
from gnn.inference.predictions import Prediction, drop_cycles, import_predictions
from gnn.inference.write_predictions import CompleteOptions, complete_and_write, track_record
from gnn.models.attribute_model import AttributeModel
from gnn.models.bag_of_words import BagOfWordsClassifier
from gnn.models.correct_and_smooth import LabelSmoothing
from gnn.models.training import fit_attribute_model
from gnn.parameters.candidate_parameters import CANDIDATE
from ingest.load.runs import list_runs, rollback
from tests.support.graphs import load_rows, model, pairs, whole
from tests.support.hubs import LICENCES, made_up

pytestmark = [pytest.mark.timeout(600), pytest.mark.train]


@pytest.fixture
def graph(local_store: Store, tmp_path: Path) -> Graph:
    load_rows(local_store, tmp_path, made_up())
    return read_graph(local_store)


def flat(graph: Graph) -> list[Any]:
    columns = [
        (name, column.categories, *(part.tolist() for part in column.codes))
        for name, column in sorted(graph.columns.items())
    ]
    arrays = (
        graph.placeholder,
        graph.created,
        graph.downloads,
        graph.likes,
        graph.author,
        *graph.parents,
        graph.relations,
        graph.confidence,
    )
    return [graph.ids, graph.authors, columns, *(array.tolist() for array in arrays)]


SEEN: dict[str, list[Any]] = {}


def test_engines_give_the_same_tensors(store: Store, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    load_rows(store, tmp_path, made_up(120))
    graph = read_graph(store)
    SEEN[request.node.name] = flat(graph)
    assert graph.ids == sorted(graph.ids) and len(graph) == 128
    assert len({json.dumps(value) for value in SEEN.values()}) == 1
    held = graph.columns["license"]
    assert {held.categories[value] for value in held.codes.values} == set(LICENCES)
    assert graph.declared.all() and (np.diff(graph.parents.indptr) <= 1).all()


def test_completion_writes_replaces_and_is_taken_back(store: Store, tmp_path: Path) -> None:
    rows = made_up()
    load_rows(store, tmp_path, rows)
    before = whole(store)
    options = CompleteOptions(("license", "pipeline_tag"), out=tmp_path / "p.jsonl", precision=0.9)
    dry = complete_and_write(store, tmp_path, replace(options, dry_run=True))
    assert whole(store) == before and not dry.run_id
    report = complete_and_write(store, tmp_path, options)
    assert dry.trained == ["license", "pipeline_tag"] and report.trained == []
    assert report.predicted == dry.predicted and report.predicted["license"] > 0.6 * report.missing["license"]
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    assert len(lines) == report.written == sum(report.predicted.values())
    assert all(set(line) == {"model_id", "attribute", "value", "confidence"} for line in lines)
    claims = pairs(store, "HAS_LICENSE", "source")
    declared = {(a, b) for a, b, source in claims if source == "declared"}
    predicted = {(a, b) for a, b, source in claims if source == "predicted"}
    assert predicted == {(line["model_id"], line["value"]) for line in lines if line["attribute"] == "license"}
    assert not {a for a, _ in predicted} & {a for a, _ in declared}
    kind = {row["id"]: int(row["id"].split("base")[1][0]) for row in rows}
    right = [LICENCES[kind[a] % 4] == b for a, b in predicted]
    assert sum(right) / len(right) > 0.9
    again = complete_and_write(store, tmp_path, options)
    assert pairs(store, "HAS_LICENSE", "source") == claims and again.run_id != report.run_id
    rollback(store, again.run_id, tmp_path, 500)
    assert whole(store) == before
    assert [run["kind"] for run in list_runs(store)] == ["completion", "load"]


def test_a_later_declaration_confirms_or_refutes(store: Store, tmp_path: Path) -> None:
    rows = made_up()
    load_rows(store, tmp_path, rows)
    report = complete_and_write(store, tmp_path, CompleteOptions(("license",), precision=0.8))
    predicted = {a: b for a, b, source in pairs(store, "HAS_LICENSE", "source") if source == "predicted"}
    names = sorted(predicted)[:10]
    told = [
        model(name, tags=[f"license:{predicted[name] if place else 'gpl-3.0'}"]) for place, name in enumerate(names)
    ]  # fmt: skip
    load_rows(store, tmp_path, told, as_of="2024-08-01")
    (row,) = [row for row in track_record(store) if row["attribute"] == "license"]
    assert (row["predicted"], row["declared"], row["confirmed"], row["refuted"]) == (report.written, 10, 9, 1)
    assert row["precision"] == 0.9 and 0.5 < row["confidence"] <= 1
    assert {(names[0], "gpl-3.0", "declared"), (names[0], predicted[names[0]], "predicted")} <= pairs(
        store, "HAS_LICENSE", "source"
    )


def test_parents_are_proposed_and_fused(store: Store, tmp_path: Path) -> None:
    load_rows(store, tmp_path, made_up())
    options = CompleteOptions(("base_model",), out=tmp_path / "p.jsonl", min_confidence=0.2)
    report = complete_and_write(store, tmp_path, options)
    lines = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    assert lines and all(0 <= line["root_probability"] <= 1 for line in lines)
    assert all(1 - line["root_probability"] <= line["derived_probability"] + 1e-5 <= 1 + 1e-5 for line in lines)
    best: dict[str, str] = {}
    for line in lines:
        best.setdefault(line["model_id"], line["value"])
    right = [f"/{name.split('/')[1].split('-')[0]}-" in value for name, value in best.items()]
    assert sum(right) / len(right) > 0.9
    edges = {(a, b) for a, b, status in pairs(store, "DERIVED_FROM", "status") if status == "predicted"}
    assert len(edges) == report.written > 0
    assert edges == {(a, b) for a, b, source in pairs(store, "CLAIMS_PARENT", "source") if source == "predicted"}
    rollback(store, report.run_id, tmp_path, 500)
    assert "predicted" not in {status for _, _, status in pairs(store, "DERIVED_FROM", "status")}


def test_no_prediction_closes_a_ring(graph: Graph) -> None:
    child = next(row for row in range(len(graph)) if graph.parents.counts[row])
    parent = int(graph.parents.row(child)[0])
    free = rows_missing(graph, "base_model")
    back = Prediction(parent, "base_model", graph.ids[child], 0.9, 0.0, 1.0, {})
    fine = Prediction(int(free[-1]), "base_model", graph.ids[parent], 0.9, 0.0, 1.0, {})
    assert drop_cycles(graph, [back, fine]) == [fine]
    first, second = (int(row) for row in free[-2:])
    pair = [Prediction(a, "base_model", graph.ids[b], 0.9, 0.0, 1.0, {}) for a, b in ((first, second), (second, first))]
    assert drop_cycles(graph, pair) == []


def test_the_target_cannot_be_read(graph: Graph) -> None:
    """What the tested models declare is put in another order: no feature and no prediction changes."""
    rng = np.random.default_rng(1)
    cutoff = float(np.quantile(graph.created, 0.8))
    held = graph.columns["license"].codes
    hidden = graph.created[held.rows] >= cutoff
    mixed = held.values.copy()
    mixed[hidden] = rng.permutation(mixed[hidden])
    assert (mixed != held.values).sum() > 30
    other = replace(
        graph, columns={**graph.columns, "license": graph.columns["license"]._replace(held=held._replace(values=mixed))}
    )
    seen = []
    for each in (graph, other):
        around = Neighbourhood(each, TASKS["license"], TokenTable(each), each.created < cutoff)
        completer = fit_attribute_model(around)
        rows = np.flatnonzero(each.created >= cutoff)
        query = CompletionQuery(rows, np.full(len(rows), cutoff), np.ones(len(rows), bool))
        seen.append((completer.candidate_table(around, query), completer.predict_proba(around, query)))
    assert np.array_equal(seen[0][0].features[:, :-3], seen[1][0].features[:, :-3], equal_nan=True)
    assert np.allclose(seen[0][1].probability, seen[1][1].probability, atol=1e-3)


@pytest.mark.parametrize("task", [TASKS["base_model"], HAS_PARENT])
def test_lineage_cannot_be_read_where_it_is_the_target(graph: Graph, task: Task) -> None:
    """Tested models declare no parents in one of two graphs: no feature changes."""
    cutoff = float(np.quantile(graph.created, 0.8))
    kept = graph.created[graph.parents.rows] < cutoff
    assert (~kept).sum() > 30
    parents = csr_lists(len(graph), graph.parents.rows[kept], graph.parents.values[kept])
    edges = {name: getattr(graph, name)[kept] for name in ("relations", "confidence", "declared", "inferred")}
    other = replace(graph, parents=parents, **edges)
    rows = np.flatnonzero(graph.created >= cutoff)
    query = CompletionQuery(rows, np.full(len(rows), cutoff), np.ones(len(rows), bool))
    completer = None
    seen = []
    for each in (graph, other):
        around = Neighbourhood(each, task, TokenTable(each, lineage=False), each.created < cutoff)
        completer = completer or fit_attribute_model(around)
        seen.append(completer.candidate_table(around, query))
    assert np.array_equal(seen[0].values, seen[1].values)
    assert np.array_equal(seen[0].features, seen[1].features, equal_nan=True)


def test_a_checkpoint_predicts_the_same(graph: Graph, tmp_path: Path) -> None:
    around = Neighbourhood(graph, TASKS["license"], TokenTable(graph), ~graph.placeholder)
    made = fit_attribute_model(around)
    made.save(tmp_path / "c")
    again = AttributeModel.load(tmp_path / "c")
    assert again is not None and again.calibration == made.calibration
    rows = rows_missing(graph, "license")
    query = CompletionQuery(rows, np.full(len(rows), graph.created.max() + 1), np.ones(len(rows), bool))
    first, second = made.predict_proba(around, query), again.predict_proba(around, query)
    assert np.array_equal(first.values, second.values) and np.allclose(first.probability, second.probability, atol=1e-5)
    network_file = (tmp_path / "c" / "network.safetensors").read_bytes()
    for name, content in (("network.safetensors", network_file[:1000]), ("stacked.txt", b"tree")):
        kept = (tmp_path / "c" / name).read_bytes()
        (tmp_path / "c" / name).write_bytes(content)
        with pytest.raises(CompletionError, match="cannot be read"):
            AttributeModel.load(tmp_path / "c")
        (tmp_path / "c" / name).write_bytes(kept)
    meta = tmp_path / "c" / "meta.json"
    whole = meta.read_text()
    for older in (whole.replace(VERSION, "complete@7"), '{"version": "complete@0"}'):
        assert older != whole
        meta.write_text(older)
        assert AttributeModel.load(tmp_path / "c") is None
    meta.write_text(whole)
    assert AttributeModel.load(tmp_path / "c") is not None


def test_one_model_in_the_newest_part_is_too_little_to_learn_from(local_store: Store, tmp_path: Path) -> None:
    early = [
        model(f"a/tern{n}", tags=["dataset:squad", "dataset:imdb"], createdAt="2023-01-01T00:00:00.000Z")
        for n in range(3)
    ]
    late = model("b/heron", tags=[f"dataset:d{n}" for n in range(60)], createdAt="2024-05-01T00:00:00.000Z")
    load_rows(local_store, tmp_path, [*early, late, model("c/auk")])
    with pytest.raises(CompletionError, match="datasets cannot be learnt: 1 models declare it in the newest part"):
        complete_and_write(local_store, tmp_path, CompleteOptions(("datasets",), dry_run=True, strict=True))


def test_evaluation_knows_its_baselines(graph: Graph) -> None:
    field, bare = evaluate(graph, TASKS["license"], cutoff="2024-01-15T00:00:00Z", until="2024-06-01T00:00:00Z")
    table = {row["method"]: row for row in field.rows}
    assert table["majority"]["accuracy"] < 0.5 < table["parent copy"]["accuracy"] < table["ships"]["accuracy"]
    assert table["parent copy"]["with parent"] > 0.85 and table["ships"]["accuracy"] > 0.85
    assert all(0 <= row["ECE"] <= 1 and row["macro-F1"] <= 1 for row in table.values())
    assert field.gain["accuracy"][1] <= field.gain["accuracy"][0] <= field.gain["accuracy"][2]
    assert bare.models == field.models == sum(count for _, _, count in bare.reliability)
    for kind in ("random", "authors", "families", "missing"):
        scores = evaluate(graph, TASKS["pipeline_tag"], kind, baselines=False)
        assert scores[0].rows[-1]["method"] == "ships" and scores[0].rows[-1]["accuracy"] > 0.7, kind


def test_datasets_of_the_list_that_nobody_declares_are_proposed(local_store: Store, tmp_path: Path) -> None:
    listed = [
        dataset("someone/tweet_eval", "2023-01-01"), dataset("user1/notes", "2023-02-01"),
        dataset("user1/later", "2025-01-01"), dataset("another/Tweet_eval", "2025-01-01"),
    ]  # fmt: skip
    asked = model("user1/bert-tweet-eval-v2", createdAt="2024-05-01T00:00:00.000Z")
    load_rows(local_store, tmp_path, [*made_up(120), asked, *listed])
    graph = read_graph(local_store, datasets=True)
    assert graph.listed_datasets.names == sorted(row["id"] for row in listed)
    assert not read_graph(local_store).listed_datasets.names
    around = Neighbourhood(graph, TASKS["datasets"], TokenTable(graph), ~graph.placeholder)
    names = np.array(around.column.categories)
    assert set(names) == {*graph.columns["datasets"].categories, *graph.listed_datasets.names}
    index = DatasetIndex(graph, around.column.categories, around.events, tokenize_names(graph.ids, Vocabulary()))
    row = graph.ids.index("user1/bert-tweet-eval-v2")
    places, found = index.propose(np.array([0, row]), graph.created[[0, row]])
    assert {"someone/tweet_eval", "user1/notes"} == set(names[found[places == 1]])
    (first, second) = index.pair_features(
        np.full(2, row),
        np.array([around.column.categories.index(n) for n in graph.listed_datasets.names[1:3]]),
        np.full(2, graph.created[row]),
    )
    told = [dict(zip(index.features, pair.tolist(), strict=True)) for pair in (first, second)]
    assert graph.listed_datasets.names[1:3] == ["someone/tweet_eval", "user1/later"]
    assert (told[0]["same author"], told[1]["same author"]) == (0, 1)
    assert told[0]["share of the candidate's term weight"] == pytest.approx(1) and told[0]["not yet declared"] == 1
    assert told[0]["shared terms"] == 3 and 0 < told[0]["share of the model's term weight"] < 1
    assert told[0]["years since the dataset"] == pytest.approx(486 / 365.25, abs=1e-4)
    assert told[0]["datasets of that name"] == pytest.approx(np.log1p(2))


def test_parents_are_proposed_for_their_owner_and_for_likes_while_nobody_names_them(
    local_store: Store, tmp_path: Path
) -> None:
    famous = [
        model(f"org{n}/bert-base-finetuned", likes=50 + n, createdAt="2023-01-01T00:00:00.000Z") for n in range(99)
    ]
    plain = model("usami/bert-base-finetuned", likes=0, createdAt="2023-01-02T00:00:00.000Z")
    liked = model("lab/Rhea", likes=900, createdAt="2024-03-01T00:00:00.000Z")
    faded = model("lab/Hera", likes=950, createdAt="2023-06-01T00:00:00.000Z")
    asked = model("zoo/usami_bert-base-finetuned-lora", createdAt="2024-04-20T00:00:00.000Z")
    later = model("lab/Later", likes=999, createdAt="2024-04-20T00:00:00.000Z")
    load_rows(local_store, tmp_path, [*made_up(120), *famous, plain, liked, faded, asked, later])
    graph = read_graph(local_store)
    around = Neighbourhood(graph, TASKS["base_model"], TokenTable(graph, lineage=False), ~graph.placeholder)
    index = ParentIndex(graph, graph.ids, around.events, tokenize_names(graph.ids, Vocabulary()))
    row = graph.ids.index(asked["id"])
    _, found = index.propose(np.array([row]), graph.created[[row]])
    proposed = {graph.ids[parent] for parent in found}
    assert {plain["id"], liked["id"]} <= proposed and not {faded["id"], later["id"], asked["id"]} & proposed
    parents = np.array([graph.ids.index(name) for name in (plain["id"], "org98/bert-base-finetuned")])
    pairs = index.pair_features(np.full(2, row), parents, graph.created[[row, row]])
    told = [dict(zip(index.features, pair.tolist(), strict=True)) for pair in pairs]
    assert (
        told[0]["share of the candidate's term weight"]
        == told[1]["share of the candidate's term weight"]
        == pytest.approx(1)
    )
    assert told[0]["owner and name: share of the candidate's term weight"] == pytest.approx(1)
    assert told[1]["owner and name: share of the candidate's term weight"] < 0.9


def test_parents_that_the_weights_speak_for_are_proposed(graph: Graph) -> None:
    cutoff = float(np.quantile(graph.created, 0.8))
    names = [identifier.partition("/")[0] for identifier in graph.ids]
    children = np.flatnonzero((graph.created >= cutoff) & (graph.parents.counts > 0))
    rows = graph.parents.rows
    # As if the weights had named someone whom neither name nor history would.
    stranger = next(row for row in range(len(graph)) if names[row] == "user1" and graph.created[row] < cutoff)
    parents = graph.parents.values.copy()
    parents[rows == children[0]] = stranger
    other = replace(graph, parents=graph.parents._replace(values=parents), witnessed=rows == children[0])
    query = CompletionQuery(children[:2], np.full(2, cutoff), np.zeros(2, bool))
    found = []
    for each in (graph, other):
        around = Neighbourhood(each, TASKS["base_model"], TokenTable(each, lineage=False), each.created < cutoff)
        table = fit_attribute_model(around).candidate_table(around, query)
        column = around.derived(CandidateTableBuilder).feature_names.index("inferred from weights")
        found.append({(int(place), int(value)): float(said) for place, value, said in
                      zip(table.query_index, table.values, table.features[:, column], strict=True)})  # fmt: skip
    assert not any(found[0].values())
    assert {pair for pair, said in found[1].items() if said} == {(0, stranger)}


def test_copied_cards_are_tested_once(local_store: Store, tmp_path: Path) -> None:
    def of(name: str, month: int, licence: str = "mit", **fields: Any) -> dict[str, Any]:
        return model(name, tags=[f"license:{licence}"], createdAt=f"2024-0{month}-01T00:00:00.000Z", **fields)

    rows = [
        of("a/tern-7b", 1), of("b/tern-7b-GGUF", 2), of("c/tern-7b-4bit", 3), of("d/tern-7b-AWQ", 3, "llama2"),
        of("e/tern-7b", 4), of("f/heron-GPTQ", 4), of("g/heron-GGUF", 5),
    ]  # fmt: skip
    load_rows(local_store, tmp_path, rows)
    graph = read_graph(local_store)
    first = [graph.ids[row] for row in deduplicate_cards(graph)]
    assert dict(zip(graph.ids, first, strict=True)) == {
        **{name: name for name in ("a/tern-7b", "d/tern-7b-AWQ", "e/tern-7b", "f/heron-GPTQ")},
        "b/tern-7b-GGUF": "a/tern-7b", "c/tern-7b-4bit": "a/tern-7b", "g/heron-GGUF": "f/heron-GPTQ",
    }  # fmt: skip
    _, tested = split(
        graph,
        TASKS["license"],
        "temporal",
        days_since_epoch("2024-02-15T00:00:00Z"),
        days_since_epoch("2024-06-01T00:00:00Z"),
    )
    assert {graph.ids[row] for row in tested} == {"d/tern-7b-AWQ", "e/tern-7b", "f/heron-GPTQ"}
    seen = set()
    for seed in range(40):
        try:
            visible, tested = split(graph, TASKS["license"], "random", 0, 0, seed=seed)
        except CompletionError:
            continue
        hidden = {graph.ids[row] for row in np.flatnonzero(~visible)}
        seen |= (chosen := {graph.ids[row] for row in tested})
        assert ("a/tern-7b" in chosen) == ("b/tern-7b-GGUF" in hidden) == ("c/tern-7b-4bit" in hidden)
        assert ("f/heron-GPTQ" in chosen) == ("g/heron-GGUF" in hidden)
    assert seen == {"a/tern-7b", "d/tern-7b-AWQ", "e/tern-7b", "f/heron-GPTQ"}


def test_words_of_cards_are_heard_but_for_the_target(local_store: Store, tmp_path: Path) -> None:
    def with_card(place: int, text: str) -> dict[str, Any]:
        row = model(f"writer/card{place}", tags=["license:mit", "en"], pipeline_tag="fill-mask")
        return {"id": row["id"], "info": row, "card": f"---\nlicense: mit\n---\n{text}"}

    text = "Birds of apache-2.0 by the MIT license for fill mask, English, on squad, from org1/base1-7b or base2-7b"
    load_rows(
        local_store, tmp_path, [*made_up(60), *(with_card(place, text) for place in range(6))], as_of="2024-01-01"
    )
    load_rows(local_store, tmp_path, [with_card(0, "Nothing that others say")], as_of="2024-02-01")
    tasks = [TASKS["license"]]
    graph = assemble_graph(local_store, tmp_path, tasks)
    held = graph.columns["card"]
    said = {graph.ids[row]: {held.categories[word] for word in held.codes.row(row)} for row in range(len(graph))}
    assert {"birds", "birds of", "apache-2.0", "fill mask", "english", "org1/base1-7b"} <= said["writer/card3"]
    assert not said["writer/card0"] and not said["org1/base1-7b"]
    assert "card" not in read_graph(local_store).columns
    expected = {
        "license": {"apache-2.0", "mit", "the mit", "mit license", "license", "of apache-2.0"},
        "pipeline_tag": {"fill mask"},
        "language": {"english"},
        "datasets": {"squad", "on squad"},
        "base_model": {"org1/base1-7b", "base2-7b", "or base2-7b"},
    }
    for attribute, masked in expected.items():
        states = leaking_tokens(graph, attribute)
        found = {word for word in held.categories if states(word)}
        assert masked <= found, attribute
        assert not {"birds", "birds of"} & found, attribute
        others = {word for name, words in expected.items() if name != attribute for word in words if " " not in word}
        assert not others & found, attribute
        around = Neighbourhood(graph, TASKS[attribute], TokenTable(graph), ~graph.placeholder)
        told = set(around.metadata_tokens.row(graph.ids.index("writer/card3")).tolist())
        assert told >= {hash_bucket(f"card:{word}") for word in said["writer/card3"] - found}
        assert len(told) < len(said["writer/card3"]) + 4


def dataset(name: str, date: str) -> dict[str, Any]:
    return {"id": name, "key": "", "citation": "", "tags": [], "createdAt": f"{date}T00:00:00.000Z"}


def test_masks_hide_what_states_the_target(graph: Graph) -> None:
    says = leaking_tags(graph, "license")
    assert says("mit") and not says("transformers") and not says("llama2")
    assert leaking_tags(graph, "pipeline_tag")("text-generation") and leaking_tags(graph, "pipeline_tag")(
        "endpoints_compatible"
    )
    assert leaking_tags(graph, "library_name")("diffusers:StableDiffusionPipeline") and leaking_tags(graph, "datasets")(
        "imdb"
    )
    assert leaking_tags(graph, "base_model")("base_model:x") and not leaking_tags(graph, "base_model")("imdb")


@pytest.mark.parametrize("dates", ["nobody kept them", "three weeks"])
def test_stores_whose_dates_say_little(dates: str, local_store: Store, tmp_path: Path) -> None:
    """Children declare what their parent does, in 95 of 100: where time tells nothing, that is still seen."""
    rows = made_up(600)
    for place, row in enumerate(rows):
        day = f"2024-05-{1 + 21 * place // len(rows):02d}T08:00:00.000Z"
        row["createdAt"] = "2022-03-02T23:29:04.000Z" if dates == "nobody kept them" else day
    load_rows(local_store, tmp_path, rows)
    field, bare = evaluate(read_graph(local_store), TASKS["license"], "random")
    for view in (field, bare):
        right = {row["method"]: row["accuracy"] for row in view.rows}
        assert right["ships"] > 0.8 > 0.6 > right["majority"], (view.view, right)
    report = complete_and_write(local_store, tmp_path, CompleteOptions(("license",), precision=0.8, dry_run=True))
    assert report.predicted["license"] > 50


def test_too_little_to_learn_from(local_store: Store, tmp_path: Path) -> None:
    with pytest.raises(CompletionError, match="no models"):
        complete_and_write(local_store, tmp_path, CompleteOptions())
    one = [model(f"a/m{place}", tags=["license:mit"] if place % 2 else []) for place in range(120)]
    load_rows(local_store, tmp_path, one)
    before = whole(local_store)
    with pytest.raises(CompletionError, match="license cannot be learnt: 60 declarations, 1 values"):
        complete_and_write(local_store, tmp_path, CompleteOptions(("license",), strict=True))
    with pytest.raises(CompletionError, match="no attribute can be completed"):
        complete_and_write(local_store, tmp_path, CompleteOptions())
    with pytest.raises(UsageError, match="cannot complete licence"):
        complete_and_write(local_store, tmp_path, CompleteOptions(("licence",)))
    with pytest.raises(CompletionError, match="not in the store"):
        complete_and_write(local_store, tmp_path, CompleteOptions(("license",), models=("no/one",)))
    assert whole(local_store) == before


def test_predictions_of_a_file_are_written_where_nothing_can_be_learnt(local_store: Store, tmp_path: Path) -> None:
    known = [model("a/known", tags=["license:mit"]), model("b/known", tags=["license:apache-2.0"])]
    load_rows(local_store, tmp_path, [*known, model("a/one"), model("a/two"), model("a/three")])
    file = tmp_path / "kept.jsonl"
    rows = [{"model_id": name, "attribute": "license", "value": value, "confidence": 0.9}
            for name, value in (("a/two", "mit"), ("a/known", "apache-2.0"), ("a/one", "apache-2.0"),
                                ("a/three", "gpl-3.0"))]  # fmt: skip
    parent = {
        "model_id": "a/two",
        "attribute": "base_model",
        "value": "a/one",
        "confidence": 0.8,
        "root_probability": 0.1,
    }
    file.write_text("".join(json.dumps(row) + "\n" for row in [*rows, parent]))
    report = import_predictions(local_store, tmp_path, file)
    assert (report.missing["license"], report.predicted["license"], report.written) == (3, 2, 3)
    assert pairs(local_store, "HAS_LICENSE", "source") == {
        ("a/known", "mit", "declared"), ("b/known", "apache-2.0", "declared"), ("a/one", "apache-2.0", "predicted"), ("a/two", "mit", "predicted"),
    }  # fmt: skip
    assert pairs(local_store, "DERIVED_FROM", "status") == {("a/two", "a/one", "predicted")}
    before = whole(local_store)
    assert import_predictions(local_store, tmp_path, file).written == 3
    assert whole(local_store) == before
    file.write_text('{"model_id": "a/one", "attribute": "colour", "value": "red", "confidence": 1.0}\n')
    with pytest.raises(InputError, match="cannot complete colour"):
        import_predictions(local_store, tmp_path, file)
    file.write_text(json.dumps({**rows[0], "model_id": "no/body"}))
    with pytest.raises(CompletionError, match="not in the store"):
        import_predictions(local_store, tmp_path, file)


def test_words_of_models_and_of_their_kin(graph: Graph, tmp_path: Path) -> None:
    """The kin's mean is that of a plain loop, and looks at nobody younger."""
    around = Neighbourhood(graph, TASKS["license"], TokenTable(graph), np.ones(len(graph), bool))
    linear = BagOfWordsClassifier.fit(around, np.ones(len(around.events.rows), bool), 1)
    assert linear.values == sorted(LICENCES)
    query = CompletionQuery(np.arange(len(graph)), graph.created, np.arange(len(graph)) % 2 == 0)
    scores = linear.predict_log_proba(around, query)
    assert np.exp(scores).sum(1) == pytest.approx(np.ones(len(graph)), abs=1e-4)
    held = around.column.codes.first
    assert (np.exp(scores).argmax(1) == held)[held >= 0].mean() > 0.8
    linear.save(tmp_path / "bag_of_words.safetensors")
    again = BagOfWordsClassifier.load(tmp_path / "bag_of_words.safetensors", linear.values)
    assert again.predict_log_proba(around, query) == pytest.approx(scores)
    echo = LabelSmoothing(around, linear)
    places = np.arange(0, len(graph), 7)
    values = np.arange(len(places)) % len(around.column.categories)
    found = echo.mean_neighbour_probability(query, places, values)
    everyone = np.exp(
        linear.predict_log_proba(around, CompletionQuery(query.rows, query.cutoffs, np.ones(len(graph), bool)))
    )
    for column, name in enumerate(CANDIDATE.smoothed_groups):
        members, asked = around.groupings[name].member_key, around.group_of(name, query)
        for at, (row, value) in enumerate(zip(places, values, strict=True)):
            kin = np.flatnonzero((members == asked[row]) & (graph.created < graph.created[row]))
            kin = kin[np.argsort(graph.created[kin], kind="stable")][-CANDIDATE.recent_events :]
            if asked[row] < 0 or not len(kin):
                assert np.isnan(found[at, column])
            else:
                assert found[at, column] == pytest.approx(everyone[kin, value].mean(), abs=2e-3)


def test_nobody_to_complete(graph: Graph) -> None:
    around = Neighbourhood(graph, TASKS["license"], TokenTable(graph), np.ones(len(graph), bool))
    nobody = np.zeros(0, np.int64)
    found = fit_attribute_model(around).predict_proba(around, CompletionQuery(nobody, np.zeros(0), np.zeros(0, bool)))
    assert [len(column) for column in found] == [0, 0, 0, 0]
    assert found.top_values(0)[0].tolist() == []
