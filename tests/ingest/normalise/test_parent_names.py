"""Tests of `ingest/normalise/parent_names.py`."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_db.claims.placeholder_names import names_no_model
from ingest.normalise.parent_names import MAX_NAMES, NamedParent, parent_names


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ("a/b", ["a/b"]),
        ("a/b, c/d", ["a/b", "c/d"]),
        ("a/b; c/d | e/f", ["a/b", "c/d", "e/f"]),
        ("a/b and c/d", ["a/b", "c/d"]),
        ("a/b + c/d", ["a/b", "c/d"]),
        ("gpt2, bert-base-uncased", ["gpt2", "bert-base-uncased"]),
        ("Llama 2, 7B", ["Llama 2, 7B"]),
        ("['a/b', 'c/d']", ["a/b", "c/d"]),
        ('["gpt2"]', ["gpt2"]),
        (["a/b", None, 3.0, ["c/d"], "a/b"], ["a/b", "c/d"]),
        ("[a/b](https://hf.co/a/b), [c/d](https://hf.co/c/d)", ["[a/b](https://hf.co/a/b)", "[c/d](https://hf.co/c/d)"]),
        ({"name": "River 7B", "repo_url": "https://hf.co/acme/river"}, ["https://hf.co/acme/river"]),
        ({"name": "acme/river", "url": "https://example.org/paper"}, ["acme/river"]),
        ({"name": "River"}, ["River"]),
        ({"models": [{"id": "a/b"}, {"id": "c/d"}]}, ["a/b", "c/d"]),
        ({"id": "gpt2", "_id": "64f1", "name": "Title"}, ["gpt2"]),
        ({"owner": "a", "name": "b"}, ["a/b"]),
        ({"text": "a/b", "vision": "c/d"}, ["a/b", "c/d"]),
        ({"pretrained_model_name_or_path": "a/b"}, ["a/b"]),
        ('{"repo_id": "a/b"}', ["a/b"]),
        ("a/b c/d", ["a/b", "c/d"]),
        ("a/b / c/d", ["a/b", "c/d"]),
        ("a/b or c/d", ["a/b", "c/d"]),
        ("a/b -> c/d", ["a/b", "c/d"]),
        ("a/b, and c/d", ["a/b", "c/d"]),
        ("a/b、c/d，e/f；g/h", ["a/b", "c/d", "e/f", "g/h"]),
        ("a/b<br>c/d", ["a/b", "c/d"]),
        ("- a/b\n- c/d", ["a/b", "c/d"]),
        ("gpt2 and t5-small", ["gpt2", "t5-small"]),
        ("gpt2 and gpt3", ["gpt2", "gpt3"]),
        ("[a/b](https://hf.co/a/b) and [c/d](https://hf.co/c/d)", ["[a/b](https://hf.co/a/b)", "[c/d](https://hf.co/c/d)"]),
        ("a/b" + " " * 30_000 + "c", ["a/b" + " " * 30_000 + "c"]),
        (None, []),
        (False, []),
    ],
)  # fmt: skip
def test_names_in_a_field(value: Any, names: list[str]) -> None:
    assert [each.name for each in parent_names(value)] == names


def test_relations_in_nested_mappings() -> None:
    assert parent_names({"a/b": {"relation": "merge"}}) == [NamedParent("a/b", "merge")]


def test_relations_beside_names_are_kept() -> None:
    assert parent_names([{"id": "a/b", "relation": "distilled"}, "c/d"]) == [
        NamedParent("a/b", "distilled"), NamedParent("c/d"),
    ]  # fmt: skip
    assert parent_names({"a/b": "merge", "c/d": "finetune"}) == [
        NamedParent("a/b", "merge"), NamedParent("c/d", "finetune"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["None", "none", "NONE", "null", "N/A", "n/a", "NA", "nan", "-", "", " ", "?", "...", "unknown", "Unknown",
     "scratch", "from scratch", "from-scratch", "Trained from scratch.", "TBD", "{{ base_model }}", "<base model>",
     "[More Information Needed]", "${BASE}", "base_model", "your-model-here",
     "https://huggingface.co/datasets/acme/pond", "hf://datasets/acme/pond", "datasets/acme/pond",
     "/cache/hub/datasets--acme--pond/snapshots/1", "not applicable", "7", "3.5", "no base model", "'None'", "none\u200b", "xxx", "true"],
)  # fmt: skip
def test_words_that_name_no_model(text: str) -> None:
    assert names_no_model(text)


@pytest.mark.parametrize(
    "text", ["zed/none", "gpt2", "bert", "t5", "x/unknown", "acme/river", "<acme/river>", "[a/b](https://hf.co/a/b)",
             "scratch-lm", "none-of-it", "nullmodel", "user/river", "acme/datasets", "https://huggingface.co/datasets-lab/river"],
)  # fmt: skip
def test_names_that_only_look_like_it(text: str) -> None:
    assert not names_no_model(text)


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=20),
    lambda x: st.lists(x) | st.dictionaries(st.text(max_size=8), x),
)


@pytest.mark.slow
@given(_JSON)
def test_no_field_breaks_the_reader(value: Any) -> None:
    names = [each.name for each in parent_names(value)]
    assert len(names) == len(set(names)) <= MAX_NAMES + 1
    assert all(name.strip() for name in names)
