"""Tests of `atlas_db/api/atlas.py`."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import atlas_db
from atlas_db.api.results import ResultTable
from atlas_db.core.errors import ModelNotFoundError, QueryNotFoundError, QueryParameterError, WriteRefusedError
from atlas_db.core.settings import Settings
from tests.support.graphs import child, load_rows, model


def test_notebooks_show_tables_and_nothing_that_was_not_escaped(names: dict[str, Any]) -> None:
    atlas = names["atlas"]
    assert "<table>" in atlas._repr_html_() and "371" in atlas._repr_html_()
    found = atlas.lineage("atlas-demo/tern")
    assert "atlas-demo/tern-chat" in found._repr_html_()
    hostile = replace(found, model=replace(found.model, id="<script>"))
    assert "<script>" not in hostile._repr_html_()
    table = ResultTable(("<b>",), ({"<b>": "<script>"},))
    assert "<script>" not in table._repr_html_() and "<b>" not in table._repr_html_()
    assert repr(atlas.lineage("atlas-demo/tern-chat")) == "<Lineage of atlas-demo/tern-chat: 1 parent, 2 children>"


def test_addresses_of_the_hub_name_models(names: dict[str, Any]) -> None:
    atlas, name = names["atlas"], "atlas-demo/tern-chat"
    for address in (f"hf://{name}", f"https://huggingface.co/{name}"):
        assert atlas.model(address) == atlas.model(name)
        assert atlas.lineage(address).ancestors == atlas.lineage(name).ancestors
        assert atlas.compare(address, "hf://atlas-demo/tern").traits == atlas.compare(name, "atlas-demo/tern").traits


def test_errors_are_ours(names: dict[str, Any]) -> None:
    atlas = names["atlas"]
    with pytest.raises(ModelNotFoundError, match="Did you mean"):
        atlas.lineage("mistralai/Mistral-7B-v0.9")
    with pytest.raises(QueryNotFoundError, match="ancestors"):
        atlas.query("ancestor")
    with pytest.raises(QueryParameterError, match="limit"):
        atlas.query("most_downloaded", limit="many")
    with pytest.raises(WriteRefusedError):
        atlas.query("MATCH (m:Model) SET m.likes = 0")
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        atlas_db.nothing  # noqa: B018


def test_py2neo_reads_what_we_wrote(neo4j_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from atlas_db.store.connect import open_store

    with open_store(neo4j_settings) as store:
        load_rows(store, tmp_path, [model("a/root", tags=["license:mit"]), child("b/leaf", "a/root")])
    monkeypatch.setenv("ATLAS_DB_USER", neo4j_settings.user)
    monkeypatch.setenv("ATLAS_DB_PASSWORD", neo4j_settings.password)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # py2neo's own: it is no longer maintained
        with atlas_db.connect(neo4j_settings.store, home=neo4j_settings.home) as atlas:
            graph = atlas.py2neo()
            rows = graph.run("MATCH (c:Model {id: $id})-[r:DERIVED_FROM]->(p) RETURN p.id AS id, r.relation AS how",
                             id="b/leaf").data()  # fmt: skip
            assert rows == [{"id": "a/root", "how": "finetune"}]
            assert graph.nodes.match("Model", id="a/root").first()["license"] == "mit"
            graph.service.connector.close()
