"""Tests of `gnn/dataset/hashed_tokens.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atlas_db.columnar.graph import Graph
from atlas_db.columnar.read import read_graph
from atlas_db.store.bolt import Store
from gnn.dataset.assemble import assemble_graph
from gnn.dataset.hashed_tokens import NameTokens, TokenTable, hash_bucket
from gnn.dataset.neighbourhood import Neighbourhood
from gnn.dataset.tasks import TASKS, leaking_tokens
from gnn.parameters.token_parameters import TOKEN
from tests.support.graphs import load_rows, model
from tests.support.hubs import made_up
from tests.support.memory_graph import made_graph


@pytest.mark.train
def test_tokens_of_cards_are_used_but_for_the_target(local_store: Store, tmp_path: Path) -> None:
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
    observed = {graph.ids[row]: {held.categories[word] for word in held.codes.row(row)} for row in range(len(graph))}
    assert {"birds", "birds of", "apache-2.0", "fill mask", "english", "org1/base1-7b"} <= observed["writer/card3"]
    assert not observed["writer/card0"] and not observed["org1/base1-7b"]
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
        listed = set(around.metadata_tokens.row(graph.ids.index("writer/card3")).tolist())
        assert listed >= {hash_bucket(f"card:{word}") for word in observed["writer/card3"] - found}
        assert len(listed) < len(observed["writer/card3"]) + 4


def test_tokens_of_names_and_lineage_are_those_of_a_plain_loop() -> None:
    graph = made_graph()
    rows = np.array([7, -1, 0, 59, 7])
    names = NameTokens(graph)
    for lineage, relation in ((False, True), (True, True), (True, False)):
        found = TokenTable(graph, lineage=lineage, relation=relation, names=names).take(rows)
        for position, row in enumerate(rows.tolist()):
            expected = sorted(tokens_of(graph, row, lineage=lineage, relation=relation)) if row >= 0 else []
            assert sorted(found.row(position).tolist()) == expected
    alone = TokenTable(graph, lineage=False).take(rows)
    assert [alone.row(at).tolist() for at in range(5)] == [names.take(rows).row(at).tolist() for at in range(5)]


def tokens_of(graph: Graph, row: int, *, lineage: bool, relation: bool) -> list[int]:
    """Return the buckets of one model's tokens."""
    own = own_tokens(graph, row)
    parents = graph.parents.row(row).tolist()
    if not lineage:
        return own
    if not parents:
        return [*own, hash_bucket("no parent")]
    parent = parents[0]
    above = [parent, *parents[1:2], *graph.parents.row(parent).tolist()[:1]]
    root = parent
    while graph.parents.row(root).tolist():
        root = int(graph.parents.row(root)[0])
    above += [root] if root != parent else []
    kind = [hash_bucket(f"as {graph.relations[graph.parents.indptr[row]]}")] if relation else []
    shifted = [1 + bucket % (TOKEN.buckets - 1) for bucket in own_tokens(graph, parent)]
    return [*own, *(hash_bucket(f"above {graph.ids[other]}") for other in above), *kind, *shifted]


def own_tokens(graph: Graph, row: int) -> list[int]:
    owner, name = graph.ids[row].split("/")
    bird, number = name.split("-")
    marked = f"<{name}>"
    grams = {marked[at : at + 4] for at in range(len(marked) - 3)}
    strings = (bird, number, f"{bird} {number}", "~bird-#", f"by {owner}", *(f"^{gram}" for gram in grams))
    return [hash_bucket(each) for each in strings]
