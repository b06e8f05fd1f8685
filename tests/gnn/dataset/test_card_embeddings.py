"""Cards as a sentence model embeds them: each once, without what states a target, used by all tasks but lineage."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atlas_db.columnar.read import read_graph
from atlas_db.core.errors import InputError
from atlas_db.store.bolt import Store
from gnn.dataset import card_embeddings
from gnn.dataset.assemble import assemble_graph
from gnn.dataset.card_embeddings import FOLDER, embed_cards, top_components
from gnn.dataset.hashed_tokens import TokenTable, hash_bucket
from gnn.dataset.neighbourhood import Neighbourhood
from gnn.dataset.tasks import EMBEDDING_COLUMN, TASKS
from gnn.inference.complete import checkpoint_key
from gnn.parameters.token_parameters import TOKEN
from tests.support.graphs import load_rows, model
from tests.support.sentence_model import sentence_model

TEXTS = {
    "a/birds": "Herons and terns and gulls, sung by night. Licensed apache-2.0, for fill-mask, in English",
    "b/birds": "Herons and terns and gulls, sung by night. Licensed mit, for text classification, in French",
    "c/steel": "Girders of iron carry trains over rivers, welded and riveted by many hands",
}


def with_card(name: str, text: str, license_id: str) -> dict[str, Any]:
    row = model(name, tags=[f"license:{license_id}"], pipeline_tag="fill-mask")
    return {"id": name, "info": row, "card": f"---\nlicense: {license_id}\n---\n{text}"}


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sentence_model(tmp_path_factory.mktemp("reader"), seed=1)


@pytest.fixture
def cards(local_store: Store, tmp_path: Path) -> Store:
    rows = [with_card(name, text, "mit" if name == "b/birds" else "apache-2.0") for name, text in TEXTS.items()]
    load_rows(local_store, tmp_path, [*rows, model("d/text", pipeline_tag="text-classification")])
    return local_store


def embedding_tokens(store: Store, home: Path, attribute: str = "license") -> dict[str, set[str]]:
    graph = assemble_graph(store, home, [TASKS[attribute]])
    (name,) = [name for name in graph.columns if name.startswith(EMBEDDING_COLUMN)]
    held = graph.columns[name]
    return {graph.ids[row]: {held.categories[word] for word in held.codes.row(row)} for row in range(len(graph))}


def test_each_card_is_read_once_and_what_states_a_target_is_not(cards: Store, tmp_path: Path, reader: Path) -> None:
    graph = read_graph(cards)
    assert embed_cards(graph, tmp_path, reader) == (3, 3, 0)
    assert embed_cards(graph, tmp_path, reader) == (3, 0, 3)
    listed = embedding_tokens(cards, tmp_path)
    assert listed["a/birds"] == listed["b/birds"] != listed["c/steel"] and listed["d/text"] == set()
    assert {len(listed[name]) for name in TEXTS} == {TOKEN.top_components}
    load_rows(cards, tmp_path, [with_card("e/new", TEXTS["c/steel"] + "!", "mit")], as_of="2024-03-01")
    assert embed_cards(read_graph(cards), tmp_path, reader) == (4, 1, 3)
    assert embedding_tokens(cards, tmp_path)["e/new"] == listed["c/steel"]


def test_a_stopped_run_goes_on_and_another_model_takes_its_place(
    cards: Store, tmp_path: Path, reader: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = read_graph(cards)
    monkeypatch.setattr(card_embeddings, "CARDS_PER_FILE", 1)
    embed_cards(graph, tmp_path, reader)
    whole = embedding_tokens(cards, tmp_path)
    (place,) = [each for each in (tmp_path / FOLDER).iterdir() if each.is_dir()]
    (place / "000002.parquet").unlink()
    (tmp_path / FOLDER / "current").unlink()
    assert not [name for name in assemble_graph(cards, tmp_path, []).columns if name.startswith(EMBEDDING_COLUMN)]
    assert embed_cards(graph, tmp_path, reader) == (3, 1, 2)
    assert embedding_tokens(cards, tmp_path) == whole
    embed_cards(graph, tmp_path, sentence_model(tmp_path / "other", seed=2))
    assert not place.exists() and embedding_tokens(cards, tmp_path) != whole


def test_all_tasks_but_lineage_use_embeddings_and_train_again(cards: Store, tmp_path: Path, reader: Path) -> None:
    before = assemble_graph(cards, tmp_path, [])
    embed_cards(read_graph(cards), tmp_path, reader)
    graph = assemble_graph(cards, tmp_path, [])
    (name,) = [name for name in graph.columns if name.startswith(EMBEDDING_COLUMN)]
    row = graph.ids.index("c/steel")
    observed = {
        hash_bucket(f"{name}:{graph.columns[name].categories[word]}") for word in graph.columns[name].codes.row(row)
    }
    for attribute, is_used in {"license": True, "pipeline_tag": True, "base_model": False}.items():
        around = Neighbourhood(graph, TASKS[attribute], TokenTable(graph), ~graph.placeholder)
        listed = set(around.metadata_tokens.row(row).tolist())
        assert (listed >= observed) if is_used else not listed & observed, attribute
        old = Neighbourhood(before, TASKS[attribute], TokenTable(before), ~before.placeholder)
        assert checkpoint_key(old, 0.9) != checkpoint_key(around, 0.9)


def test_directions_are_those_that_an_embedding_points_along_most() -> None:
    rng = np.random.default_rng(3)
    vectors = rng.normal(size=(5, 32)).astype(np.float32)
    points = top_components(np.concatenate((vectors, vectors + 0.001)), np.zeros(32, np.float32))
    assert points.shape == (10, TOKEN.top_components) and points.min() >= 0 and points.max() < TOKEN.projections
    shared = [len({*points[at].tolist()} & {*points[at + 5].tolist()}) for at in range(5)]
    assert min(shared) >= TOKEN.top_components - 1
    assert len({*points[0].tolist()} & {*points[1].tolist()}) < TOKEN.top_components // 2


def test_what_is_no_sentence_model_or_would_run_code_is_refused(cards: Store, tmp_path: Path, reader: Path) -> None:
    graph, folder = read_graph(cards), tmp_path / "reader"
    with pytest.raises(InputError, match="holds no sentence-transformers model"):
        embed_cards(graph, tmp_path, tmp_path / "nowhere")
    shutil.copytree(reader, folder)
    (folder / "more.bin").write_bytes(b"cos\nsystem\n")
    with pytest.raises(InputError, match="never opened"):
        embed_cards(graph, tmp_path, folder)
    (folder / "more.bin").unlink()
    modules = json.loads((folder / "modules.json").read_text())
    (folder / "modules.json").write_text(json.dumps([modules[0] | {"type": "subprocess.Popen"}]))
    with pytest.raises(InputError, match="code of its own"):
        embed_cards(graph, tmp_path, folder)
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "model.safetensors").write_bytes(b"\xff" * 40)
    with pytest.raises(InputError, match="cannot be opened"):
        embed_cards(graph, tmp_path, folder)
    assert not (tmp_path / FOLDER / "current").exists()
