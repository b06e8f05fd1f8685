"""The Python interface: every name has an example, every example runs against the demo's atlas, and a true Neo4j."""

from __future__ import annotations

import doctest
import inspect
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import atlas_db
from atlas_db.api import atlas, functions
from atlas_db.api.results import ResultTable
from atlas_db.core.errors import (
    ModelNotFoundError,
    QueryNotFoundError,
    QueryParameterError,
    WriteRefusedError,
)
from atlas_db.core.settings import Settings
from atlas_db.pipeline.sample import sample
from tests.support.command import run
from tests.support.graphs import child, load_rows, model

pytestmark = pytest.mark.timeout(900)
FINDER = doctest.DocTestFinder()
EXAMPLES = [test for room in (functions, atlas) for test in FINDER.find(room, "api") if test.examples]


@pytest.fixture(scope="module")
def names(demo_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("functions")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ATLAS_DB_HOME", str(demo_home))
        patch.setenv("ATLAS_DB_HEAP", "1g")
        atlas_db.fingerprint(sample() / "weights", folder / "fp.parquet")
        with atlas_db.connect("demo") as atlas:
            yield {"atlas_db": atlas_db, "atlas": atlas, "lists": sample(), "folder": folder}
        run(demo_home, "store", "stop", "--store", f"local:{folder / 'store'}")


def test_every_public_name_has_an_example() -> None:
    own = {f"api.{name}" for name in atlas_db.__all__ if inspect.isfunction(getattr(functions, name))}
    own |= {
        f"api.Atlas.{name}" for name, _ in inspect.getmembers(functions.Atlas, inspect.isfunction) if name[0] != "_"
    }
    assert own - {test.name for test in EXAMPLES} == set()
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    for name in own:
        assert f".{name.rpartition('.')[2]}`" in readme, name


@pytest.mark.parametrize("test", EXAMPLES, ids=lambda test: test.name)
def test_examples(names: dict[str, Any], test: doctest.DocTest) -> None:
    runner = doctest.DocTestRunner(optionflags=doctest.IGNORE_EXCEPTION_DETAIL * ("py2neo" in test.name))
    test.globs = dict(names)
    report: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, on import
        runner.run(test, out=report.append)
    assert not runner.summarize(verbose=False).failed, "".join(report)


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
