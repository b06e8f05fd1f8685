"""Errors for an empty store, an unknown model and an unknown node name what to do, or what is similar."""

from __future__ import annotations

from pathlib import Path

import pytest

from atlas_db.core.errors import EmptyStoreError, ModelNotFoundError, QueryParameterError
from atlas_db.core.schema import SCHEMA
from atlas_db.store.bolt import Store
from atlas_db.store.contents import (
    count_contents,
    empty_store_error,
    is_empty,
    models_beginning,
    require_models,
    require_node,
)
from tests.support.graphs import load_rows, model


def test_an_empty_store_names_the_command_that_fills_it(store: Store) -> None:
    with pytest.raises(EmptyStoreError, match="is empty. Load a list: atlas-db load"):
        require_models(store)
    assert empty_store_error("demo").hint == "Run atlas-db demo"


def test_an_unknown_id_is_answered_with_similar_ones(store: Store, tmp_path: Path) -> None:
    tags = ["license:apache-2.0", "dataset:squad_v2"]
    load_rows(store, tmp_path, [model("meta/llama-tiny", tags=tags, pipeline_tag="text-generation")])
    assert not is_empty(store)
    require_models(store)
    for label, known in (("Model", "meta/llama-tiny"), ("License", "apache-2.0"), ("Task", "text-generation")):
        require_node(store, label, known)
    with pytest.raises(ModelNotFoundError, match="Did you mean meta/llama-tiny"):
        require_node(store, "Model", "meta/lama-tiny")
    with pytest.raises(QueryParameterError, match="no license 'apache'. Did you mean apache-2.0"):
        require_node(store, "License", "apache")
    with pytest.raises(QueryParameterError, match="no dataset 'sqad'. Did you mean squad_v2"):
        require_node(store, "Dataset", "sqad")
    with pytest.raises(QueryParameterError, match="no task 'zzz'. List them"):
        require_node(store, "Task", "zzz")


def test_contents_are_counted_as_a_reading_of_all_counts_them(store: Store, tmp_path: Path) -> None:
    tags = ["license:mit", "dataset:squad_v2", "base_model:a/base", "base_model:finetune:a/base"]
    assert not any(count_contents(store)[0].values())
    load_rows(store, tmp_path, [model("a/base"), model("a/child", tags=tags), model("b/child", tags=tags[:1])])
    nodes, edges = count_contents(store)
    assert set(nodes) == {kind.label for kind in SCHEMA.nodes} - {"Atlas"}
    assert set(edges) == {kind.type for kind in SCHEMA.relationships}
    for label, number in nodes.items():
        assert len(store.run_user_query(f"MATCH (n:{label}) RETURN n.id", {})[1]) == number
    for kind, number in edges.items():
        assert len(store.run_user_query(f"MATCH (a)-[r:{kind}]->(b) RETURN a.id, b.id", {})[1]) == number
    assert nodes["Model"] == 3 and edges["DERIVED_FROM"] == 1 and edges["HAS_LICENSE"] == 2


def test_beginnings_of_ids_as_written_come_before_those_in_another_case(store: Store, tmp_path: Path) -> None:
    load_rows(
        store,
        tmp_path,
        [model("Meta/Llama", downloads=1), model("Meta/Long", downloads=5), model("meta/lower", downloads=0)],
    )
    assert models_beginning(store, "Meta/L", 9) == ["Meta/Long", "Meta/Llama"]
    assert models_beginning(store, "meta/l", 9) == ["meta/lower"]
    assert models_beginning(store, "META/L", 1) == ["Meta/Long"]
    assert models_beginning(store, "other/", 9) == []
