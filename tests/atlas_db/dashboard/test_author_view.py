"""Tests of `atlas_db/dashboard/author_view.py`."""

from __future__ import annotations

import pytest

from atlas_db.core.errors import InputError
from atlas_db.dashboard.aggregates import Bundle
from atlas_db.dashboard.author_view import author_page
from atlas_db.dashboard.templating import Served, render
from atlas_db.store.bolt import Store
from tests.support.dashboard_hub import ROWS


def test_an_author_has_the_numbers_of_their_models(counted: Bundle, store: Store) -> None:
    for author in ("f", "org0"):
        page = author_page(store, counted, author)
        own = [row for row in ROWS if str(row["id"]).startswith(f"{author}/")]
        assert page["models"] == len(own)
        assert page["downloads"] == sum(int(row.get("downloads") or 0) for row in own)
        assert sum(row["models"] for row in page["families"]) + page["alone"] == len(own), "each model once"
        for part in ("licenses", "verdicts", "tasks"):
            assert sum(row["models"] for row in page[part]) == len(own)
        sizes = {row["id"]: row["models"] for row in counted.report["map"]["labels"]}
        assert all(row["family"] == sizes.get(row["root"], row["family"]) for row in page["families"])
    assert [row["model"] for row in author_page(store, counted, "f")["top"]][:2] == ["f/fan-59", "f/fan-58"]
    html = render("author", author_page(store, counted, "f"), Served(), current="", title="f")
    assert 'href="/models/f/fan-59"' in html
    assert "of the family" in html
    with pytest.raises(InputError, match="no author 'F'") as caught:
        author_page(store, counted, "F")
    assert caught.value.hint
