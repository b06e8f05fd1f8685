"""Tests of `atlas_db/dashboard/questions.py`."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from atlas_db.core.errors import QueryNotFoundError
from atlas_db.core.settings import Settings
from atlas_db.dashboard.app import create_app
from atlas_db.dashboard.questions import MAX_ROWS, cypher_page, question_page, questions_page
from atlas_db.dashboard.serving.app_state import AppState
from atlas_db.dashboard.templating import Served, render
from atlas_db.store.bolt import Store
from cypher.query_library import queries, run_query
from tests.support.graphs import child, load_rows, model

ROWS = [
    model("a/b", tags=["license:mit"]),
    *(child(f"c/{n}", "finetune:a/b", tags=["license:apache-2.0"]) for n in range(3)),
]


@pytest.fixture
def filled(local_store: Store, tmp_path: Path) -> Store:
    load_rows(local_store, tmp_path, ROWS)
    return local_store


def test_every_shipped_query_is_listed_once_with_all_its_parameters() -> None:
    listed = {each["name"]: each for topic in questions_page()["topics"].values() for each in topic}
    assert listed.keys() == queries().keys()
    for name, query in queries().items():
        assert [each["name"] for each in listed[name]["parameters"]] == [each.name for each in query.parameters]


def test_a_question_is_answered_as_the_query_is(filled: Store) -> None:
    page = question_page(filled, "licenses", {"limit": " "})
    query, rows = run_query(filled, "licenses")
    assert page["answer"]["rows"] == [{name: row[name] for name in query.columns} for row in rows]
    assert page["answer"]["figure"]["data"][0]["x"] == [1, 3], "the most frequent on top"
    assert question_page(filled, "licenses", {"limit": "1"})["answer"]["number"] == 1
    assert question_page(filled, "licenses", {}, run=False)["answer"] is None
    assert question_page(filled, "children", {})["answer"] is None, "it needs a model"
    wrong = question_page(filled, "children", {"model": "a/bb"})
    assert wrong["answer"] is None
    assert "a/b" in wrong["problem"]["hint"]
    with pytest.raises(QueryNotFoundError):
        question_page(filled, "no_such", {})


def test_ids_in_an_answer_lead_to_pages(filled: Store) -> None:
    answers = {name: question_page(filled, name, {}) for name in ("top_parents", "authors", "licenses")}
    assert [(page["answer"]["rows"][0]["id"], page["ids"]) for page in answers.values()] == [
        ("a/b", "models"),
        ("c", "authors"),
        ("apache-2.0", None),
    ]
    text = {name: render("question", page, Served(), current="", title="") for name, page in answers.items()}
    assert '<a href="/models/a/b">a/b</a>' in text["top_parents"]
    assert '<a href="/author/c">c</a>' in text["authors"]
    assert ">apache-2.0</td>" in text["licenses"]


def test_own_cypher_only_reads_and_is_cut(filled: Store) -> None:
    assert cypher_page(filled, "MATCH (m:Model) RETURN count(m) AS models")["answer"]["rows"] == [{"models": 4}]
    refused = cypher_page(filled, "MATCH (m:Model) DETACH DELETE m")
    assert refused["answer"] is None
    assert refused["problem"] is not None
    assert cypher_page(filled, "MATCH (m:Model) RETURN count(m) AS n")["answer"]["rows"] == [{"n": 4}]
    many = cypher_page(filled, f"UNWIND range(1, {MAX_ROWS + 7}) AS n RETURN n")["answer"]
    assert (many["number"], len(many["rows"])) == (MAX_ROWS + 7, MAX_ROWS)
    assert cypher_page(filled, "MATCH (m RETURN m")["problem"]["message"]
    assert cypher_page(filled, " ")["answer"] is None


def test_another_site_fills_in_a_form_and_sends_nothing(
    filled: Store, local_settings: Settings, tmp_path: Path
) -> None:
    place = local_settings.home / "stores" / "local"
    with AppState(Settings(home=tmp_path, store=f"local:{place}")) as state:
        client = TestClient(create_app(state), base_url="http://127.0.0.1")
        for address in ("/cypher?q=RETURN 1 AS one", "/questions/licenses?ask=1"):
            ours = client.get(f"{address}&format=json", headers={"Sec-Fetch-Site": "same-origin"})
            assert ours.json()["answer"]["number"]
            assert (
                client.get(f"{address}&format=json", headers={"Sec-Fetch-Site": "cross-site"}).json()["answer"] is None
            )
        assert client.get("/questions/licenses?format=json").json()["answer"] is None, "it is asked by a press"
        hostile = client.get("/cypher?q=</textarea><script>alert(1)</script>")
        assert "<script>alert" not in hostile.text
        assert client.get("/questions/no_such").status_code == 404
